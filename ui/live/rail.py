"""The list of an experiment's runs, of which one is shown."""

from typing import Any

import pandas as pd
import streamlit as st

from ui.live import data, words
from ui.widgets.choice_list import Row, choice_list

RAIL_HEIGHT = "max(18rem, calc(100vh - 25rem))"
"""It ends where the charts beside it do."""


def chosen_run(experiment_id: str, runs: pd.DataFrame) -> "pd.Series[Any]":
    """The run that the visitor has chosen, or the one that runs now."""
    chosen = _chosen(experiment_id, runs)
    return runs[runs["run_id"] == (chosen or data.followed(runs))].iloc[0]


def show_rail(experiment_id: str, key: str) -> None:
    """Show how many runs are where, and all of them to choose from; choosing draws the whole fragment `key` again."""
    runs = data.feed().runs(experiment_id)
    data.saw("live_overview", data.feed().view(experiment_id, data.rail_facts))
    active, left = data.is_active(runs), data.left_in_all(runs)
    said = words.counted(runs["status"])
    if active and left > 0:
        unknown = bool(runs.loc[runs["status"] == data.WAITING, "seconds_left"].isna().any())
        said += f"; {words.left_in_all(left, not unknown)}"
    st.caption(said)
    rows = data.feed().view(experiment_id, data.rail)
    chosen = _chosen(experiment_id, runs)
    if len(rows) > 1:
        rows = (Row("", words.FOLLOW if active else words.LATEST), *rows)
    else:
        chosen = rows[0].id

    def choose(run_id: str) -> None:
        st.session_state[_key(experiment_id)] = run_id
        st.rerun(key)

    choice_list(rows, chosen, "live_rail", words.RUNS, choose, shown=chosen or data.followed(runs), height=RAIL_HEIGHT)


def _chosen(experiment_id: str, runs: pd.DataFrame) -> str:
    chosen = str(st.session_state.get(_key(experiment_id), ""))
    return chosen if chosen in set(runs["run_id"]) else ""


def _key(experiment_id: str) -> str:
    return f"live_chosen_{experiment_id}"
