"""The line that says how one run stands, with its buttons beside it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui.live.controls import show_buttons, show_reason
from ui.live.glance import status_of
from ui.server import addresses
from ui.widgets.status_line import status_line


def show_status(
    experiment_id: str, runs: pd.DataFrame, run: "pd.Series[Any]", tasks: Sequence[str], controls: bool
) -> None:
    """Draw the line, which the browser keeps up to date, the buttons for the run's status, and why it does not train,
    where it doesn't."""
    with st.container(horizontal=True, vertical_alignment="center", key="live_status", gap="medium"):
        with st.container(key="live_status_text"):
            address = addresses.glance_of(str(run["run_id"]))
            status_line("live_status_line", address, "status", status_of(run, runs, tasks))
        with st.container(horizontal=True, width="content", vertical_alignment="center", key="live_buttons"):
            show_buttons(experiment_id, runs, run, controls)
    with st.empty():
        show_reason(run)
