"""A few of a task's documents, drawn at random and shown as they are learnt, a few lines each."""

from __future__ import annotations

import html
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.tasks.documents import Document, Kind, Task
from engine.tasks.spec import TaskSpec
from ui.tasks import words
from ui.widgets.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedTokenizerBase

    Tokenizer = Callable[[str], PreTrainedTokenizerBase]

SHOWN_DOCUMENTS = 5
FEW_LINES, FEW_CHARACTERS = 5, 400
MOST_CHARACTERS = 4000
_WHOLE = 1_000_000
"""Block size of the preview, which shows documents whole."""
_SHADED = 'style="white-space:pre-wrap;overflow-wrap:anywhere;font-family:monospace;font-size:.85rem"'
_LEGEND = 'style="font-size:.85rem;margin:0"'

Stretch = tuple[str, bool]
"""A piece of a document, and whether it is learnt."""


def documents_shown(task: Task, spec: TaskSpec, model: str, tokenizer: Tokenizer, key: str) -> None:
    """Show five documents of the training side; a button draws five others, another shows more of each."""
    turn_key = f"{key}_turn"
    places = drawn(len(task.train), task.train_fingerprint, st.session_state.get(turn_key, 0))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(words.documents_title(len(places), len(task.train)), width="stretch")
        is_whole = st.toggle(words.WHOLE, key=f"{key}_whole", help=words.WHOLE_HELP)
        if len(task.train) > SHOWN_DOCUMENTS:
            st.button(
                words.ANOTHER_FIVE, key=f"{key}_another", icon=":material/casino:", type="tertiary",
                help=words.ANOTHER_FIVE_HELP, on_click=_turn, args=(turn_key,),
            )  # fmt: skip
    documents = tuple(task.train[place] for place in places)
    try:
        rendered = _rendered(documents, task.reading.kind, spec, model, tokenizer)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    for place, stretches in zip(places, rendered, strict=True):
        if not stretches:  # left out, as a remark says
            continue
        with st.container(border=True, gap="xsmall"):
            st.caption(words.document_number(place + 1))
            shown = clamped(stretches, MOST_CHARACTERS if is_whole else FEW_CHARACTERS, None if is_whole else FEW_LINES)
            if task.reading.kind == "text":
                st.code("".join(text for text, _ in shown), language=None, wrap_lines=True)
            else:
                st.html(f"<div {_SHADED}>{''.join(_span(text, learnt) for text, learnt in shown)}</div>")


def drawn(documents: int, fingerprint: str, turn: int) -> list[int]:
    """The places, from 0 and in order, of five of so many documents: drawn at random, the same ones for the same task
    and turn."""
    draw = random.Random(f"{fingerprint} {turn}")  # noqa: S311 - nothing depends on that nobody can guess it
    return sorted(draw.sample(range(documents), min(SHOWN_DOCUMENTS, documents)))


def clamped(stretches: Sequence[Stretch], characters: int, lines: int | None) -> list[Stretch]:
    """The first lines of a document, up to so many characters, and how much is left out; None takes all lines."""
    text = "".join(piece for piece, _ in stretches)
    end = min(characters, len(text))
    if lines is not None and text.count("\n") >= lines:
        end = min(end, len("\n".join(text.split("\n")[:lines])))
    shown: list[Stretch] = []
    left = end
    for piece, learnt in stretches:
        if left > 0:
            shown.append((piece[:left], learnt))
        left -= len(piece)
    if len(text) > end:
        shown.append((words.left_out(len(text) - end), False))
    return shown


def _turn(key: str) -> None:
    st.session_state[key] = st.session_state.get(key, 0) + 1


def _rendered(
    documents: tuple[Document, ...], kind: Kind, spec: TaskSpec, model: str, tokenizer: Tokenizer
) -> list[list[Stretch]]:
    """Each document in stretches; of pairs and conversations a legend, and what is said of those shown. Raises
    ModelError."""
    if kind == "text":
        return [[(document.text, True)] for document in documents]
    rendered, remarks = _in_stretches(documents, kind, spec, model, tokenizer)
    if kind == "chat" or spec.template != "auto":
        _template(spec, tokenizer(model))
    st.html(f"<p {_LEGEND}>{_span(words.ONLY_READ, False)} {_span(words.LEARNT, True)}</p>")
    for remark in remarks:
        st.caption(words.of_those_shown(remark))
    return rendered


def _in_stretches(
    documents: tuple[Document, ...], kind: Kind, spec: TaskSpec, model: str, tokenizer: Tokenizer
) -> tuple[list[list[Stretch]], tuple[str, ...]]:
    if kind == "pairs" and spec.template == "auto":
        return [
            [(document.prompt + spec.separator if document.prompt else "", False), (document.text, True)]
            for document in documents
        ], ()
    loaded = tokenizer(model)
    from engine.models.loading import marks_of
    from engine.tokens.document_encoding import make_rendering
    from engine.tokens.encoded_documents import encode_with
    from engine.tokens.encoding_remarks import remarks_on
    from engine.tokens.rendered_text import segments

    rendering = make_rendering(loaded, *marks_of(model, loaded), kind, spec, _WHOLE)
    each = [encode_with(rendering.encoder, (document,)) for document in documents]
    stretches = [
        [(part.text, part.learnt) for document in found for part in segments(loaded, document)] for found in each
    ]
    return stretches, remarks_on(rendering.encoder.counts)


def _template(spec: TaskSpec, tokenizer: PreTrainedTokenizerBase) -> None:
    """Which chat template it is, to read on demand."""
    from engine.tokens.chat_templates import ChatTemplate

    template = ChatTemplate(tokenizer, spec.template)
    with st.expander(words.rendered_by(template.description), icon=":material/forum:"):
        st.code(template.text, language="jinja2", wrap_lines=True)


def _span(text: str, learnt: bool) -> str:
    """A stretch as HTML that shows exactly these characters."""
    shade = "background:rgba(46,160,67,.28);border-radius:3px" if learnt else "opacity:.75"
    return f'<span style="{shade}">{html.escape(text)}</span>'
