"""The passages that lost most as HTML: the same text as two runs read it, side by side, its tokens coloured."""

from collections.abc import Mapping, Sequence
from typing import Any

from ui.report import words
from ui.understand.token_colours import Pieces, document_html, legend_html, most_lost_html, scale_of
from ui.widgets.shown_text import BOX, QUIET, SMALL, shown

_GRID = "display:grid;gap:.75rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr))"
_TITLE = "margin:1.4rem 0 .2rem;font-weight:600"


def passages_html(passages: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """`passages` as `measures.reported` gives them, with a span of each of the runs that `names` names."""
    return "".join(_passage_html(passage, names) for passage in passages)


def _passage_html(passage: Mapping[str, Any], names: Sequence[str]) -> str:
    """One scale for all runs, that of the first, so that a colour means the same beside it."""
    spans = [span | {"pieces": _without_mark(passage, span["pieces"])} for span in passage["spans"]]
    scale = scale_of(spans[0]["pieces"])
    boxes = [_box(passage, span, name, scale) for span, name in zip(spans, names, strict=True)]
    where = most_lost_html(spans[0]["pieces"], scale, names[0])
    return (
        f'<p style="{_TITLE}">{words.document(passage["document"] + 1)}</p>{legend_html(scale)}'
        f'<div style="{_GRID}">{"".join(boxes)}</div><div style="margin-top:.6rem">{where}</div>'
    )


def _without_mark(passage: Mapping[str, Any], pieces: Pieces) -> Pieces:
    """The pieces without the token that begins every document."""
    begins = passage["begins_at"] == 0 and pieces and not pieces[0]["is_target"]
    return pieces[1:] if begins else pieces


def _box(passage: Mapping[str, Any], span: Mapping[str, Any], name: str, scale: float) -> str:
    said = words.lost(span["lost"], span["before"], span["after"])
    before = (
        f'<p style="{SMALL};{QUIET}">{words.tokens_before(passage["begins_at"])}</p>' if passage["begins_at"] else ""
    )
    after = f'<p style="{SMALL};{QUIET}">{words.tokens_after(passage["left_out"])}</p>' if passage["left_out"] else ""
    return (
        f'<div style="{BOX}"><p style="{SMALL};font-weight:600;overflow-wrap:anywhere">{shown(name)}</p>'
        f'<p style="{SMALL};margin-bottom:.4rem">{said}</p>{before}{document_html(span["pieces"], scale)}{after}</div>'
    )
