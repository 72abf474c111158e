"""The heartbeat of a page that follows something: it has parts of the page drawn again once they have changed.

A fragment with `run_every` draws all of its elements at every turn, and what is drawn is sent. Here nothing is drawn at
a beat but what its callback asks for, by `st.rerun` with the keys of fragments; a beat that brings nothing new costs
the server a few milliseconds. The next one waits for the answer, so that a slow server or browser is asked less often.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_SCRIPT = Path(__file__).with_name("pulse.js")
_CSS = ".stElementContainer:has(.palimpsest-pulse) { display: none; }"


def pulse(key: str, seconds: Callable[[], float], on_beat: Callable[[], None]) -> None:
    """Call `on_beat` `seconds()` after every quick answer, and up to twice as long after a slow one.

    `key` is also the key of the fragment that is to be named with those to draw.
    """
    st.fragment(_draw, key=key)(key, seconds, on_beat)


def _draw(key: str, seconds: Callable[[], float], on_beat: Callable[[], None]) -> None:
    turn = st.session_state[f"{key}_turn"] = st.session_state.get(f"{key}_turn", 0) + 1
    _component()(key=f"{key}_beat", data={"seconds": seconds(), "turn": turn}, on_beat_change=on_beat)


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_pulse",
        html='<span class="palimpsest-pulse"></span>',
        css=_CSS,
        js=_SCRIPT.read_text(encoding="utf-8"),
        isolate_styles=False,
    )
