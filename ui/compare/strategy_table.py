"""The strategies beside the figure: a row for each, its numbers as text, and which of them are the best."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.results.comparison import KEPT, sign, trains_on_all
from engine.results.verdict import chance, margin
from figures.numbers import NOTHING, count, duration, percent
from figures.theme import LineStyle, brief_labels
from ui.compare import table_words, words
from ui.compare.compared_runs import Comparison
from ui.compare.tables import with_interval
from ui.widgets.html_table import Cell, Heading


@dataclass(frozen=True)
class _Column:
    heading: Heading
    text: Callable[[Mapping[Any, Any]], str]
    goodness: Callable[[Mapping[Any, Any]], float] = lambda row: float("nan")
    """The larger, the better; not a number where no value is the best."""


def strategy_headings(score: str) -> list[Heading]:
    return [Heading(table_words.STRATEGY, "", is_number=False), *(column.heading for column in _columns(score, {}))]


def strategy_rows(comparison: Comparison, styles: Mapping[str, LineStyle]) -> list[list[Cell]]:
    """A row for each configuration: the best first as the verdict ranks them, then what it does not judge. What trains
    on all tasks is the reference, and never the best."""
    verdict = comparison.verdict
    ranked = [verdict.winner, *(each.rival for each in verdict.differences)]
    rows = comparison.table.to_dict("records")
    rows.sort(key=lambda row: ranked.index(row["configuration"]) if row["configuration"] in ranked else len(ranked))
    brief = brief_labels(comparison.table["configuration"])
    behind = _behind(comparison)
    columns = _columns(comparison.score, behind)
    rivals = [row for row in rows if row["configuration"] in ranked]
    best = [_best(column, rivals) for column in columns]
    return [
        [
            Cell(brief[row["configuration"]], mark=styles[row["configuration"]].color),
            *(
                _cell(column, row, is_best=top is not None and row in rivals and column.goodness(row) == top)
                for column, top in zip(columns, best, strict=True)
            ),
        ]
        for row in rows
    ]


def _cell(column: _Column, row: Mapping[Any, Any], is_best: bool) -> Cell:
    text, spread, width = column.text(row).partition(" ± ")
    return Cell(text, more=f"{spread}{width}".strip(), is_best=is_best)


def _best(column: _Column, rivals: list[dict[Any, Any]]) -> float | None:
    """The best value of a column; None where there is none, or nothing to be better than."""
    if len(rivals) < 2:
        return None
    known = [value for value in map(column.goodness, rivals) if value == value]
    return max(known, default=None)


def _columns(score: str, behind: Mapping[str, tuple[str, str]]) -> list[_Column]:
    def value(name: str, factor: float = 1.0) -> Callable[[Mapping[Any, Any]], float]:
        return lambda row: float("nan") if pd.isna(row[name]) else factor * float(row[name])

    return [
        _Column(
            Heading(words.AT_THE_END), lambda row: with_interval(row, "earlier_tasks", score),
            value("earlier_tasks", sign(score)),
        ),
        _Column(Heading(words.KEPT), lambda row: _text(row[KEPT], percent), value(KEPT)),
        _Column(
            Heading(words.LEARNT), lambda row: with_interval(row, "learning_accuracy", score),
            value("learning_accuracy", sign(score)),
        ),
        _Column(Heading(words.BEHIND), lambda row: behind.get(row["configuration"], (NOTHING, ""))[0]),
        _Column(Heading("p", narrowest=640), lambda row: behind.get(row["configuration"], ("", ""))[1]),
        _Column(
            Heading(table_words.TOKENS, narrowest=640), lambda row: _text(row["target_tokens"], count),
            value("target_tokens", -1.0),
        ),
        _Column(Heading(table_words.TIME, narrowest=640), lambda row: _text(row["seconds"], duration)),
    ]  # fmt: skip


def _behind(comparison: Comparison) -> dict[str, tuple[str, str]]:
    """The paired difference to the best, and its p, by configuration."""
    reference = comparison.table[comparison.table["strategy"].map(trains_on_all).astype(bool)]
    cells = dict.fromkeys(map(str, reference["configuration"]), (words.REFERENCE, ""))
    cells[str(comparison.verdict.winner)] = (words.BEST, "")
    for each in comparison.verdict.differences:
        p = "" if each.corrected_p is None else chance(each.corrected_p).removeprefix("p ").removeprefix("= ")
        cells[each.rival] = (margin(each, comparison.score, unit=False), p)
    return cells


def _text(value: float | None, form: Callable[[float], str]) -> str:
    return NOTHING if value is None or pd.isna(value) else form(value)
