"""How far something is, shown by the browser as a route of the server says it: no script runs for a new number."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_SCRIPTS = [Path(__file__).with_name(name) for name in ("poll.js", "glance.js")]
_HTML = """
<div class="palimpsest-glance palimpsest-glance-empty">
<div class="palimpsest-glance-progress" hidden></div>
<dl class="palimpsest-glance-numbers" hidden></dl>
<div class="palimpsest-glance-table" hidden></div>
<p class="palimpsest-glance-trouble" role="status"></p>
</div>
"""
_CSS = """
.palimpsest-glance { font-family: var(--st-font); color: var(--st-text-color); }
.palimpsest-glance-empty { min-height: 5rem; }
.palimpsest-glance [hidden] { display: none; }
.palimpsest-glance p { margin: 0 0 0.3rem; font-size: 0.875rem; }
.palimpsest-glance-trouble:empty { display: none; }
.palimpsest-glance-bar {
  height: 0.5rem; border-radius: 0.25rem; overflow: hidden; background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color);
}
.palimpsest-glance-bar > div { height: 100%; background: var(--st-primary-color); }
.palimpsest-glance-numbers { display: flex; flex-wrap: wrap; gap: 0.6rem 1.5rem; margin: 0.9rem 0 0; }
.palimpsest-glance-numbers dt { font-size: 0.875rem; opacity: 0.8; }
.palimpsest-glance-numbers dd {
  margin: 0; font-size: var(--st-metric-value-font-size, 1.6rem); font-variant-numeric: tabular-nums;
}
.palimpsest-glance-table { overflow-x: auto; }
.palimpsest-glance table { border-collapse: collapse; width: 100%; font-size: 0.875rem; }
.palimpsest-glance caption { text-align: left; font-size: 0.875rem; padding-bottom: 0.4rem; }
.palimpsest-glance th { font-weight: 600; text-align: left; opacity: 0.8; }
.palimpsest-glance th, .palimpsest-glance td {
  padding: 0.35rem 0.6rem 0.35rem 0; border-bottom: 1px solid var(--st-border-color);
}
.palimpsest-glance td.palimpsest-glance-number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.palimpsest-glance td.palimpsest-glance-share { white-space: nowrap; min-width: 7rem; }
.palimpsest-glance td .palimpsest-glance-bar { display: inline-block; width: 4rem; margin-right: 0.5rem; }
"""


def polled_progress(key: str, url: str, progress: str = "progress", numbers: str = "numbers") -> None:
    """Show a bar and numbers. `progress` and `numbers` name the parts of the route's answer that hold them:
    {"share": from 0 to 1, "text": a line} and [{"label": …, "value": …}, …]."""
    _mounted(key, url, {"progress": progress, "numbers": numbers})


def polled_table(key: str, url: str, table: str) -> None:
    """Show a table: the part of the route's answer that is called `table`, {"caption": …, "columns": [{"name": …,
    "kind": "text", "number" or "share"}, …], "rows": one list of values each; shares from 0 to 1 are shown as bars."""
    _mounted(key, url, {"table": table})


def _mounted(key: str, url: str, parts: dict[str, str]) -> None:
    _component()(key=key, data={"url": url, "parts": parts})


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_glance",
        html=_HTML,
        css=_CSS,
        js="".join(script.read_text(encoding="utf-8") for script in _SCRIPTS),
        isolate_styles=False,
    )
