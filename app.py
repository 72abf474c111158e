"""The Streamlit app: page configuration and navigation. `streamlit run app.py`, or `make app`."""

import streamlit as st

from ui.navigation import APP_RAN, navigation

st.set_page_config(page_title="Palimpsest", page_icon=":material/history_edu:", layout="wide")
st.session_state[APP_RAN] = True
navigation().run()
