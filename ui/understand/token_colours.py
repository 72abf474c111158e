"""A document whose tokens are coloured by what the model lost on them, as HTML.

Orange for a token that the later model expects less, blue for one that it expects more: the pair of hues that every
common colour blindness keeps apart. The colours are laid over the page's own, so that its text stays readable in light
and dark.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from engine.common.numerals import percent, written
from ui.understand import words
from ui.widgets.shown_text import PRE, QUIET, SMALL, on_one_line, shown

Pieces = Sequence[Mapping[str, Any]]
"""Stretches of a document as `PassageRequest` gives them."""

LOST, GAINED = (220, 116, 12), (48, 115, 225)
STRONGEST = 0.6
"""The share of its colour that the strongest change has."""
_SCALES = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
_USUAL_SHARE = 0.95
_LEAST = 1e-4
MOST_LOST = 5
_CONTEXT = 30
"""Characters before a token."""
MOST_PIECES = 4000
"""Of a longer document the rest is left out."""
_STEPS = (-1.0, -2 / 3, -1 / 3, 0.0, 1 / 3, 2 / 3, 1.0)


def scale_of(pieces: Pieces) -> float:
    """The change, in nats, that has the strongest colour: all but a twentieth of the document's are within it."""
    changes = sorted(abs(piece["change"]) for piece in pieces if piece["is_target"])
    usual = changes[int(_USUAL_SHARE * (len(changes) - 1))] if changes else 0.0
    return next((scale for scale in _SCALES if usual <= scale), _SCALES[-1])


def shade(change: float, scale: float) -> str:
    """The background of a token whose log-probability changed by so many nats."""
    red, green, blue = LOST if change < 0 else GAINED
    return f"rgba({red},{green},{blue},{STRONGEST * min(1.0, abs(change) / scale):.3f})"


def document_html(pieces: Pieces, scale: float) -> str:
    """The document; what is only read is grey, a token's numbers show where the pointer rests on it."""
    rest = len(pieces) - MOST_PIECES
    spans = [_span(piece, scale) for piece in pieces[:MOST_PIECES]]
    if rest > 0:
        spans.append(f'<span style="{QUIET}">{words.more_tokens(rest)}</span>')
    return f'<div style="{PRE};line-height:1.75">{"".join(spans)}</div>'


def legend_html(scale: float) -> str:
    """What the colours mean."""
    style = "padding:.1rem .5rem;white-space:nowrap"
    swatches = "".join(
        f'<span style="background:{shade(step * scale, scale)};{style}">{_step_text(step, scale)}</span>'
        for step in _STEPS
    )
    return (
        f'<p style="{SMALL};line-height:1.9">{words.LESS_LIKELY} {swatches} {words.MORE_LIKELY}'
        f' &nbsp; <span style="{QUIET}">{words.ONLY_READ}</span></p>'
    )


def most_lost_html(pieces: Pieces, scale: float, who: str = "it") -> str:
    """The tokens that `who` lost most on, each with what stands before it; "" where none lost."""
    places = sorted(
        (place for place, piece in enumerate(pieces) if piece["is_target"] and piece["change"] < 0),
        key=lambda place: pieces[place]["change"],
    )
    lines = [_lost_line(pieces, place, scale) for place in places[:MOST_LOST]]
    return f'<p style="{SMALL};font-weight:600">{words.where_lost(who)}</p>{"".join(lines)}' if lines else ""


def in_words(piece: Mapping[str, Any]) -> str:
    """What happened to a token, on one line."""
    return words.token_lost(chance(piece["before"]), chance(piece["after"]), piece["instead"])


def chance(probability: float) -> str:
    """A probability in percent."""
    return percent(probability) if not 0 < probability < _LEAST else words.below(percent(_LEAST))


def _span(piece: Mapping[str, Any], scale: float) -> str:
    text = shown(piece["text"], marked=True)
    if not piece["is_target"]:
        return f'<span style="{QUIET}">{text}</span>'
    style = f"background:{shade(piece['change'], scale)};border-radius:2px"
    title = html.escape(words.nats(piece["change"], in_words(piece)))
    return f'<span style="{style}" title="{title}">{text}</span>'


def _lost_line(pieces: Pieces, place: int, scale: float) -> str:
    piece = pieces[place]
    before = on_one_line("".join(each["text"] for each in pieces[max(0, place - _CONTEXT) : place]))[-_CONTEXT:]
    token = html.escape(on_one_line(piece["text"]))
    return (
        f'<p style="{SMALL};line-height:1.9"><span style="{QUIET}">… {html.escape(before)}</span>'
        f'<span style="background:{shade(piece["change"], scale)};border-radius:2px;white-space:pre">{token}</span>'
        f" &nbsp; {html.escape(in_words(piece))}</p>"
    )


def _step_text(step: float, scale: float) -> str:
    if step in (-1.0, 1.0):
        return ("≤ " if step < 0 else "≥ ") + written(step * scale, "+.2g")
    return "0" if step == 0 else "&nbsp;"
