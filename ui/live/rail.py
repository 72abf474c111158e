"""The list of an experiment's runs, of which one is shown."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.live import data, words
from ui.live.glance import rail_of
from ui.server import addresses
from ui.widgets.choice_list import Row, choice_list

RAIL_HEIGHT = "max(18rem, calc(100vh - 22rem))"
"""It ends where the charts beside it do."""


def chosen_run(experiment_id: str, runs: pd.DataFrame) -> "pd.Series[Any]":
    """The run that the visitor has chosen, or the one that runs now."""
    chosen = _chosen(experiment_id, runs)
    return runs[runs["run_id"] == (chosen or data.followed(runs))].iloc[0]


def show_rail(experiment_id: str, runs: pd.DataFrame, run_id: str, key: str) -> None:
    """Show how many runs are where, and all of them to choose from; choosing draws the fragment `key` again. `run_id`
    is the run that is shown."""
    follow = Row("", words.FOLLOW if data.is_active(runs) else words.LATEST)
    first, chosen = ([follow], _chosen(experiment_id, runs)) if len(runs) > 1 else ([], run_id)

    def choose(chosen_id: str) -> None:
        st.session_state[_key(experiment_id)] = chosen_id
        st.rerun(key)

    choice_list(
        first, chosen, "live_rail", words.RUNS, choose, shown=run_id, height=RAIL_HEIGHT,
        url=addresses.glance_of(run_id), part="runs", fetched=rail_of(runs),
    )  # fmt: skip


def _chosen(experiment_id: str, runs: pd.DataFrame) -> str:
    chosen = str(st.session_state.get(_key(experiment_id), ""))
    return chosen if chosen in set(runs["run_id"]) else ""


def _key(experiment_id: str) -> str:
    return f"live_chosen_{experiment_id}"
