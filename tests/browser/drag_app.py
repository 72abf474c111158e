"""A page of rows that can be dragged, for tests/browser/test_drag_rows.py."""

import streamlit as st

from ui.tasks.drag_rows import GRIP, drag_rows

names = st.session_state.setdefault("names", ["bread", "tea", "jam", "milk"])


def move(name: str, place: int) -> None:
    names.remove(name)
    names.insert(place, name)


st.title("Rows")
for name in names:
    with st.container(key=f"row_{name}", horizontal=True):
        st.html(GRIP, width="content")
        st.text(name)
st.text(f"in order: {', '.join(names)}")
drag_rows("drag", "row_", names, move)
