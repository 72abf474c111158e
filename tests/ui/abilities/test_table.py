"""The table of what models can do: every number in its place, and no text is markup."""

import re
from typing import Any

import pandas as pd

from engine.common.numerals import percent
from engine.insight.harness_evaluations import COLUMNS
from engine.insight.measures.probe_items import items_of
from engine.insight.measures.probes import PROBES, SORTING
from engine.insight.requests import Source
from ui.abilities.table import example_html, table_html

BASE, LAST = Source("r", 0), Source("r", 2)
NAMES = {BASE: "base model", LAST: "<i>naive</i> after stage 2"}
NO_OTHERS = pd.DataFrame(columns=list(COLUMNS))


def row(source: Source, probe: str, share: float, **more: Any) -> dict[str, Any]:
    return {
        "run_id": source.run_id, "stage": source.stage, "probe": probe, "share": share, "low": share - 0.1,
        "high": share + 0.1, "chance": 0.25, "written": None, "is_at_chance": False, "change": "",
    } | more  # fmt: skip


def other(source: Source, metric: str, value: float | None, **more: Any) -> dict[str, Any]:
    return {"run_id": source.run_id, "stage": source.stage, "task": "arc", "metric": metric, "value": value} | more


def cells(table: str) -> list[list[str]]:
    """The text of every cell, by rows."""
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    found = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]
    return [[re.sub("<[^>]*>", " ", cell).strip() for cell in row] for row in found]


def test_a_row_a_model_and_a_column_a_probe() -> None:
    rows = [row(BASE, "sorting", 0.5), row(LAST, "sorting", 0.3, change="fell", is_at_chance=True, written=0.125)]
    head, base, last = cells(table_html([BASE, LAST], NAMES, rows, NO_OTHERS))
    assert head == ["Model", *(f"{probe.title} chance {percent(probe.chance)}" for probe in PROBES)]
    at = [probe.name for probe in PROBES].index("sorting") + 1
    assert base[0] == "base model"
    assert (base[at - 1], base[at + 1]) == ("…", "…")
    assert base[at].split() == f"{percent(0.5)} 40 to {percent(0.6)}".split()
    assert last[0] == "&lt;i&gt;naive&lt;/i&gt; after stage 2"
    written = f"{percent(0.3)} ▼ fell 20 to {percent(0.4)} · as by chance written: {percent(0.125)}"
    assert last[at].split() == written.split()


def test_interval_share_and_chance_stand_where_they_belong_on_the_line() -> None:
    table = table_html([BASE], NAMES, [row(BASE, "copying", 0.5)], NO_OTHERS)
    places = re.findall(r"left:([0-9.]+)%;", table)
    assert places == ["40.0", "25.0", "50.0"]
    assert "width:20.0%" in table


def test_values_of_other_evaluations_are_columns_of_the_models_that_have_them() -> None:
    others = pd.DataFrame(
        [
            other(BASE, "acc", 0.5, stderr=0.01, items=1000, filter=""),
            other(LAST, "acc", None, stderr=None, items=None, filter=""),
            other(LAST, "<b>", 12.5, stderr=None, items=None, filter="strict"),
            other(Source("gone", 1), "f1", 1.0, filter=""),
        ],
        columns=list(COLUMNS),
    )
    head, base, last = cells(table_html([BASE, LAST], NAMES, [], others))
    assert [" ".join(title.split()) for title in head[-2:]] == ["arc acc", "arc &lt;b&gt; (strict)"]
    assert [" ".join(cell.split()) for cell in base[-2:]] == ["0.5 ± 0.01 1,000 items", "–"]
    assert [" ".join(cell.split()) for cell in last[-2:]] == ["no number", "12.5"]


def test_an_example_marks_its_right_choice() -> None:
    item = items_of(SORTING)[0]
    shown = example_html(SORTING, item.prompt, item.choices, item.right)
    assert re.findall("<b>(.*?)</b>", shown) == [f"{SORTING.title}.", item.answer.strip()]
