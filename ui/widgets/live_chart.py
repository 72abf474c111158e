"""A Plotly chart that stays the same chart while its figure changes.

`st.plotly_chart` derives its identity from the figure, so that every new point mounts it afresh and zoom, legend
choices and hover are lost. This component hands each new figure to `Plotly.react` on one DOM node instead. The
library (5 MB, from the plotly wheel) is a file of the server: as a part of the page's messages it would be sent, read
and compiled again whenever somebody opens a page.

A figure that is shown once comes with the page. One that grows comes from a route of the server, which the chart asks
itself: no script runs for a new point.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from figures.theme import alt_text

_SCRIPTS = [Path(__file__).with_name(name) for name in ("poll.js", "live_chart.js")]
# A page that draws itself again every second is never out of date for long: fading it at each turn is flicker.
_LOADER_CSS = """
.stElementContainer:has(.palimpsest-plotly) { display: none; }
.stElementContainer[data-stale="true"] { opacity: 1 !important; transition: none !important; }
"""
_LOADER_JS = """
const AGAIN_AFTER_MS = 3000;

export default (component) => load(component.data.address);

function load(address) {
  if (document.getElementById("palimpsest-plotly")) return;
  const script = document.createElement("script");
  script.id = "palimpsest-plotly";
  script.src = new URL(address, document.baseURI);
  script.onload = () => { window.palimpsestPlotly = window.Plotly; };
  script.onerror = () => { script.remove(); setTimeout(() => load(address), AGAIN_AFTER_MS); };
  document.head.append(script);
}
"""
_CHART_HTML = """
<div class="palimpsest-chart" role="figure" tabindex="0"></div>
<div class="palimpsest-chart-notes"></div>
<p class="palimpsest-chart-trouble" role="status"></p>
"""
_CHART_CSS = """
.palimpsest-chart { width: 100%; overflow: hidden; }
.palimpsest-chart .modebar { opacity: 0.7; }
.palimpsest-chart:focus-visible { outline: 2px solid var(--st-primary-color); }
.palimpsest-chart-notes p, .palimpsest-chart-trouble {
  margin: 0.25rem 0 0; font-family: var(--st-font); font-size: 0.875rem; color: var(--st-text-color);
}
.palimpsest-chart-notes p { opacity: 0.75; }
.palimpsest-chart-trouble:empty { display: none; }
"""


@dataclass(frozen=True)
class Drawn:
    """A figure as it goes to the browser, written once for any number of them."""

    figure: str
    """Plotly's JSON."""
    alt: str


def drawn(figure: go.Figure) -> Drawn:
    """Write a figure down."""
    return Drawn(figure.to_json(remove_uids=False), alt_text(figure))


def load_plotly(address: str) -> None:
    """Have the browser load the charting library from `address`, beside the page. Call it once a page, outside every
    fragment that refreshes, and before all that takes time: the browser reads it while the page is put together."""
    _loader()(key="plotly_library", data={"address": address})


def live_chart(
    figure: go.Figure | Drawn,
    key: str,
    height: int = 420,
    narrow_height: int | None = None,
    on_click: Callable[[], None] | None = None,
    revision: str = "",
    tall_height: int | None = None,
    shapes: Sequence[Mapping[str, object]] = (),
) -> dict[str, Any] | None:
    """Show `figure` at `height` pixels, `narrow_height` where it is narrow and `tall_height` on screens of more than a
    thousand pixels; its alternative text comes from `styled`. `shapes` are this visitor's own, on top of the figure's.

    Zoom and legend choices are kept until `revision` changes, the latter by the traces' uids. Returns the point that
    was clicked just now: x, y and customdata; `on_click` runs before, and finds it in
    `st.session_state[key].click`.
    """
    written = figure if isinstance(figure, Drawn) else drawn(figure)
    data = {"figure": written.figure, "alt": written.alt}
    return _mounted(key, data, height, narrow_height, on_click, revision, tall_height, shapes)


def polled_chart(
    key: str,
    url: str,
    height: int = 420,
    narrow_height: int | None = None,
    on_click: Callable[[], None] | None = None,
    revision: str = "",
    tall_height: int | None = None,
    shapes: Sequence[Mapping[str, object]] = (),
    with_notes: bool = True,
) -> dict[str, Any] | None:
    """Show the figure that the route `url` of this server gives (`ui/server/addresses.py` has them), and go on asking
    it for what is new without a run of the page's script; all else is as in `live_chart`. Its notes stand below it
    `with_notes`.

    The chart asks once a second while the run trains, seldom once it has ended and never in a tab that nobody looks at.
    It follows the page's theme, says when the server does not answer, and goes on when it does.
    """
    source = {"url": url, "with_notes": with_notes}
    return _mounted(key, source, height, narrow_height, on_click, revision, tall_height, shapes)


def _mounted(
    key: str,
    source: dict[str, Any],
    height: int,
    narrow_height: int | None,
    on_click: Callable[[], None] | None,
    revision: str,
    tall_height: int | None,
    shapes: Sequence[Mapping[str, object]],
) -> dict[str, Any] | None:
    data = source | {
        "layout": {"uirevision": f"{key} {revision}"},
        "height": height,
        "narrow_height": narrow_height or height,
        "tall_height": tall_height or height,
        "shapes": [dict(shape) for shape in shapes],
    }
    result = _chart()(key=key, data=data, on_click_change=on_click or _nothing)
    return result.click if isinstance(result.click, dict) else None


def _nothing() -> None:
    """Streamlit passes on only those triggers that have a callback."""


@cache
def _loader() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_plotly",
        html='<span class="palimpsest-plotly"></span>',
        css=_LOADER_CSS,
        js=_LOADER_JS,
        isolate_styles=False,
    )


@cache
def _chart() -> Callable[..., Any]:
    return st.components.v2.component(
        "palimpsest_live_chart",
        html=_CHART_HTML,
        css=_CHART_CSS,
        js="".join(script.read_text(encoding="utf-8") for script in _SCRIPTS),
        isolate_styles=False,
    )
