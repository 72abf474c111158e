"""The pages of the app. Imports nothing heavy, so that the navigation is there before the engine has loaded."""

import streamlit as st

from ui.server import words

_NAMES = ("start", "tasks", "experiment", "runs", "live", "compare", "understand", "glossary")
START, TASKS, EXPERIMENT, RUNS, LIVE, COMPARE, UNDERSTAND, GLOSSARY = (f"pages/{name}.py" for name in _NAMES)

WITH_CHARTS = ("live", "compare")
"""Addresses of the pages that need the charting library."""


def navigation() -> "st.Page":
    """The pages of the app; gives the one that the browser asks for."""
    return st.navigation(
        [
            st.Page(START, title=words.START, icon=":material/home:", default=True),
            st.Page(TASKS, title=words.TASKS, icon=":material/library_books:"),
            st.Page(EXPERIMENT, title=words.EXPERIMENT, icon=":material/science:"),
            st.Page(RUNS, title=words.RUNS, icon=":material/table_rows:"),
            st.Page(LIVE, title=words.LIVE, icon=":material/monitoring:"),
            st.Page(COMPARE, title=words.COMPARE, icon=":material/compare_arrows:"),
            st.Page(UNDERSTAND, title=words.UNDERSTAND, icon=":material/forum:"),
            st.Page(GLOSSARY, title=words.GLOSSARY, icon=":material/menu_book:"),
        ]
    )


APP_RAN = "app_ran"
"""Set in every session in which `app.py` has run."""
