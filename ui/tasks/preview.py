"""A task before it is learnt: sizes, tokens under a chosen model, scripts, lengths and a few documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.common.errors import ModelError
from engine.models.choices import EMBEDDED, describe_models
from engine.tasks.documents import Task
from engine.tasks.profile import TaskProfile, profile, scripts
from engine.tasks.spec import TaskSpec
from figures.numbers import bytes_size, count, exact, percent
from ui.server import warm_up
from ui.tasks import words
from ui.tasks.documents_shown import documents_shown
from ui.widgets.text import plain

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def task_preview(task: Task, spec: TaskSpec, train_bytes: int, held_out_bytes: int, key: str) -> None:
    """Show a task at a glance; `spec` counts for how pairs and conversations are rendered. `key` keeps
    several previews of a page apart."""
    model = st.selectbox(
        words.COUNT_AS,
        [choice.name for choice in describe_models()],
        key=f"{key}_model",
        accept_new_options=True,
        persist_state="session",
        width=320,
        help=words.COUNT_AS_HELP,
    )
    found = _profile_or_error(task, model or EMBEDDED)
    _metrics(task, train_bytes, held_out_bytes, found)
    if isinstance(found, str):
        st.error(plain(found), icon=":material/error:")
    seen = found.scripts if isinstance(found, TaskProfile) else scripts(task.train)
    shares = ", ".join(f"{plain(script)} {_share(share)}" for script, share in seen[:5])
    st.markdown(words.scripts_seen(shares))
    if isinstance(found, TaskProfile):
        from figures.lengths import lengths_figure
        from figures.theme import alt_text

        figure = lengths_figure(found.lengths)
        st.plotly_chart(
            figure, key=f"{key}_lengths", theme="streamlit", config={"displayModeBar": False}, alt=alt_text(figure)
        )
    documents_shown(task, spec, model or EMBEDDED, _tokenizer, f"{key}_documents")


def _profile_or_error(task: Task, model: str) -> TaskProfile | str:
    try:
        return _profile(task, _tokenizer(model), task.train_fingerprint, task.held_out_fingerprint, model)
    except ModelError as error:
        return str(error)


@st.cache_resource(max_entries=4, show_spinner=words.LOADING_TOKENIZER)
def _tokenizer(model: str) -> PreTrainedTokenizerBase:
    warm_up.finish()
    from engine.models.loading import load_tokenizer

    return load_tokenizer(model)


@st.cache_data(max_entries=32, show_spinner=words.COUNTING)
def _profile(
    _task: Task, _tokenizer: PreTrainedTokenizerBase, train_fingerprint: str, held_out_fingerprint: str, model: str
) -> TaskProfile:
    return profile(_task, _tokenizer, first=0)


def _metrics(task: Task, train_bytes: int, held_out_bytes: int, found: TaskProfile | str) -> None:
    if isinstance(found, TaskProfile):
        about = "≈ " if found.tokens_are_estimated else ""
        tokens = f"{about}{count(found.train_tokens)}"
        held_out_tokens = words.tokens_held_out(about, found.held_out_tokens)
    else:
        tokens, held_out_tokens = "–", words.TOKENS_NOT_KNOWN
    for column, (label, value, below, help) in zip(
        st.columns(3),
        (
            (
                words.DOCUMENTS,
                exact(len(task.train)),
                words.documents_held_out(len(task.held_out)),
                words.DOCUMENTS_HELP,
            ),
            (words.SIZE, bytes_size(train_bytes), words.bytes_held_out(held_out_bytes), words.SIZE_HELP),
            (words.TOKENS, tokens, held_out_tokens, words.TOKENS_HELP),
        ),
        strict=True,
    ):
        column.metric(label, value, below, delta_color="off", delta_arrow="off", help=help)


def _share(share: float) -> str:
    return words.BELOW_ONE_PERCENT if share < 0.01 else percent(share)
