"""Timings of many rounds to rows of a table: medians, and how far the ratios of single rounds spread."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

WIDTH = 58


@dataclass(frozen=True)
class Row:
    """Two quantities of the same unit and the ratio of the first to the second, paired within each round."""

    section: str
    what: str
    first: float
    second: float
    unit: str
    ratio: float
    lowest_ratio: float
    highest_ratio: float
    rounds: int


def row(section: str, what: str, pairs: Sequence[tuple[float, float]], unit: str) -> Row:
    """Medians of each side, median and extremes of the ratios within pairs."""
    ratios = [first / second for first, second in pairs]
    return Row(
        section=section,
        what=what,
        first=median(first for first, _ in pairs),
        second=median(second for _, second in pairs),
        unit=unit,
        ratio=median(ratios),
        lowest_ratio=min(ratios),
        highest_ratio=max(ratios),
        rounds=len(pairs),
    )


def as_text(rows: Sequence[Row]) -> str:
    """The rows of one section under its heading."""
    lines = [rows[0].section, f"  {'':{WIDTH}}{'first':>9} {'second':>9} {'':10} ratio (lowest to highest)"]
    for each in rows:
        spread = f"{each.ratio:.2f} ({each.lowest_ratio:.2f} to {each.highest_ratio:.2f})"
        numbers = f"{_number(each.first):>9} {_number(each.second):>9} {each.unit:10}"
        lines.append(f"  {each.what:{WIDTH}}{numbers} {spread}")
    return "\n".join(lines) + "\n"


def as_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [asdict(each) for each in rows]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
