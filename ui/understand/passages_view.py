"""The view of what was lost: a run, a task and two of its models on top, documents and an opened one below."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from engine.experiments.experiment import Experiment
from engine.insight.requests import PassageRequest, PassagesRequest
from ui.understand import words
from ui.understand.address import Address, write
from ui.understand.asking import show_asked
from ui.understand.models import Models
from ui.understand.pair_choice import Choices, begun, choose_pair, show_no_stage
from ui.understand.passages import MOST_ROWS, show_document, show_table

_OPENED = "understand_opened"


def show_passages(
    experiment_id: str, experiment: Experiment, models: Models, address: Address, first: Choices
) -> Choices:
    """Draw the view; gives the choices for the address, of which `first` are the page's own."""
    if not models.stages:
        show_no_stage(experiment_id, words.PASSAGES_TO_COME)
        return {}
    pair, choices = choose_pair(experiment_id, experiment, models, address)
    if pair is None:
        return choices
    request = PassagesRequest(pair.task, pair.before, pair.after)
    opened: dict[PassagesRequest, int] = st.session_state.setdefault(_OPENED, {})
    named = address.number("document", 1, 10**9)
    if request not in opened and named is not None and choices.items() <= begun(address).items():
        opened[request] = int(named) - 1
    show_asked("understand_passages", request, partial(_draw, request, {**first, **choices}))
    return {**choices, "document": str(opened[request] + 1) if request in opened else ""}


def _draw(request: PassagesRequest, choices: Choices, rows: Any, grows: bool) -> None:
    if not rows:
        return
    shown = rows[:MOST_ROWS]
    opened: dict[PassagesRequest, int] = st.session_state.setdefault(_OPENED, {})
    place = next((i for i, row in enumerate(shown) if row["document"] == opened.get(request)), 0)
    left, right = st.columns([5, 6], gap="medium")
    with left:
        key = f"understand_table_{request.task}_{request.before}_{request.after}"
        show_table(rows, key, place, partial(_open, key, request, [row["document"] for row in shown], choices))
    with right:
        row = shown[place]
        document = PassageRequest(request.task, request.before, request.after, int(row["document"]))
        show_asked("understand_document", document, partial(_draw_document, row))


def _draw_document(row: Any, pieces: Any, grows: bool) -> None:
    if pieces:
        show_document(row, pieces)


def _open(key: str, request: PassagesRequest, documents: Sequence[int], choices: Choices) -> None:
    """Open the document of the row that was selected."""
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        st.session_state[_OPENED][request] = documents[rows[0]]
        write({**choices, "document": str(documents[rows[0]] + 1)})
