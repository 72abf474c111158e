"""Where answers and scores are computed, and how much of them is kept."""

import streamlit as st

from engine.common.errors import PalimpsestError
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.widgets.text import bytes_size, plain


def show_kept() -> None:
    """Say it, beside the way to be rid of what is kept."""
    results = session.kept_results()
    size = results.total_bytes()
    kept = f" ({bytes_size(size)} now, {bytes_size(results.limit_bytes)} at most)" if size else ""
    left, right = st.columns([8, 1], vertical_alignment="center")
    with left:
        st.caption(
            "Answers and scores are computed on the CPU, in a process of their own that gives way to runs that train. "
            f"They are kept{kept}, so that nothing is computed twice."
        )
    if size:
        right.button(
            "Clear", key="understand_clear", icon=":material/delete_sweep:", type="tertiary", on_click=_clear,
            **for_editors("Delete the kept scores and answers; they are computed anew when they are asked for."),
        )  # fmt: skip


def _clear() -> None:
    try:
        actions.clear_kept_results()
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")
