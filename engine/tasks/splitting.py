"""Texts to documents, and documents to the two sides of a task."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.common.errors import TaskError
from engine.tasks.documents import Document, Turn
from engine.tasks.files.contents import Text

if TYPE_CHECKING:
    from engine.tasks.spec import Split

_BLANK_LINE = re.compile(r"\n(?:[ \t]*\n)+")
_TWO_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_ON_TRAINING = "let the task be scored on its own training text (held_out: train)"
_SPACE = re.compile(r"\s")
_STRETCH = 1_000_000
_SEPARATORS = {"two blank lines": _TWO_BLANK_LINES, "blank line": _BLANK_LINE, "line": re.compile(r"\n")}


@dataclass(frozen=True)
class Splits:
    """How one task's texts are cut: Markdown files and others can differ under "auto"."""

    text: "Split"
    markdown: "Split"

    def of(self, text: Text) -> "Split":
        return self.markdown if text.format == "md" else self.text


def resolve_split(texts: Sequence[Text], split: "Split") -> Splits:
    """What `split` means for these training texts. Raises TaskError for "row", which only tables have."""
    if split == "row" and texts:
        raise TaskError(f"{texts[0].name}: a text has no table rows; choose blank lines, lines or files as documents.")
    if split != "auto":
        return Splits(split, split)
    markdown = [text for text in texts if text.format == "md"]
    together = _natural_split([t.text for t in texts if t.format != "md" or len(markdown) == 1])
    return Splits(together, "file" if len(markdown) > 1 else together)


def split_text(text: str, split: "Split") -> list[str]:
    """The documents of one text, without blank lines at their ends. `split` is not "auto"."""
    separator = _SEPARATORS.get(split)
    pieces = separator.split(text) if separator else [text]
    trimmed = (_trim(piece) for piece in pieces)
    return [piece for piece in trimmed if piece]


class TooLittleError(TaskError):
    """There is text to train on, but too little to hold any out."""


@dataclass(frozen=True)
class Division:
    """The two sides of a task, in the order of the files, and what was dropped because it stood there already."""

    train: tuple[Document, ...]
    held_out: tuple[Document, ...]
    repeated: int
    """Documents that repeat an earlier one on the same side."""
    on_both_sides: int
    """Training documents that also stand in the held-out files."""


def divide(
    name: str,
    train: Sequence[Document],
    held_out: Sequence[Document] | None,
    share: float,
    seed: int,
    on_training: bool = False,
) -> Division:
    """Drop repeated documents, then hold out a share of the rest where no held-out documents are given.

    With `on_training` nothing is held out: both sides are all of the training documents.

    The choice depends on the seed and each document's text alone, so the same document falls on the same side
    whatever the order of the files. Raises TaskError, naming `name`, where a side would be empty; TooLittleError where
    the training text could still be scored itself.
    """
    as_chat = any(document.turns for document in (*train, *(held_out or ())))
    unique = _without_repeats(train, as_chat)
    if not unique:
        raise TaskError(f"{name}: there is no text to train on; add files with text.")
    if on_training:
        return Division(unique, unique, len(train) - len(unique), 0)
    if held_out is not None:
        tested = _without_repeats(held_out, as_chat)
        if not tested:
            raise TaskError(f"{name}: the held-out files hold no text; add text or hold out a share instead.")
        known = {document_key(document, as_chat) for document in tested}
        kept = tuple(document for document in unique if document_key(document, as_chat) not in known)
        if not kept:
            raise TooLittleError(
                f"{name}: every training document also stands in the held-out files; use different files for the two, "
                f"or {_ON_TRAINING}."
            )
        repeated = len(train) - len(unique) + len(held_out) - len(tested)
        return Division(kept, tested, repeated, len(unique) - len(kept))
    if len(unique) < 2 and len(train) > 1:
        raise TooLittleError(
            f"{name}: all {len(train):,} documents are the same text, so nothing can be held out; "
            f"add other text, give a held-out file, or {_ON_TRAINING}."
        )
    if len(unique) < 2:
        raise TooLittleError(
            f"{name}: all of the text is one document, so nothing can be held out; "
            f"cut it into smaller documents, add more text, give a held-out file, or {_ON_TRAINING}."
        )
    chosen = _chosen(unique, share, seed, as_chat)
    return Division(
        tuple(d for i, d in enumerate(unique) if i not in chosen),
        tuple(d for i, d in enumerate(unique) if i in chosen),
        len(train) - len(unique),
        0,
    )


def _chosen(documents: Sequence[Document], share: float, seed: int, as_chat: bool) -> set[int]:
    count = min(max(1, round(share * len(documents))), len(documents) - 1)
    keys = [document_key(document, as_chat) for document in documents]
    ranks = [hashlib.sha256(f"split {seed} {key}".encode()).digest() for key in keys]
    return set(sorted(range(len(documents)), key=lambda i: ranks[i])[:count])


def _without_repeats(documents: Iterable[Document], as_chat: bool) -> tuple[Document, ...]:
    first: dict[tuple[str, ...], Document] = {}
    for document in documents:
        first.setdefault(document_key(document, as_chat), document)
    return tuple(first.values())


def document_key(document: Document, as_chat: bool = False) -> tuple[str, ...]:
    """Documents that differ in white space alone count as the same; so do, with `as_chat`, a pair and the conversation
    of its question and answer."""
    turns = document.turns
    if as_chat and not turns:
        asked = (Turn("user", document.prompt),) if document.prompt else ()
        turns = (*asked, Turn("assistant", document.text))
    if turns:
        return tuple(part for turn in turns for part in _turn_key(turn))
    return _on_one_line(document.prompt), _on_one_line(document.text)


def _turn_key(turn: Turn) -> tuple[str, ...]:
    return turn.role, _on_one_line(turn.content), turn.more, "given" if turn.given else ""


def _on_one_line(text: str) -> str:
    """White space as single spaces, a stretch at a time: a list of all words takes twenty times the text's memory."""
    if len(text) <= _STRETCH:
        return " ".join(text.split())
    parts, start = [], 0
    while start < len(text):
        space = _SPACE.search(text, start + _STRETCH)
        end = space.start() if space else len(text)
        parts.append(" ".join(text[start:end].split()))
        start = end
    return " ".join(filter(None, parts))


def _natural_split(texts: Sequence[str]) -> "Split":
    """The widest separator that runs through the texts."""
    blank = [piece for text in texts for piece in split_text(text, "blank line")]
    wide = [piece for text in texts for piece in split_text(text, "two blank lines")]
    characters = sum(map(len, wide))
    longest = max(map(len, wide), default=0)
    # A few stray gaps in a long text are no separators: ask for one in 200 paragraphs, and none in half the text.
    if len(wide) - len(texts) >= 2 and longest <= characters / 2 and len(wide) * 200 >= len(blank):
        return "two blank lines"
    lines = sum(piece.count("\n") + 1 for piece in blank)
    if len(blank) > len(texts) and len(blank) * 100 >= lines:
        return "blank line"
    return "line"


def _trim(piece: str) -> str:
    """Without blank lines before and white space after; the first line keeps its indentation."""
    if not piece.strip():
        return ""
    first = len(piece) - len(piece.lstrip())
    return piece[piece.rfind("\n", 0, first) + 1 :].rstrip()
