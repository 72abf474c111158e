"""Whether the first row of a table names its columns: it does where it is not of the same kind as the rows below."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_USUAL = """
text texts content body document article passage message messages review sentence utterance story description query
question answer abstract transcript comment prompt completion response instruction input output source target context
id index idx no nr number label labels category categories class type name title subject topic date time timestamp
created_at url link score rating stars value count author user username speaker role language lang split intent
sentiment tweet tweet_text email headline summary keywords tags translation conversations conversation v1 v2
正文 文本 内容 问题 答案 回答 标题 标签 类别
"""
KNOWN_NAMES = frozenset(_USUAL.split()) | {"unnamed: 0"}
"""Lower-case names that columns of text collections have; no row of texts consists of them."""
_LOOKED_AT = 200
_LONGEST_NAME = 64
_CERTAIN = 2
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)]*$")


@dataclass(frozen=True)
class Verdict:
    """`is_certain` is False where the first row could as well be the other."""

    is_header: bool
    is_certain: bool


def judge_header(first: Sequence[str], body: Sequence[Sequence[str]]) -> Verdict:
    """Compare the first row, cell by cell, with the column below it."""
    cells = [cell.strip() for cell in first]
    named = [cell for cell in cells if cell]
    if not named:
        return Verdict(False, True)
    sample = body[:_LOOKED_AT]
    columns = [[row[i].strip() for row in sample if i < len(row) and row[i].strip()] for i in range(len(cells))]
    if _numbered(named) and any(column and not all(map(_is_figure, column)) for column in columns[-len(named) :]):
        return Verdict(True, True)  # a frame of pandas whose columns have no names
    evidence = [_evidence(cell, column) for cell, column in zip(cells, columns, strict=True) if cell]
    total = sum(evidence)
    if abs(total) >= _CERTAIN:
        return Verdict(total > 0, True)
    if len(cells) == 1:
        return Verdict(total > 0 or not columns[0], False)
    gaps = sum(1 for cell in cells[1:] if not cell)  # the first may be an index without a name
    return Verdict(gaps * 2 < len(cells) and all(map(_could_be_name, named)), False)


def is_known(cell: str) -> bool:
    """Whether a cell is one of the usual names of a column."""
    return cell.strip().lower() in KNOWN_NAMES


def _evidence(cell: str, column: list[str]) -> int:
    """Positive where the cell names the column, negative where it is one more of its cells."""
    if is_known(cell) and cell not in column:
        return 3
    if _is_figure(cell):
        return -3
    if not column:
        return 0 if _could_be_name(cell) else -2
    if all(map(_is_figure, column)):
        return 3
    if cell in column:
        return -1 if is_known(cell) else -5
    words, below = len(cell.split()), sorted(len(other.split()) for other in column)
    usual = below[len(below) // 2]
    if not _could_be_name(cell):
        return 1 if cell.endswith("?") and not any(other.endswith("?") for other in column) else -2
    if usual >= 4 and words <= 3 and words < below[0]:
        return 2
    if usual >= 4 and words >= max(4, below[0]):
        return -2
    if _is_sentence(column) and not _SENTENCE_END.search(cell):
        return 2
    return 0


def _could_be_name(cell: str) -> bool:
    """One line, short, and no sentence; a question can be one, as forms have it."""
    if "\n" in cell or _is_figure(cell):
        return False
    words = len(cell.split())
    if cell.endswith("?"):
        return words <= 20
    return len(cell) <= _LONGEST_NAME and words < 8 and not (_SENTENCE_END.search(cell) and words >= 3)


def _is_sentence(column: list[str]) -> bool:
    return sum(1 for cell in column if _SENTENCE_END.search(cell)) >= 0.9 * len(column)


def _is_figure(cell: str) -> bool:
    """A number, a date, a share: digits and hardly a letter."""
    return sum(map(str.isdigit, cell)) > 0 and sum(map(str.isalpha, cell)) <= (2 if len(cell) >= 8 else 0)


def _numbered(named: list[str]) -> bool:
    return named == [str(i) for i in range(len(named))]
