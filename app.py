"""The Streamlit app: page configuration and navigation. `streamlit run app.py`, or `make app`."""

import streamlit as st

from ui import session

st.set_page_config(page_title="Palimpsest", page_icon=":material/history_edu:", layout="wide")
session.app_runs()

st.navigation(
    [
        st.Page(session.START, title="Start", icon=":material/home:", default=True),
        st.Page(session.TASKS, title="Tasks", icon=":material/library_books:"),
        st.Page(session.EXPERIMENT, title="Experiment", icon=":material/science:"),
        st.Page(session.LIVE, title="Live", icon=":material/monitoring:"),
        st.Page(session.COMPARE, title="Compare", icon=":material/compare_arrows:"),
    ]
).run()
