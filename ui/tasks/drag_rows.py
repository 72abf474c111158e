"""Rows of a page that can be dragged to another place, by a mouse or a pen on their grip.

It is no way for keyboards: beside it stand buttons that do the same.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from ui.tasks import words

GRIP = f'<span class="palimpsest-grip" aria-hidden="true" title="{words.DRAG}">⠿</span>'
"""Stands in a row, by `st.html`; a row is a container with the key PREFIX and the row's id."""
_SCRIPT = Path(__file__).with_name("drag_rows.js")
_CSS = """
.stElementContainer:has(.palimpsest-drag-rows) { display: none; }
.palimpsest-grip { cursor: grab; touch-action: none; user-select: none; padding: 0.4rem 0.3rem; opacity: 0.75; }
.palimpsest-dragged { opacity: 0.45; }
.palimpsest-drop-line { position: fixed; height: 3px; border-radius: 2px; pointer-events: none; z-index: 1000;
  background: #3073e1; }
/* On a phone a finger scrolls, and the buttons move rows. */
@media (max-width: 640px) { .stElementContainer:has(.palimpsest-grip) { display: none; } }
"""


def drag_rows(key: str, prefix: str, ids: Sequence[str], on_drop: Callable[[str, int], None]) -> None:
    """Let the rows with these ids, in their order, be dragged; `on_drop(id, place)` moves one to a place from 0."""

    def dropped() -> None:
        move = st.session_state[key].drop
        if isinstance(move, dict) and move.get("id") in ids and isinstance(move.get("place"), int):
            on_drop(move["id"], min(max(0, move["place"]), len(ids) - 1))

    _component()(key=key, data={"prefix": prefix, "ids": list(ids)}, on_drop_change=dropped)


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_drag_rows",
        html='<span class="palimpsest-drag-rows"></span>',
        css=_CSS,
        js=_SCRIPT.read_text(encoding="utf-8"),
        isolate_styles=False,
    )
