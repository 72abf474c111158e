"""A page whose tab follows a queue, for tests/browser/test_tab_title.py: the states of runs stand in a file."""

import json
import os
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import streamlit as st

from ui.server import addresses, session, tab_title
from ui.widgets import words

FILE = Path(os.environ["STATES_FILE"])


def states(also: Collection[str] = ()) -> dict[str, str]:
    """As the store gives them."""
    found: dict[str, str] = json.loads(FILE.read_text())
    return {run: state for run, state in found.items() if state in ("running", "queued") or run in also}


if __name__ == "__main__":
    session.store = lambda: SimpleNamespace(states=states)  # type: ignore[assignment, return-value]
    st.set_page_config(page_title=words.tab("Live"))
    st.title("A page")
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.text(f"page runs: {runs}")
    st.button("Another run of the page", help="Draws the page again.")
    tab_title.follow("Live")
else:
    from starlette.responses import JSONResponse
    from starlette.routing import Route
    from streamlit.starlette import App

    async def going(_: Any) -> JSONResponse:
        word = tab_title.going_word(SimpleNamespace(states=states))  # type: ignore[arg-type]
        return JSONResponse({"structure": word}, headers={"Palimpsest-Look-Again": "0.2"})

    app = App(__file__, routes=[Route(f"/{addresses.GOING}", going)])
