"""Guards as the rows of a table that people write: one column for what must hold, one for its value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.common.errors import ConfigError
from engine.common.explanations import explain
from engine.guards.guard import KINDS, MOST_GUARDS, OF_ANSWERS, Guard, check_titles
from ui.drafts import words

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
"""Cells by column. `value` is the text that the answer contains or equals, the pattern, the likelier continuation, or
the text that has a loss; `than` the less likely continuations, or the largest loss alone."""
TEXTS = ("name", "prompt", "kind", "value")
_COLUMN_OF = {**{column: column for column in words.GUARD_COLUMNS}, **dict.fromkeys(KINDS, "value"), "text": "value"}
_COLUMN_OF["loss_at_most"] = "than"
_FIELD = re.compile(rf"(?:^|(?<=; ))({'|'.join(_COLUMN_OF)})(?=[.:])")


@dataclass
class GuardsDraft:
    """The guards of a form, right or not yet."""

    rows: list[Row] = field(default_factory=list)
    """As they stand in the table; they are what the experiment is started with."""
    own: list[Row] = field(default_factory=list)
    """The last that were of no kept set, to come back to."""
    is_open: bool = False
    """The table is shown, be it empty."""
    set_id: str = ""
    """The kept set that was chosen last."""
    drawn: list[Row] = field(default_factory=list)
    """The rows that the table was begun with: a browser sends what differs from them."""
    rounds: int = 0
    """The number of times that the rows were set from beside the table, which is then made anew."""

    def take(self, rows: Sequence[Row], set_id: str = "", is_open: bool = True) -> None:
        """Set all rows."""
        self.rows, self.set_id, self.is_open = list(rows), set_id, is_open
        self.rounds += 1

    def guards(self) -> tuple[Guard, ...]:
        """Raises ConfigError where a row has a mistake; the form says below its table which."""
        found, mistakes = read_rows(self.rows)
        if mistakes:
            raise ConfigError(words.MEND_GUARDS)
        return found


def rows_of(guards: Sequence[Guard]) -> list[Row]:
    """The rows that `read_rows` reads back to equal guards."""
    return [_row(guard) for guard in guards]


def read_rows(rows: Sequence[Row]) -> tuple[tuple[Guard, ...], list[str]]:
    """The guards of the rows that are right, and a sentence on each mistake, with the number of the row and its column;
    empty rows are passed over."""
    found, mistakes = [], []
    for number, row in enumerate(rows, start=1):
        if is_empty(row):
            continue
        try:
            found.append(_guard(row))
        except ConfigError as error:
            title = row["name"] or " ".join(row["prompt"].split())
            mistakes.append(words.guard_mistake(number, title, str(error)))
    if len(found) > MOST_GUARDS:
        mistakes.append(words.too_many_guards(len(found), MOST_GUARDS))
    try:
        check_titles(found)
    except ValueError as error:
        mistakes.append(words.name_mistake(str(error)))
    return tuple(found), mistakes


def is_empty(row: Row) -> bool:
    """Whether nothing that a guard needs was written into a row."""
    return not any(row[column] for column in ("name", "prompt", "value", "than"))


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table can be edited."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(words.GUARD_COLUMNS))
    return frame.astype(dict.fromkeys(TEXTS, "string") | {"chat": "boolean", "answer_tokens": "Int64", "than": object})


def rows_in(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table, whatever was left empty in it."""
    cells = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [
        {
            **{column: row[column] or "" for column in TEXTS},
            "than": [] if row["than"] is None else [str(each) for each in row["than"]],
            "chat": bool(row["chat"]),
            "answer_tokens": None if row["answer_tokens"] is None else int(row["answer_tokens"]),
        }
        for row in cells
    ]


def _row(guard: Guard) -> Row:
    loss = guard.loss_at_most
    return {
        "name": guard.name,
        "prompt": guard.prompt,
        "kind": guard.kind,
        "value": guard.text if loss is not None else getattr(guard, guard.kind),
        "than": [repr(loss)] if loss is not None else list(guard.than),
        "chat": guard.chat,
        "answer_tokens": guard.answer_tokens,
    }


def _guard(row: Row) -> Guard:
    """Raises ConfigError that names the column."""
    kind, than = row["kind"], row["than"]
    if kind not in KINDS:
        raise ConfigError(words.CHOOSE_KIND)
    if kind in OF_ANSWERS and than:
        raise ConfigError(words.THAN_GOES_WITH)
    if kind == "likelier" and not than:
        raise ConfigError(words.NEEDS_LESS_LIKELY)
    if kind == "loss_at_most" and len(than) != 1:
        raise ConfigError(words.NEEDS_NUMBER)
    says = {"text": row["value"], kind: than[0]} if kind == "loss_at_most" else {kind: row["value"], "than": than}
    length = {} if row["answer_tokens"] is None else {"answer_tokens": row["answer_tokens"]}
    try:
        return Guard.model_validate({each: row[each] for each in ("name", "prompt", "chat")} | says | length)
    except ValidationError as error:
        sentence = explain(error, lambda place: words.GUARD_COLUMNS)
        raise ConfigError(_FIELD.sub(lambda found: words.GUARD_COLUMNS[_COLUMN_OF[found[1]]], sentence)) from error
