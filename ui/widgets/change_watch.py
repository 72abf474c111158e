"""The page's script runs when the page is made of other parts than it shows, and never because time has passed.

A route of the server says in a word, its answer's `structure`, what the page is made of; the browser compares it with
the word that the page was drawn with.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_SCRIPTS = [Path(__file__).with_name(name) for name in ("poll.js", "change_watch.js")]
_CSS = ".stElementContainer:has(.palimpsest-change-watch) { display: none; }"


def change_watch(
    key: str, url: str, seen: Callable[[], str], on_change: Callable[[], None], in_hidden_tabs: bool = False
) -> None:
    """Call `on_change` when the answer of the route `url` has another `structure` than `seen()`, the one that the page
    was drawn with, or when there is nothing any more at `url`.

    `key` is also the key of the fragment that is to be named with those to draw: it must be drawn with them, so that
    `seen` is asked again. `in_hidden_tabs` goes on in a tab that nobody looks at.
    """
    st.fragment(_draw, key=key)(key, url, seen, on_change, in_hidden_tabs)


def _draw(key: str, url: str, seen: Callable[[], str], on_change: Callable[[], None], in_hidden_tabs: bool) -> None:
    turn = st.session_state[f"{key}_turn"] = st.session_state.get(f"{key}_turn", 0) + 1
    data = {"url": url, "seen": seen(), "turn": turn, "in_hidden_tabs": in_hidden_tabs}
    _component()(key=f"{key}_watch", data=data, on_change_change=partial(_change, _page(), on_change))


def _change(page: str, on_change: Callable[[], None]) -> None:
    """Pass a change on, unless the visitor has left the page that it is about: fragments that another page does not
    have would take the place of all that it shows."""
    if _page() == page:
        on_change()


def _page() -> str:
    """The page that runs, by the name that Streamlit gives it."""
    context = get_script_run_ctx()
    return context.page_script_hash if context is not None else ""


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_change_watch",
        html='<span class="palimpsest-change-watch"></span>',
        css=_CSS,
        js="".join(script.read_text(encoding="utf-8") for script in _SCRIPTS),
        isolate_styles=False,
    )
