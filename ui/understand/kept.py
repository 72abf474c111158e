"""Where answers and scores are computed, and how much of them is kept."""

import streamlit as st

from engine.common.errors import PalimpsestError
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.understand import words
from ui.widgets.text import plain


def show_kept() -> None:
    """Say it, beside the way to be rid of what is kept."""
    results = session.kept_results()
    size = results.total_bytes()
    kept = words.so_much(size, results.limit_bytes) if size else ""
    left, right = st.columns([8, 1], vertical_alignment="center")
    with left:
        st.caption(words.where_computed(kept))
    if size:
        right.button(
            words.CLEAR, key="understand_clear", icon=":material/delete_sweep:", type="tertiary", on_click=_clear,
            **for_editors(words.CLEAR_HELP),
        )  # fmt: skip


def _clear() -> None:
    try:
        actions.clear_kept_results()
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")
