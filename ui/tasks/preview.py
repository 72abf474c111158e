"""A task before it is learnt: sizes, tokens under a chosen model, scripts, lengths and the first documents."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st

from engine.common.errors import ModelError, PalimpsestError
from engine.models.choices import EMBEDDED, describe_models
from engine.tasks.documents import Document, Kind, Task
from engine.tasks.profile import TaskProfile, profile, scripts
from engine.tasks.spec import TaskSpec
from ui.server import warm_up
from ui.widgets.text import bytes_size, count, plain

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHOWN_DOCUMENTS = 3
SHOWN_CHARACTERS = 1200
_WHOLE = 1_000_000
"""Block size of the preview, which shows documents whole."""
_SHADED = 'style="white-space:pre-wrap;overflow-wrap:anywhere;font-family:monospace;font-size:.85rem"'
_LEGEND = 'style="font-size:.85rem;margin:0"'


def task_preview(task: Task, spec: TaskSpec, train_bytes: int, held_out_bytes: int, key: str) -> None:
    """Show a task at a glance; `spec` counts for how pairs and conversations are rendered. `key` keeps
    several previews of a page apart."""
    model = st.selectbox(
        "Count tokens as this model does",
        [choice.name for choice in describe_models()],
        key=f"{key}_model",
        accept_new_options=True,
        persist_state="session",
        width=320,
        help="Models cut text into tokens differently. Type any other model name of the hub, or a local folder.",
    )
    found = _profile_or_error(task, model or EMBEDDED)
    _metrics(task, train_bytes, held_out_bytes, found)
    if isinstance(found, str):
        st.error(plain(found), icon=":material/error:")
    seen = found.scripts if isinstance(found, TaskProfile) else scripts(task.train)
    shares = ", ".join(f"{plain(script)} {_share(share)}" for script, share in seen[:5])
    st.markdown(f"**Scripts seen:** {shares or 'no letters'}")
    if isinstance(found, TaskProfile):
        from figures.lengths import lengths_figure
        from figures.theme import alt_text

        figure = lengths_figure(found.lengths)
        st.plotly_chart(
            figure, key=f"{key}_lengths", theme="streamlit", config={"displayModeBar": False}, alt=alt_text(figure)
        )
    _first_documents(task, spec, model or EMBEDDED)


def _profile_or_error(task: Task, model: str) -> TaskProfile | str:
    try:
        return _profile(task, _tokenizer(model), task.train_fingerprint, task.held_out_fingerprint, model)
    except ModelError as error:
        return str(error)


@st.cache_resource(max_entries=4, show_spinner="Loading the tokenizer …")
def _tokenizer(model: str) -> PreTrainedTokenizerBase:
    warm_up.finish()
    from engine.models.loading import load_tokenizer

    return load_tokenizer(model)


@st.cache_data(max_entries=32, show_spinner="Counting tokens …")
def _profile(
    _task: Task, _tokenizer: PreTrainedTokenizerBase, train_fingerprint: str, held_out_fingerprint: str, model: str
) -> TaskProfile:
    return profile(_task, _tokenizer, first=0)


def _metrics(task: Task, train_bytes: int, held_out_bytes: int, found: TaskProfile | str) -> None:
    if isinstance(found, TaskProfile):
        about = "≈ " if found.tokens_are_estimated else ""
        tokens = f"{about}{count(found.train_tokens)}"
        held_out_tokens = f"{about}{count(found.held_out_tokens)} tokens held out"
    else:
        tokens, held_out_tokens = "–", "not known for this model"
    for column, (label, value, below, help) in zip(
        st.columns(3),
        (
            ("Documents", f"{len(task.train):,}", f"{len(task.held_out):,} held out", "Texts that are learnt."),
            ("Size", bytes_size(train_bytes), f"{bytes_size(held_out_bytes)} held out", "Bytes in UTF-8."),
            ("Tokens", tokens, held_out_tokens, "Of texts and prompts, under the chosen model."),
        ),
        strict=True,
    ):
        column.metric(label, value, below, delta_color="off", delta_arrow="off", help=help)


def _first_documents(task: Task, spec: TaskSpec, model: str) -> None:
    shown = task.train[:SHOWN_DOCUMENTS]
    st.markdown(
        f"**The first {len(shown)} of {len(task.train):,} documents**, as they are learnt"
        if len(shown) > 1
        else "**The first document**, as it is learnt"
    )
    if task.reading.kind == "text":
        for document in shown:
            with st.container(border=True, gap="xsmall"):
                st.code(_shortened(document.text), language=None, wrap_lines=True)
        return
    try:
        rendered, remarks = _rendered(shown, task.reading.kind, spec, model)
        if task.reading.kind == "chat" or spec.template != "auto":
            _template(spec, model)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.html(f"<p {_LEGEND}>{_span('Only read', False)} {_span('Learnt and scored', True)}</p>")
    for remark in remarks:
        st.caption(f"Of the documents shown here: {plain(remark)}")
    for segments in rendered:
        with st.container(border=True, gap="xsmall"):
            st.html(f"<div {_SHADED}>{''.join(_span(text, learnt) for text, learnt in segments)}</div>")


def _rendered(
    documents: tuple[Document, ...], kind: Kind, spec: TaskSpec, model: str
) -> tuple[list[list[tuple[str, bool]]], tuple[str, ...]]:
    """Each document in stretches, with whether they are learnt, and what is said of those that are not.

    Raises ModelError.
    """
    if kind == "pairs" and spec.template == "auto":
        return [
            [(document.prompt + spec.separator if document.prompt else "", False), (document.text, True)]
            for document in documents
        ], ()
    tokenizer = _tokenizer(model)
    from engine.models.loading import marks_of
    from engine.tokens.document_encoding import make_rendering
    from engine.tokens.encoded_documents import encode_with
    from engine.tokens.encoding_remarks import remarks_on
    from engine.tokens.rendered_text import segments

    rendering = make_rendering(tokenizer, *marks_of(model, tokenizer), kind, spec, _WHOLE)
    found = encode_with(rendering.encoder, documents)
    rendered = [[(part.text, part.learnt) for part in segments(tokenizer, document)] for document in found]
    return rendered, remarks_on(rendering.encoder.counts)


def _template(spec: TaskSpec, model: str) -> None:
    """Which chat template it is, to read on demand."""
    from engine.tokens.chat_templates import ChatTemplate

    template = ChatTemplate(_tokenizer(model), spec.template)
    with st.expander(f"Rendered by {template.description}", icon=":material/forum:"):
        st.code(template.text, language="jinja2", wrap_lines=True)


def _span(text: str, learnt: bool) -> str:
    """A stretch as HTML that shows exactly these characters."""
    shade = "background:rgba(46,160,67,.28);border-radius:3px" if learnt else "opacity:.75"
    return f'<span style="{shade}">{html.escape(_shortened(text))}</span>'


def _shortened(text: str) -> str:
    more = len(text) - SHOWN_CHARACTERS
    return text if more <= 0 else f"{text[:SHOWN_CHARACTERS]}\n… and {more:,} more characters"


def _share(share: float) -> str:
    return "below 1%" if share < 0.01 else f"{share:.0%}"
