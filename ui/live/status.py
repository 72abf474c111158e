"""The line that says how one run stands, with its buttons beside it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui.live import data, words
from ui.live.controls import show_buttons, show_reason


def show_status(experiment_id: str, run: "pd.Series[Any]", tasks: Sequence[str], controls: bool, key: str) -> None:
    """Draw the line of the fragment `key`, which is drawn again while the run trains, the buttons for its status, and
    why it does not train, where it doesn't."""
    runs = data.feed().runs(experiment_id)
    with st.container(horizontal=True, vertical_alignment="center", key="live_status", gap="small"):
        with st.container(key="live_status_text", gap=None):
            line = st.fragment(_show_line, key=key)
            line(experiment_id, str(run["run_id"]), str(run["status"]), tasks, key)
        with st.container(horizontal=True, width="content", vertical_alignment="center", key="live_buttons"):
            show_buttons(experiment_id, runs, run, controls)
    with st.empty():
        show_reason(run)


def _show_line(experiment_id: str, run_id: str, drawn: str, tasks: Sequence[str], key: str) -> None:
    """The status in words and numbers over a bar; `drawn` is the status that the controls beside it are for."""
    run = one_run(experiment_id, run_id)
    if run["status"] != drawn:  # a run that has finished just now must not say so beside a Stop
        st.rerun("live_whole")
    data.saw(key, data.state(run))
    name = data.feed().view(experiment_id, data.names)[run_id]
    st.markdown(words.status_line(run, name, tasks))
    st.progress(data.share(run))


def one_run(experiment_id: str, run_id: str) -> "pd.Series[Any]":
    """One run of the experiment as it is now."""
    runs = data.feed().view(experiment_id, data.by_id)
    if run_id not in runs:  # deleted meanwhile
        st.rerun()
    return runs[run_id]
