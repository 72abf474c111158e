"""A page whose tab follows a queue, for tests/browser/test_tab_title.py: the states of runs stand in a file."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import streamlit as st

from ui.server import session, tab_title
from ui.widgets import words

FILE = Path(os.environ["STATES_FILE"])


def states(also: set[str]) -> dict[str, str]:
    """As the store gives them."""
    found: dict[str, str] = json.loads(FILE.read_text())
    return {run: state for run, state in found.items() if state in ("running", "queued") or run in also}


session.store = lambda: SimpleNamespace(states=states)  # type: ignore[assignment, return-value]
tab_title.SECONDS = 0.2
st.set_page_config(page_title=words.tab("Live"))
st.title("A page")
st.button("Another run of the page", help="Draws the page again.")
tab_title.follow("Live")
