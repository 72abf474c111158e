"""A page with a pulse, for tests/browser/test_pulse.py: a part that follows a file, and one that is drawn once."""

import os
from pathlib import Path

import streamlit as st

from ui.widgets.pulse import pulse

FILE = Path(os.environ["PULSE_FILE"])


def follow() -> None:
    text = st.session_state["seen"] = FILE.read_text()
    drawn = st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
    st.text(f"{text}, drawn {drawn} times")


def look() -> None:
    st.session_state["beats"] = st.session_state.get("beats", 0) + 1
    if FILE.read_text() != st.session_state["seen"]:
        st.rerun(["part", "pulse"])


@st.fragment(key="whole")
def whole() -> None:
    st.fragment(follow, key="part")()
    st.button("Beats?", help="Draws the whole again.")
    st.text(f"{st.session_state.get('beats', 0)} beats")
    pulse("pulse", lambda: 0.1, look)


st.title("A pulse")
whole()
