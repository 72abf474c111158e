"""Questions with the answers of two runs as HTML, side by side."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from ui.report import words
from ui.widgets.shown_text import BOX, PRE, QUIET, SMALL, shortened, shown

_LONGEST = 300
"""Characters of a question or an answer."""
_GRID = "display:grid;gap:.75rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,14rem),1fr))"
_RIGHT = {True: words.EXACTLY_RIGHT, False: words.NOT_EXPECTED}


def answers_html(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """`rows` as `measures.reported` gives them, with an answer of each of the runs that `names` names."""
    return "".join(_question_html(row, names) for row in rows)


def _question_html(row: Mapping[str, Any], names: Sequence[str]) -> str:
    boxes = [
        _box(words.EXPECTED, row["expected"], ""),
        _box(words.after_own_stage(names[0]), row["before"]["text"], _RIGHT[row["before"]["exact"]]),
        *(
            _box(words.at_the_end(name), answer["text"], _RIGHT[answer["exact"]])
            for name, answer in zip(names, row["after"], strict=True)
        ),
    ]
    return (
        f'<div style="{PRE};margin:1.4rem 0 .5rem">{shown(_cut(row["prompt"]))}</div>'
        f'<div style="{_GRID}">{"".join(boxes)}</div>'
    )


def _box(name: str, text: str, mark: str) -> str:
    said = _cut(text)
    body = (
        f'<div style="{PRE}">{shown(said)}</div>' if said else f'<p style="{SMALL};{QUIET}">{words.WROTE_NOTHING}</p>'
    )
    below = f'<p style="{SMALL};{QUIET};margin-top:.35rem">{html.escape(mark)}</p>' if mark else ""
    return (
        f'<div style="{BOX}"><p style="{SMALL};font-weight:600;margin-bottom:.3rem;overflow-wrap:anywhere">'
        f"{shown(name)}</p>{body}{below}</div>"
    )


def _cut(text: str) -> str:
    return shortened(text.strip(), _LONGEST)
