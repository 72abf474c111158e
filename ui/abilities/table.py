"""What models can do as a table, in HTML: a row a model, a column a probe, and one for each value of other evaluations.

Every share stands over a line from 0 to 100 % with its 95% interval, and a mark where guessing would be.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from engine.common.numerals import percent
from engine.insight.measures.probes import PROBES, Probe
from engine.insight.requests import Source
from ui.abilities import words
from ui.understand.token_colours import GAINED, LOST
from ui.widgets.shown_text import QUIET, SMALL, shown

Rows = Sequence[Mapping[str, Any]]
"""As `ProbesRequest` gives them."""
FELL, ROSE = "fell", "rose"
_MARKS = {FELL: ("▼", LOST), ROSE: ("▲", GAINED)}
_LINE = "border-bottom:1px solid rgba(128,128,128,.3)"
_CELL = f"padding:.45rem .7rem;text-align:left;vertical-align:top;{_LINE}"
_FIRST = f"{_CELL};min-width:7rem;max-width:15rem;overflow-wrap:anywhere;font-weight:600"
_NOTE = "font-size:.75rem;white-space:nowrap"
_LONG = 16
"""Characters of a title beyond which it may be broken anywhere."""
_BAND = "rgba(128,128,128,.45)"
_TRACK = "rgba(128,128,128,.18)"


def table_html(models: Sequence[Source], names: Mapping[Source, str], rows: Rows, others: pd.DataFrame) -> str:
    """The table of these models; `others` are the values of lm-evaluation-harness. What is to come is left open."""
    by_place = {(Source(row["run_id"], row["stage"]), row["probe"]): row for row in rows}
    values = {(Source(row.run_id, row.stage), column_of(row)): row for row in others.itertuples()}
    columns = list(dict.fromkeys(column for model, column in values if model in models))
    head = "".join(
        [_head(words.MODEL, ""), *map(_probe_head, PROBES), *(_head(task, metric) for task, metric in columns)]
    )
    body = "".join(
        f'<tr><th scope="row" style="{_FIRST}">{shown(names[model])}</th>'
        + "".join(_cell(by_place.get((model, probe.name))) for probe in PROBES)
        + "".join(_value(values.get((model, column))) for column in columns)
        + "</tr>"
        for model in models
    )
    return (
        f'<div style="overflow-x:auto" tabindex="0" role="region" aria-label="{words.TABLE_LABEL}">'
        f'<table style="border-collapse:collapse;font-size:.9rem;width:100%"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def column_of(row: Any) -> tuple[str, str]:
    """The task and the metric of a value, as a column is called."""
    return str(row.task), f"{row.metric} ({row.filter})" if row.filter else str(row.metric)


def _probe_head(probe: Probe) -> str:
    return _head(probe.title, words.chance(percent(probe.chance)), probe.what)


def _head(title: str, note: str, help: str = "") -> str:
    below = f'<div style="{_NOTE};{QUIET};font-weight:400">{shown(note)}</div>' if note else ""
    tip = f' title="{html.escape(help, quote=True)}"' if help else ""
    breaks = "overflow-wrap:anywhere;min-width:6rem" if len(title) > _LONG else "white-space:nowrap"
    return f'<th scope="col" style="{_CELL};{breaks}"{tip}>{shown(title)}{below}</th>'


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return f'<td style="{_CELL};{QUIET}">…</td>'
    mark = ""
    if row["change"]:
        sign, colour = _MARKS[row["change"]]
        sign = f'<span style="color:rgb{colour}">{sign}</span>'
        mark = f' <span style="{_NOTE};font-weight:600">{sign} {words.CHANGES[row["change"]]}</span>'
    notes = words.interval(row["low"], row["high"])
    if row["is_at_chance"]:
        notes += words.AT_CHANCE
    written = ""
    if row["written"] is not None:
        written = f'<div style="{_NOTE};{QUIET}">{words.written(percent(row["written"]))}</div>'
    number = f'<span style="{QUIET if row["is_at_chance"] else "font-weight:600"}">{percent(row["share"])}</span>'
    return (
        f'<td style="{_CELL}"><div style="white-space:nowrap">{number}{mark}</div>{_line(row)}'
        f'<div style="{_NOTE};{QUIET}">{notes}</div>{written}</td>'
    )


def _line(row: Mapping[str, Any]) -> str:
    """From 0 to 100 %: the interval as a band, the share as a point, chance as an upright line."""

    def part(left: float, style: str) -> str:
        return f'<div style="position:absolute;left:{100 * left:.1f}%;{style}"></div>'

    width = 100 * (row["high"] - row["low"])
    band = part(row["low"], f"top:2px;height:4px;width:{width:.1f}%;background:{_BAND};border-radius:2px")
    chance = part(row["chance"], "top:-1px;height:10px;width:0;border-left:2px dotted currentColor;opacity:.7")
    point = part(row["share"], "top:0;height:8px;width:3px;margin-left:-1px;background:currentColor;border-radius:1px")
    return (
        '<div aria-hidden="true" style="position:relative;height:8px;min-width:6.5rem;margin:.25rem 0">'
        f'<div style="position:absolute;top:3px;left:0;right:0;height:2px;background:{_TRACK}"></div>'
        f"{band}{chance}{point}</div>"
    )


def _value(row: Any) -> str:
    if row is None:
        return f'<td style="{_CELL};{QUIET}">–</td>'
    number = words.NO_NUMBER if pd.isna(row.value) else f"{row.value:.4g}"
    notes = [] if pd.isna(row.stderr) else [f"± {row.stderr:.2g}"]
    notes += [] if pd.isna(row.items) else [words.items(int(row.items))]
    below = "".join(f'<div style="{_NOTE};{QUIET}">{note}</div>' for note in notes)
    return f'<td style="{_CELL}">{number}{below}</td>'


def example_html(probe: Probe, prompt: str, choices: Sequence[str], right: int) -> str:
    """An item as the models see it, its right choice in bold."""
    parts = [
        f"<b>{html.escape(choice.strip())}</b>" if place == right else html.escape(choice.strip())
        for place, choice in enumerate(choices)
    ]
    return (
        f'<p style="{SMALL};margin:.8rem 0 .2rem"><b>{html.escape(probe.title)}.</b> {html.escape(probe.what)}</p>'
        f'<pre style="font-size:.8rem;margin:.1rem 0;white-space:pre-wrap">{shown(prompt)}</pre>'
        f'<p style="{SMALL};{QUIET}">{words.choices(parts)}</p>'
    )
