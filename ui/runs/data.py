"""What the page reads, once for all browsers of this server: the tables of the store, and the sizes on disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui.runs.rows import rows_of
from ui.server import session

if TYPE_CHECKING:
    from engine.housekeeping.folder_sizes import FolderSizes
    from engine.housekeeping.overview import Overview

READ_SECONDS = 10.0
"""What a run under way has reached is at most so old; a change of anything else shows at once."""
_MAY_GROW = ("running", "paused")


def everything(outline: int) -> Overview:
    """All experiments and runs, as they are while the store's `overview.outline` is this one. Not to be changed."""
    return _everything(session.store().folder, outline, int(time.time() / READ_SECONDS))


def rows(outline: int, of_runs: bool) -> tuple[pd.DataFrame, int]:
    """The rows of `rows_of` for all experiments or runs, not to be changed, and which look at the disk they rest on."""
    known = folder_sizes().changes
    return _rows(session.store().folder, outline, int(time.time() / READ_SECONDS), of_runs, known), known


def folder_sizes() -> FolderSizes:
    """The sizes in this server's data folder."""
    return _folder_sizes(session.store().folder)


def look(sizes: FolderSizes, runs: pd.DataFrame) -> None:
    """Have the sizes of all runs looked up, beside the page."""
    growing = runs.loc[runs["status"].isin(_MAY_GROW), "run_id"]
    sizes.begin_look(runs["run_id"].tolist(), frozenset(growing))


def _by_row(sizes: FolderSizes, runs: pd.DataFrame, of_runs: bool) -> Mapping[str, int | None]:
    """The bytes of each run, or of each experiment's runs together, by id."""
    if of_runs:
        return {run_id: sizes.taken((run_id,)) for run_id in runs["run_id"]}
    return {key: sizes.taken(own) for key, own in runs.groupby("experiment_id")["run_id"]}


@st.cache_resource(show_spinner=False, max_entries=2)
def _everything(folder: Path, outline: int, moment: int) -> Overview:
    from engine.housekeeping import overview

    return overview.read(session.store())


@st.cache_resource(show_spinner=False, max_entries=4)
def _rows(folder: Path, outline: int, moment: int, of_runs: bool, known: int) -> pd.DataFrame:
    found = _everything(folder, outline, moment)
    return rows_of(found, of_runs, _by_row(folder_sizes(), found.runs, of_runs))


@st.cache_resource(show_spinner=False)
def _folder_sizes(folder: Path) -> FolderSizes:
    from engine.housekeeping.folder_sizes import FolderSizes

    return FolderSizes(session.store())
