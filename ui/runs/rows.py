"""The rows of both grains, and the columns in which the page shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from engine.strategies.short_names import short_names
from ui.runs import words
from ui.runs.choices import text_of

if TYPE_CHECKING:
    from engine.housekeeping.overview import Overview

OF_EXPERIMENTS = (
    "Name", "Status", "Runs", "Strategies", "Tasks", "Model", "Loss", "Forgetting", "Tags", "Notes", "Created",
    "Minutes", "MB", "Owner",
)  # fmt: skip
OF_RUNS = (
    "Name", "Experiment", "Status", "Seed", "Tasks", "Model", "Loss", "Forgetting", "Tags", "Notes", "Created",
    "Minutes", "MB", "Owner",
)  # fmt: skip
USUAL = {"Name", "Experiment", "Status", "Runs", "Seed", "Strategies", "Tasks", "Loss", "Forgetting", "Tags", "Created",
         "Minutes", "MB", "Owner"}  # fmt: skip
_WIDTHS = {
    "Name": 180, "Experiment": 160, "Status": 98, "Runs": 72, "Seed": 50, "Strategies": 160, "Tasks": 150,
    "Model": 100, "Loss": 62, "Forgetting": 84, "Tags": 115, "Notes": 160, "Created": 98, "Minutes": 70, "MB": 70,
    "Owner": 130,
}  # fmt: skip


def rows_of(overview: Overview, of_runs: bool, sizes: Mapping[str, int | None]) -> pd.DataFrame:
    """One row per run or experiment, under `id`, with what is searched, filtered and shown; `sizes` in bytes by id."""
    rows = _of_runs(overview.runs) if of_runs else _of_experiments(overview.experiments)
    rows["size"] = pd.Series([sizes.get(each) for each in rows["id"]], index=rows.index, dtype=float)
    return rows


def _of_runs(runs: pd.DataFrame) -> pd.DataFrame:
    rows = runs.rename(columns={"run_id": "id"})
    short = short_names(runs["label"].unique())
    rows["strategy"] = runs["label"].map(short)
    rows["name"] = runs["title"].where(runs["title"] != "", rows["strategy"])
    rows["tags"] = pd.Series(
        [[*dict.fromkeys((*own, *of))] for own, of in zip(runs["tags"], runs["experiment_tags"], strict=True)],
        index=runs.index, dtype=object,
    )  # fmt: skip
    searched = zip(
        rows["name"], rows["strategy"], rows["label"], rows["experiment"], rows["tags"], rows["notes"], rows["tasks"],
        rows["owner"], strict=True,
    )  # fmt: skip
    rows["text"] = pd.Series([text_of(*each) for each in searched], index=rows.index, dtype=object)
    return rows


def _of_experiments(experiments: pd.DataFrame) -> pd.DataFrame:
    rows = experiments.rename(columns={"experiment_id": "id"})
    rows["experiment_id"] = rows["id"]
    short = short_names({label for labels in experiments["labels"] for label in labels})
    rows["strategies"] = pd.Series(
        [", ".join(short[label] for label in labels) for labels in experiments["labels"]],
        index=rows.index,
        dtype=object,
    )
    searched = zip(
        rows["name"], rows["strategies"], rows["labels"], rows["tags"], rows["notes"], rows["tasks"], rows["owner"],
        strict=True,
    )  # fmt: skip
    rows["text"] = pd.Series([text_of(*each) for each in searched], index=rows.index, dtype=object)
    return rows


def columns_of(rows: pd.DataFrame, of_runs: bool) -> list[str]:
    """The columns that these rows may be shown in: that of owners where somebody logs in."""
    every = OF_RUNS if of_runs else OF_EXPERIMENTS
    return [name for name in every if name != "Owner" or rows["owner"].astype(bool).any()]


def view_of(rows: pd.DataFrame, columns: Collection[str], of_runs: bool) -> pd.DataFrame:
    """The rows as the table shows them; numbers stay numbers, so that a click on a title sorts them."""
    shown = {
        "Name": rows["name"],
        "Status": rows["status"].map(words.STATUSES),
        "Tasks": rows["tasks"].map(" → ".join),
        "Model": rows["model"],
        "Loss": rows["average"],
        "Forgetting": rows["forgetting"],
        "Tags": rows["tags"],
        "Notes": rows["notes"].str.replace("\n", " "),
        "Created": rows["created_at"],
        "Minutes": (rows["seconds"] / 60).where(rows["seconds"] > 0),
        "MB": rows["size"] / 1e6,
        "Owner": rows["owner"],
    }
    if of_runs:
        shown |= {"Experiment": rows["experiment"], "Seed": rows["seed"]}
    else:
        done = rows["finished"].astype(str) + " of " + rows["runs"].astype(str)
        shown |= {"Runs": done, "Strategies": rows["strategies"]}
    every = OF_RUNS if of_runs else OF_EXPERIMENTS
    return pd.DataFrame({name: shown[name] for name in every if name in columns})


def column_config(view: pd.DataFrame) -> dict[str, object]:
    """How Streamlit writes each column."""
    make = st.column_config
    kinds = {"Loss": "%.3f", "Forgetting": "%.3f", "Minutes": "%.1f", "MB": "%.1f", "Seed": "%d"}
    found: dict[str, object] = {}
    for name in view.columns:
        about = {"width": _WIDTHS[name], "help": words.COLUMN_HELPS.get(name)}
        if name in kinds:
            found[name] = make.NumberColumn(format=kinds[name], **about)
        elif name == "Tags":
            found[name] = make.ListColumn(**about)
        elif name == "Created":
            found[name] = make.DatetimeColumn(format=words.DAY, **about)
        else:
            found[name] = make.TextColumn(pinned=name == "Name", **about)
    return found
