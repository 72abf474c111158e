"""How something stands, in one line over a bar, shown by the browser as a route of the server says it: no script runs
for a new number."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_SCRIPTS = [Path(__file__).with_name(name) for name in ("poll.js", "status_line.js")]
_HTML = """
<div class="palimpsest-status">
<p><span class="badge"></span> <strong></strong> <span class="facts"></span></p>
<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100"><div></div></div>
<p class="trouble" role="status"></p>
</div>
"""
_CSS = """
.palimpsest-status { font-family: var(--st-font); color: var(--st-text-color); min-height: 2.3rem; }
.palimpsest-status p { margin: 0; line-height: 1.5; }
.palimpsest-status .badge {
  padding: 0.1rem 0.5rem; border-radius: 0.4rem; font-size: 0.875rem; white-space: nowrap;
  color: var(--st-gray-text-color); background: var(--st-gray-background-color);
}
.palimpsest-status .badge:empty { display: none; }
.palimpsest-status[data-status="running"] .badge {
  color: var(--st-blue-text-color); background: var(--st-blue-background-color);
}
.palimpsest-status[data-status="finished"] .badge {
  color: var(--st-green-text-color); background: var(--st-green-background-color);
}
.palimpsest-status[data-status="failed"] .badge {
  color: var(--st-red-text-color); background: var(--st-red-background-color);
}
.palimpsest-status:is([data-status="interrupted"], [data-status="paused"]) .badge {
  color: var(--st-orange-text-color); background: var(--st-orange-background-color);
}
.palimpsest-status strong { font-weight: 600; overflow-wrap: anywhere; }
.palimpsest-status .facts > span { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.palimpsest-status .facts > span::before { content: " · "; opacity: 0.6; }
.palimpsest-status .bar {
  height: 0.3rem; margin-top: 0.35rem; border-radius: 0.15rem; overflow: hidden; background: rgba(128, 128, 128, 0.25);
}
.palimpsest-status .bar > div { height: 100%; width: 0; background: var(--st-primary-color); }
.palimpsest-status .trouble { font-size: 0.875rem; }
.palimpsest-status .trouble:empty { display: none; }
"""


def status_line(key: str, url: str, part: str, first: Mapping[str, Any]) -> None:
    """Show the part of the answer of the route `url` that is called `part`: {"share": what is done, from 0 to 1,
    "status": a word that chooses a colour, "sign", "word", "name", "facts": a few words each}; until it comes, `first`,
    which is the same."""
    _component()(key=key, data={"url": url, "part": part, "first": dict(first)})


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_status_line",
        html=_HTML,
        css=_CSS,
        js="".join(script.read_text(encoding="utf-8") for script in _SCRIPTS),
        isolate_styles=False,
    )
