"""Texts of documents and models as HTML that shows exactly their characters: they are data, never markup."""

import html

from engine.common.quoting import visible
from ui.widgets import words

PRE = "white-space:pre-wrap;overflow-wrap:anywhere;font-size:.9rem"
SMALL = "font-size:.85rem;margin:0"
QUIET = "opacity:.75"
BOX = "border:1px solid rgba(128,128,128,.35);border-radius:.4rem;padding:.6rem .75rem"


def shown(text: str, marked: bool = False) -> str:
    """`text` for HTML in which white space is kept; where it is `marked`, signs stand for line breaks and tabs too."""
    line, tab = ("↵\n", "⇥\t") if marked else ("\n", "\t")
    lines = [tab.join(visible(part) for part in each.split("\t")) for each in text.split("\n")]
    return html.escape(line.join(lines))


def on_one_line(text: str) -> str:
    """`text` without HTML, with signs for its line breaks and tabs."""
    return visible(text.replace("\n", "↵").replace("\t", "⇥"))


def named(text: str) -> str:
    """A token's text in a sentence: in quotation marks, and said of what is not a whole character by itself."""
    shown_text = on_one_line(text).strip()
    return words.PART_OF_CHARACTER if shown_text.strip("\ufffd") == "" and shown_text else f"“{shown_text}”"


def shortened(text: str, characters: int) -> str:
    """The beginning of a long text, which says how much is left out."""
    more = len(text) - characters
    return text if more <= 0 else f"{text[:characters]} {words.more_characters(more)}"
