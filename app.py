"""The Streamlit app: page configuration and navigation. `streamlit run app.py`, or `make app`."""

import streamlit as st

from ui import session

st.set_page_config(page_title="Palimpsest", page_icon=":material/history_edu:", layout="wide")
session.app_runs()
session.navigation().run()
