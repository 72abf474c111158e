"""The Streamlit app: page configuration and navigation. `streamlit run app.py`, or `make app`."""

import streamlit as st

from ui import warm_up
from ui.navigation import APP_RAN, navigation

# Streamlit draws captions at 60%, which is a contrast of 4.1 on the light background; text needs 4.5.
READABLE = "<style>[data-testid=stCaptionContainer] { opacity: 0.75; }</style>"

st.set_page_config(page_title="Palimpsest", page_icon=":material/history_edu:", layout="wide")
st.html(READABLE)
st.session_state[APP_RAN] = True
navigation().run()
warm_up.begin()
