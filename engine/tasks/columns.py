"""Which columns of a table are learnt, and its rows as documents."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import TaskError
from engine.names import listed, shortened
from engine.tasks.contents import LeftOut, Table
from engine.tasks.documents import Document

if TYPE_CHECKING:
    import pandas as pd

_TEXT_NAMES = (
    "text", "content", "body", "document", "article", "passage", "message", "review", "sentence", "utterance",
    "story", "description", "query", "question", "abstract", "transcript", "comment", "正文", "文本", "内容",
)  # fmt: skip
_PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("prompt", "answer"), ("instruction", "output"),
    ("instruction", "response"), ("question", "answer"), ("query", "answer"), ("query", "response"),
    ("input", "output"), ("source", "target"), ("context", "response"), ("问题", "答案"), ("问题", "回答"),
)  # fmt: skip
_GUESS_ROWS = 200


@dataclass(frozen=True)
class Columns:
    """The column of the whole text; or those of prompt and completion; or the column of conversations."""

    text: str | None = None
    prompt: tuple[str, ...] = ()
    """The prompt is those of their cells that are not empty, joined by a blank line."""
    completion: str | None = None
    messages: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All that are used."""
        return (*self.prompt, *(n for n in (self.completion, self.text, self.messages) if n is not None))


@dataclass(frozen=True)
class Guess:
    """A first proposal; `by_name` is False where only the lengths of the cells speak for it."""

    columns: Columns
    by_name: bool


def guess_columns(frame: pd.DataFrame) -> Guess:
    """The likely text column, or prompt and completion, of a table with at least one column."""
    by_lower = {str(name).strip().lower(): str(name) for name in reversed(frame.columns)}
    for prompt, completion in _PAIRS:
        if prompt in by_lower and completion in by_lower:
            return Guess(Columns(prompt=(by_lower[prompt],), completion=by_lower[completion]), by_name=True)
    for name in _TEXT_NAMES:
        if name in by_lower:
            return Guess(Columns(text=by_lower[name]), by_name=True)
    head = frame.head(_GUESS_ROWS)
    lengths = {str(name): head.iloc[:, i].str.len().sum() for i, name in enumerate(frame.columns)}
    longest = max(lengths, key=lambda name: lengths[name])
    return Guess(Columns(text=longest), by_name=len(lengths) == 1)


def chosen_columns(table: Table, wanted: Columns) -> Columns:
    """The wanted columns, or the guess where none are named. Raises TaskError where they are missing or unclear."""
    names = [str(name) for name in table.frame.columns]
    if wanted.names:
        for name in wanted.names:
            if name not in names:
                raise TaskError(f"{table.name}: there is no column '{shortened(name)}'; choose one of {listed(names)}.")
        return wanted
    guess = guess_columns(table.frame)
    if not guess.by_name:
        raise TaskError(
            f"{table.name}: has the columns {listed(names)}; say which is the text (text_column), "
            "or which two are prompt and completion (prompt_column, completion_column)."
        )
    return guess.columns


def rows_to_documents(table: Table, columns: Columns) -> tuple[list[Document], list[LeftOut]]:
    """One document a row; rows whose text is empty are left out. Raises TaskError where all are."""
    learnt = columns.text if columns.text is not None else columns.completion
    texts: Iterable[str] = table.frame[learnt]
    prompts = _prompts(table.frame, columns.prompt)
    documents, left_out = [], []
    for where, prompt, text in zip(table.frame.index, prompts, texts, strict=True):
        if text.strip():
            documents.append(Document(text, prompt))
        else:
            left_out.append(LeftOut(f"{table.row_word} {where}", f"'{shortened(str(learnt))}' is empty"))
    if not documents:
        raise TaskError(
            f"{table.name}: the column '{shortened(str(learnt))}' is empty in every row; choose another column."
        )
    return documents, left_out


def _prompts(frame: pd.DataFrame, columns: tuple[str, ...]) -> Iterable[str]:
    if not columns:
        return [""] * len(frame)
    if len(columns) == 1:
        return list(frame[columns[0]])
    return [
        "\n\n".join(cell for cell in cells if cell.strip())
        for cells in frame[list(columns)].itertuples(index=False, name=None)
    ]
