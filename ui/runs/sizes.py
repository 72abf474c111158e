"""The sizes of runs on disk, for all browsers of this server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui.server import session

if TYPE_CHECKING:
    from engine.housekeeping.folder_sizes import FolderSizes

_MAY_GROW = ("running", "paused")


def folder_sizes() -> FolderSizes:
    """Those of this server's data folder."""
    return _folder_sizes(session.store().folder)


def look(sizes: FolderSizes, runs: pd.DataFrame) -> None:
    """Have the sizes of all runs looked up, beside the page."""
    growing = runs.loc[runs["status"].isin(_MAY_GROW), "run_id"]
    sizes.begin_look(runs["run_id"].tolist(), frozenset(growing))


def by_row(sizes: FolderSizes, runs: pd.DataFrame, of_runs: bool) -> Mapping[str, int | None]:
    """The bytes of each run, or of each experiment's runs together, by id."""
    if of_runs:
        return {run_id: sizes.taken((run_id,)) for run_id in runs["run_id"]}
    return {key: sizes.taken(own) for key, own in runs.groupby("experiment_id")["run_id"]}


@st.cache_resource(show_spinner=False)
def _folder_sizes(folder: Path) -> FolderSizes:
    from engine.housekeeping.folder_sizes import FolderSizes

    return FolderSizes(session.store())
