"""A page with a list to choose from, for tests/browser/test_choice_list.py."""

import streamlit as st

from ui.widgets.choice_list import Row, choice_list


def choose(choice: str) -> None:
    st.session_state["chosen"] = choice
    st.session_state["turns"] = st.session_state.get("turns", 0) + 1


chosen, turns = st.session_state.get("chosen", "run-3"), st.session_state.get("turns", 0)
st.title("A list")
rows = [
    Row(f"run-{n}", f"<b>run</b> {n}", f"seed {n % 4}", "✓" if n < 4 else "…", "finished" if n < 4 else "waiting",
        (n + turns) / 300)
    for n in range(200)
]  # fmt: skip
choice_list(rows, chosen, "choices", "Runs", choose, shown="run-3", height="20rem")
st.text(f"chosen {chosen} in turn {turns}")
st.button("Again", help="Draws everything anew.")
