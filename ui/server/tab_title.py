"""The tab's title says when a run or the queue has ended, on every page and while nobody looks at the tab.

As long as runs go on, the browser asks a route whether they are still the same ones, in a tab that nobody looks at
too: it is there that a title is read. What it says stays until the visitor touches the page again: a page that draws
itself anew does not take it back.
"""

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import streamlit as st

from engine.common.errors import StoreError
from engine.store import Store
from engine.store.outlines import GOING
from ui.server import addresses, session
from ui.widgets import words
from ui.widgets.change_watch import change_watch

_SCRIPT = Path(__file__).parents[1] / "widgets" / "tab_title.js"
_CSS = ".stElementContainer:has(.palimpsest-tab-title) { display: none; }"
_WATCHED, _TURN = "tab_title_watched", "tab_title_turn"
_TITLE, _WATCH = "tab_title", "tab_title_watch"


def follow(page: str) -> None:
    """Keep the title of the tab that shows `page`. Call it once, at the end of the page."""
    st.fragment(_draw, key=_TITLE)(page)


def going_word(store: Store) -> str:
    """A word for the runs that have not ended: another one when one is added or ends."""
    return blake2b(" ".join(sorted(store.states())).encode(), digest_size=9).hexdigest()


def title_and_going(page: str) -> tuple[str, bool]:
    """The title as it is now, and whether anything goes on that may change it."""
    watched: set[str] = st.session_state.setdefault(_WATCHED, set())
    try:
        states = session.store().states(watched)
    except StoreError:  # which the page itself says
        return words.tab(page), True
    watched.intersection_update(states)  # without those that were deleted
    watched.update(states)
    ended = [state for state in states.values() if state not in GOING]
    title = words.tab_of_ended(len(ended), ended.count("failed"), len(states)) if ended else words.tab(page)
    return title, len(ended) < len(states)


def _draw(page: str) -> None:
    title, is_going = title_and_going(page)
    turn = st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    data = {"title": title, "usual": words.tab(page), "turn": turn}
    _component()(key="tab_title_shown", data=data, on_seen_change=_forget)
    if is_going:
        change_watch(_WATCH, addresses.GOING, _seen, _look, in_hidden_tabs=True)


def _seen() -> str:
    try:
        return going_word(session.store())
    except StoreError:  # which the page itself says
        return ""


def _look() -> None:
    st.rerun(_TITLE)


def _forget() -> None:
    st.session_state[_WATCHED] = set()


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_tab_title",
        html='<span class="palimpsest-tab-title"></span>',
        css=_CSS,
        js=_SCRIPT.read_text(encoding="utf-8"),
        isolate_styles=False,
    )
