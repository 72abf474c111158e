"""The Start page before anything has run: what this is, the demo, a picture of its result, and the way of one's own."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ui.server import session
from ui.start import words
from ui.start.demo import offer_demo

if TYPE_CHECKING:  # those who have run anything do without the charting library
    import plotly.graph_objects as go

MEASURED = Path(__file__).with_name("demo_result.json")
"""The demo's score matrices as they were measured: `runs`, `matrix` and `tasks`, rows of plain data."""
_PAGES = {
    "tasks": (session.TASKS, ":material/library_books:"),
    "experiment": (session.EXPERIMENT, ":material/science:"),
    "live": (session.LIVE, ":material/monitoring:"),
    "compare": (session.COMPARE, ":material/compare_arrows:"),
    "understand": (session.UNDERSTAND, ":material/forum:"),
}


def show_newcomer() -> None:
    """What this is and what to do first, beside a picture of what comes of it."""
    words_side, picture_side = st.columns([5, 6], gap="large")
    with words_side:
        st.markdown(words.WHAT_THIS_IS)
        with st.container(border=True):
            st.header(words.DEMO_TITLE, anchor=False)
            st.markdown(words.DEMO_TEXT)
            offer_demo()
    with picture_side:
        st.header(words.PICTURE_TITLE, anchor=False)
        _picture()
        st.caption(words.PICTURE_TEXT)
    st.header(words.OWN_TEXTS, anchor=False)
    show_steps()


def show_steps() -> None:
    """The pages in the order in which one goes through them."""
    for column, (name, (title, text)) in zip(st.columns(len(words.STEPS)), words.STEPS.items(), strict=True):
        page, icon = _PAGES[name]
        with column:
            st.page_link(page, label=f"**{title}**", icon=icon, help=text)
            st.caption(text)


def _picture() -> None:
    from figures.theme import alt_text

    figure = _figure()
    look = {"displayModeBar": False, "staticPlot": True}
    st.plotly_chart(figure, key="start_picture", theme="streamlit", config=look, alt=alt_text(figure))


@cache
def _figure() -> go.Figure:
    import pandas as pd

    from figures.comparison import matrices_figure

    kept = json.loads(MEASURED.read_text(encoding="utf-8"))
    matrix, runs = pd.DataFrame(kept["matrix"]), pd.DataFrame(kept["runs"])
    figure = matrices_figure(matrix, runs, kept["tasks"], "bits_per_byte", columns=2)
    return figure.update_yaxes(showticklabels=False, col=2)  # the rows of the first one go on
