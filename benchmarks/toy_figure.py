"""The toy stream as a drawing: a matrix of exact match for each strategy, by stage and task."""

from collections.abc import Sequence
from typing import Any

from benchmarks.figure import page, text_at

_LEFT, _TOP, _WIDTH, _HEIGHT, _GAP = 150, 66, 64, 30, 36
_DARK_FROM = 0.7
"""Shares above this are written in white on their cell."""
Matrix = list[list[float]]


def as_svg(runs: Sequence[dict[str, Any]]) -> str:
    """SVG text of the mean over seeds of every strategy's exact match, in percent."""
    found = matrices(runs)
    tasks = list(runs[0]["stages"][0]["exact_match"])
    parts = [
        text_at(_LEFT - 12, _top(row) + 19, f"after {stage['task']}", anchor="end")
        for row, stage in enumerate(runs[0]["stages"])
    ]
    left = _LEFT
    for strategy, matrix in found.items():
        parts.append(text_at(left, 20, strategy, weight="600"))
        for column, task in enumerate(tasks):
            middle = left + (column + 0.5) * _WIDTH
            first, _, rest = task.partition(" ")
            parts += [text_at(middle, 42, first, anchor="middle"), text_at(middle, 57, rest, anchor="middle")]
        parts += [
            _cell(left + column * _WIDTH, _top(row), share)
            for row, shares in enumerate(matrix)
            for column, share in enumerate(shares)
        ]
        left += len(tasks) * _WIDTH + _GAP
    return page(left - _GAP + 12, _top(len(runs[0]["stages"])) + 12, parts)


def matrices(runs: Sequence[dict[str, Any]]) -> dict[str, Matrix]:
    """The mean exact match over the seeds of every strategy, in the order of the runs."""
    of_strategy: dict[str, list[Matrix]] = {}
    for run in runs:
        rows = [list(stage["exact_match"].values()) for stage in run["stages"]]
        of_strategy.setdefault(run["strategy"], []).append(rows)
    return {
        name: [[sum(cells) / len(cells) for cells in zip(*rows, strict=True)] for rows in zip(*seeds, strict=True)]
        for name, seeds in of_strategy.items()
    }


def _top(row: int) -> int:
    return _TOP + row * _HEIGHT


def _cell(x: float, y: float, share: float) -> str:
    box = f'<rect x="{x:.1f}" y="{y}" width="{_WIDTH - 2}" height="{_HEIGHT - 2}"'
    # White to the blue of the other drawings, #2563eb.
    red, green, blue = (round(255 + share * (full - 255)) for full in (0x25, 0x63, 0xEB))
    colour = "#ffffff" if share > _DARK_FROM else "#1f2937"
    number = text_at(x + _WIDTH / 2 - 1, y + 18, f"{100 * share:.1f} %", anchor="middle", colour=colour)
    return f'{box} fill="rgb({red},{green},{blue})" stroke="#d1d5db"/>{number}'
