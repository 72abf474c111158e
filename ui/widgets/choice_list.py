"""A narrow list of which one row is chosen, by a click or by the arrows and Enter; on narrow screens a native select.

A table of Streamlit's is drawn on a canvas and offers its choice as boxes beside the rows. This list is text: it can be
searched, read aloud and filtered, keeps the focus and the place that it was scrolled to while its rows change, and
holds hundreds of rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

FILTERED_FROM = 13
"""Lists of so many rows have a field that filters them."""
NOTHING_FETCHED: Mapping[str, Any] = {"note": "", "rows": ()}
_SCRIPTS = [Path(__file__).with_name(name) for name in ("poll.js", "choice_list.js")]
_STYLE = Path(__file__).with_name("choice_list.css")


@dataclass(frozen=True)
class Row:
    """One row of the list."""

    id: str
    name: str
    detail: str = ""
    """A few more words, in grey at the row's end."""
    sign: str = ""
    """One character that says how it stands."""
    status: str = ""
    """The same in words: the sign's colour follows from it, and readers who hear the page hear it."""
    share: float | None = None
    """The share that is done, from 0 to 1; no bar where it is None."""


def choice_list(
    rows: Sequence[Row],
    chosen: str,
    key: str,
    label: str,
    on_choice: Callable[[str], None],
    shown: str = "",
    height: str = "30rem",
    url: str = "",
    part: str = "",
    fetched: Mapping[str, Any] = NOTHING_FETCHED,
) -> None:
    """Show `rows`, at most `height` (a length of CSS) high, of which `chosen` is selected; `shown` is one that stands
    out beside it, as what a row "the latest" stands for. `on_choice` is called with the id of a row that is chosen.

    With a `url`, the browser asks that route of the server for more rows, which come after these: its answer holds
    them as {"note": a line above the list, "rows": rows as plain data} under `part`; until it comes, `fetched` stands
    for it.
    """
    data = {
        "rows": [asdict(row) for row in rows],
        "chosen": chosen,
        "shown": shown,
        "label": label,
        "height": height,
        "filtered_from": FILTERED_FROM,
        "url": url,
        "part": part,
        "fetched": dict(fetched),
    }

    def take() -> None:
        choice = st.session_state[key].choice
        if isinstance(choice, str):
            on_choice(choice)

    _component()(key=key, data=data, on_choice_change=take)


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_choice_list",
        html='<div class="palimpsest-choices"></div>',
        css=_STYLE.read_text(encoding="utf-8"),
        js="".join(script.read_text(encoding="utf-8") for script in _SCRIPTS),
        isolate_styles=False,
    )
