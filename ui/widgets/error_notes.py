"""Errors of ours on a page: one sentence instead of a traceback, and another look where the cause may pass."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from engine.common.errors import PalimpsestError, StoreError
from ui.widgets.pulse import pulse
from ui.widgets.text import plain

AGAIN_SECONDS = 5.0
P = ParamSpec("P")


def with_error_notes(draw: Callable[P, None]) -> Callable[P, None]:
    """`draw`, a page or a fragment, that says an error of ours where it would have drawn.

    While the store can't be used the page is drawn again every few seconds, until it can.
    """

    @wraps(draw)
    def drawn(*args: P.args, **options: P.kwargs) -> None:
        try:
            draw(*args, **options)
        except PalimpsestError as error:
            st.error(plain(str(error)), icon=":material/error:")
            if isinstance(error, StoreError):
                pulse(f"trouble_{draw.__name__}", lambda: AGAIN_SECONDS, st.rerun)

    return drawn
