"""A comparison as one HTML file that needs no network: tables, the page's own figures, and plotly.js once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

# Nothing may be fetched, whatever a name in the data holds; images are blobs when a reader saves a figure as PNG.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

_STYLE = """
:root { color-scheme: light dark; }
:root { --ink: #22262e; --muted: #5b6472; --line: #d9dee6; --paper: #ffffff; --soft: #f5f7fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8ebf0; --muted: #a3adba; --line: #39414d; --paper: #14181f; --soft: #1c222b; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 2rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h2, .note { overflow-wrap: anywhere; }
.verdict { border-left: 4px solid #0072b2; background: var(--soft); padding: .8rem 1rem; }
.verdict p { margin: .3rem 0; overflow-wrap: anywhere; }
.verdict p:first-child { font-weight: 600; }
.note, figcaption { color: var(--muted); font-size: .92rem; }
figure { margin: 0; overflow-x: auto; }
.chart { width: 100%; }
.table { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .7rem .35rem 0; text-align: left; vertical-align: top; }
.short { white-space: nowrap; }
th { color: var(--muted); font-weight: 600; }
@media (max-width: 640px) {
  .wide .chart { min-width: 820px; }
  .wide::before { content: "Swipe sideways for the rest \\2192"; position: sticky; left: 0; font-size: .875rem;
    color: var(--muted); }
}
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; font-size: .85rem; }
@media print { body { max-width: none; padding: 0; } figure, table { break-inside: avoid; } }
"""

_DRAW = """
const dark = matchMedia("(prefers-color-scheme: dark)");
const charts = [...document.querySelectorAll(".chart")];
const colours = () => {
  const style = getComputedStyle(document.documentElement);
  return { "font.color": style.getPropertyValue("--ink").trim(),
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
};
for (const chart of charts) {
  const figure = JSON.parse(document.getElementById(chart.dataset.figure).textContent);
  Plotly.newPlot(chart, figure.data, figure.layout, { responsive: true, displaylogo: false })
    .then(() => Plotly.relayout(chart, colours()));
}
dark.addEventListener("change", () => charts.forEach((chart) => Plotly.relayout(chart, colours())));
"""


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it; texts are printed as they are, never read as HTML, but for `body`."""

    title: str
    text: str = ""
    figure: go.Figure | None = None
    alt: str = ""
    """A description of the figure for readers who don't see it; required with a figure."""
    table: pd.DataFrame | None = None
    """Printed with its column names and without its index; cells are text already."""
    code: str = ""
    body: str = ""
    """HTML whose texts were escaped where it was made; printed as it is, below the text."""
    wide: bool = False
    """Whether the figure is scrolled sideways on a phone, where it would be squeezed until nothing can be read."""


def report_html(title: str, verdict: Sequence[str], sections: Iterable[Section], note: str = "") -> str:
    """One HTML document; `verdict` holds its leading sentences, `note` says where and when it was made."""
    parts = [_section(section, number) for number, section in enumerate(sections)]
    sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in verdict)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n"
        + (f'<div class="verdict">{sentences}</div>\n' if sentences else "")
        + "\n".join(parts)
        + (f'\n<p class="note">{escape(note)}</p>' if note else "")
        + "\n<noscript><p>The charts need JavaScript; the tables hold the same numbers.</p></noscript>"
        + f"\n<script>{get_plotlyjs()}</script>\n<script>{_DRAW}</script>\n</body>\n</html>\n"
    )


def _section(section: Section, number: int) -> str:
    parts = [f"<section>\n<h2>{escape(section.title)}</h2>"]
    if section.text:
        parts.append(f'<p class="note">{escape(section.text)}</p>')
    if section.body:
        parts.append(section.body)
    if section.figure is not None:
        parts.append(_figure(section.figure, section.alt, f"figure-{number}", section.wide))
    if section.table is not None:
        parts.append(_table(section.table))
    if section.code:
        parts.append(f"<pre>{escape(section.code)}</pre>")
    return "\n".join([*parts, "</section>"])


def _figure(figure: go.Figure, alt: str, name: str, wide: bool) -> str:
    height = int(figure.layout.height or 450)
    # "<" can't end the script element early once it is written as an escape.
    data = str(figure.to_json()).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    opening = '<figure class="wide" tabindex="0">' if wide else "<figure>"
    return (
        f'{opening}\n<div class="chart" role="figure" aria-label="{escape(alt)}" data-figure="{name}"'
        f' style="height:{height}px"></div>\n'
        f'<script type="application/json" id="{name}">{data}</script>\n</figure>'
    )


def _table(table: pd.DataFrame) -> str:
    head = "".join(f'<th scope="col">{_cell(column)}</th>' for column in table.columns)
    rows = (
        "".join(f"<td{_width(value)}>{_cell(value)}</td>" for value in row) for row in table.itertuples(index=False)
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    return escape(str(value))


def _width(value: Any) -> str:
    """Short cells stay on one line; the table scrolls sideways instead."""
    return ' class="short"' if len(str(value)) <= 32 else ""
