"""A table of a few rows as HTML: it is there at once, its numbers stand on the right, and the best are bold."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """<style>
.palimpsest-table { overflow-x: auto; container-type: inline-size; }
.palimpsest-table table { border-collapse: collapse; width: 100%; font-size: 0.875rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
.palimpsest-table th, .palimpsest-table td { border: 0; border-bottom: 1px solid rgba(128, 128, 128, 0.28);
  padding: 0.4rem 0.6rem 0.4rem 0; text-align: left; vertical-align: top; }
.palimpsest-table thead th { font-weight: 400; opacity: 0.75; white-space: nowrap; }
.palimpsest-table tbody th { font-weight: 400; min-width: 7rem; }
.palimpsest-table tbody th:has(.mark) { padding-left: 1.05rem; text-indent: -1.05rem; }
.palimpsest-table .number { text-align: right; white-space: nowrap; padding-right: 0; padding-left: 0.6rem; }
.palimpsest-table .best { font-weight: 700; }
.palimpsest-table .mark { display: inline-block; width: 0.6rem; height: 0.6rem; border-radius: 50%;
  margin-right: 0.45rem; }
@container (max-width: 400px) {
  .palimpsest-table .from-400 { display: none; }
  .palimpsest-table thead th.number, .palimpsest-table .number { white-space: normal; padding-left: 0.4rem; }
  .palimpsest-table tbody th { min-width: 5rem; }
}
@container (max-width: 640px) { .palimpsest-table .from-640 { display: none; } }
</style>"""


@dataclass(frozen=True)
class Heading:
    """The head of a column."""

    title: str
    help: str = ""
    is_number: bool = True
    narrowest: int = 0
    """Left out where the table is narrower, in pixels: 0 (never) or 640."""


@dataclass(frozen=True)
class Cell:
    """The text of a cell, whatever it holds printed as it is."""

    text: str
    more: str = ""
    """Follows the text where the table is wide enough, such as an interval."""
    is_best: bool = False
    mark: str = ""
    """The colour of a dot before the text, as CSS writes it; none where it is empty."""


def table_html(headings: Sequence[Heading], rows: Sequence[Sequence[Cell]], label: str) -> str:
    """The table, of which the first column names the rows; `label` describes it to those who don't see it."""
    head = "".join(f'<th scope="col"{_class(each)}{_help(each)}>{escape(each.title)}</th>' for each in headings)
    body = "".join(f"<tr>{_row(row, headings)}</tr>" for row in rows)
    return (
        f'{STYLE}<div class="palimpsest-table" role="region" tabindex="0" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: Sequence[Cell], headings: Sequence[Heading]) -> str:
    pairs = enumerate(zip(row, headings, strict=True))
    return "".join(_cell(cell, heading, number == 0) for number, (cell, heading) in pairs)


def _cell(cell: Cell, heading: Heading, names_row: bool) -> str:
    mark = f'<span class="mark" style="background: {escape(cell.mark)}"></span>' if cell.mark else ""
    more = f'<span class="from-400"> {escape(cell.more)}</span>' if cell.more else ""
    tag, scope = ("th", ' scope="row"') if names_row else ("td", "")
    return f"<{tag}{scope}{_class(heading, cell.is_best)}>{mark}{escape(cell.text)}{more}</{tag}>"


def _class(heading: Heading, is_best: bool = False) -> str:
    chosen = ("number" * heading.is_number, f"from-{heading.narrowest}" * bool(heading.narrowest), "best" * is_best)
    names = " ".join(name for name in chosen if name)
    return f' class="{names}"' if names else ""


def _help(heading: Heading) -> str:
    return f' title="{escape(heading.help)}"' if heading.help else ""
