"""What users typed, as literal text of a Markdown file: code spans, in which nothing is markup.

CommonMark 0.31.2, section 6.1, https://spec.commonmark.org/0.31.2/#code-spans; tables as GitHub's flavour has them,
https://github.github.com/gfm/#tables-extension-.
"""

import re
from collections.abc import Iterable, Sequence

from engine.common.quoting import shortened, visible

_BACKTICKS = re.compile("`+")
_PIPE = re.compile(r"(\\?)\|")
_WORD_JOINER = "\u2060"
LONGEST = 200
"""Characters of a text; the middle of a longer one is left out."""


def literal(text: str) -> str:
    """`text` on one line as a code span, which shows exactly these characters."""
    one_line = shortened(visible(" ".join(text.split())), LONGEST) or " "
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(one_line)), default=0))
    pad = " " if one_line[0] in "` " or one_line[-1] in "` " else ""
    return f"{fence}{pad}{one_line}{pad}{fence}"


def listed(texts: Iterable[str]) -> str:
    """Code spans with commas between them."""
    return ", ".join(literal(text) for text in texts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in lines)


def _cell(text: str) -> str:
    """Readers of tables split rows before they read code spans, and take `\\|` for a bar that does not split; a
    backslash before it must be kept apart from that one."""
    return _PIPE.sub(lambda found: f"{found[1]}{_WORD_JOINER if found[1] else ''}\\|", text)
