"""The view in which models answer prompts: what is asked on the left, the answers side by side on the right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from engine.common.errors import ConfigError, PalimpsestError
from engine.experiments.experiment import Experiment
from engine.insight.prompt_sets import LONGEST_PROMPT, check_prompts
from engine.insight.requests import MOST_ANSWER_TOKENS, MOST_SOURCES, AnswersRequest, Sampling, Source
from ui.server import actions
from ui.server.entrance import for_editors
from ui.understand import models as known
from ui.understand import words
from ui.understand.address import Address
from ui.understand.answers import Asked, answers_html, names_of
from ui.understand.asking import show_asked
from ui.understand.models import Models
from ui.understand.prompt_choice import Chosen, choose_prompts, keep_button
from ui.widgets.text import plain

USUAL_TOKENS = 64
_ASKED = "understand_asked"
Choices = dict[str, str | Sequence[str]]


@dataclass(frozen=True)
class _Last:
    """What was asked last in this visit of the page."""

    visit: int
    experiment_id: str
    asked: Asked | None
    prompts: str = ""
    """The key of typed prompts in an address."""


def show_answers(
    experiment_id: str, experiment: Experiment, facts: Sequence[Mapping[str, Any]], models: Models, address: Address
) -> Choices:
    """Draw the view; gives the choices for the address."""
    left, right = st.columns([2, 3], gap="large")
    with left:
        chosen = choose_prompts(experiment, facts, address, experiment_id)
        sources = _choose_models(models, address, experiment_id)
        tokens, sampling, how = _choose_answer(address, experiment_id)
        request = AnswersRequest(tuple(sources), chosen.prompts, tokens, sampling)
        last = _last(experiment_id, request, chosen, models, address)
        with st.container(horizontal=True, vertical_alignment="center"):
            pressed = st.button(
                words.ASK, key="understand_ask", type="primary", icon=":material/send:",
                **for_editors(words.ASK_HELP),
            )  # fmt: skip
            keep_button(chosen)
        if pressed:
            last = _ask(last, request, chosen, models)
        st.caption(words.limits(LONGEST_PROMPT, MOST_ANSWER_TOKENS))
    with right:
        _show_last(last)
    is_asked = last.asked is not None and last.asked.request == request
    prompts = {"prompts": last.prompts} if chosen.typed and is_asked else {}
    named = [known.written(source) for source in sources]
    return {**chosen.address, **prompts, **how, "model": named, "asked": "1" if is_asked else ""}


def _choose_models(models: Models, address: Address, where: str) -> list[Source]:
    named = [source for source in map(known.read, address.all("model")) if source in models.names]
    return st.multiselect(
        words.MODELS, list(models.names), default=named or list(models.usual), format_func=models.names.__getitem__,
        max_selections=MOST_SOURCES, wrap=True, key=address.key(f"models_{where}"),
        help=words.MODELS_HELP,
    )  # fmt: skip


def _choose_answer(address: Address, where: str) -> tuple[int, Sampling | None, dict[str, str]]:
    """The longest answer, how tokens are chosen, and both for the address."""
    narrow, wide = st.columns([2, 3])
    tokens = narrow.number_input(
        words.LONGEST, 1, MOST_ANSWER_TOKENS, int(address.number("tokens", 1, MOST_ANSWER_TOKENS) or USUAL_TOKENS),
        key=address.key(f"tokens_{where}"), help=words.LONGEST_HELP,
    )  # fmt: skip
    first = address.number("temperature", 0.05, 5.0)
    way = wide.segmented_control(
        words.TOKENS_ARE,
        [words.GREEDY, words.SAMPLED],
        default=words.GREEDY if first is None else words.SAMPLED,
        required=True,
        key=address.key(f"way_{where}"),
        help=words.TOKENS_ARE_HELP,
    )
    how = {"tokens": str(tokens)}
    if way != words.SAMPLED:
        return int(tokens), None, how
    columns = st.columns(3)
    temperature = columns[0].number_input(
        words.TEMPERATURE, 0.05, 5.0, first or 0.8, 0.05, key=address.key(f"temperature_{where}"),
        help=words.TEMPERATURE_HELP,
    )  # fmt: skip
    top_p = columns[1].number_input(
        words.TOP_P, 0.01, 1.0, address.number("top_p", 0.01, 1.0) or 0.95, 0.05, key=address.key(f"top_p_{where}"),
        help=words.TOP_P_HELP,
    )  # fmt: skip
    seed = columns[2].number_input(
        words.SEED, 0, 999_999_999, int(address.number("seed", 0, 999_999_999) or 0), key=address.key(f"seed_{where}"),
        help=words.SEED_HELP,
    )  # fmt: skip
    how |= {"temperature": f"{temperature:g}", "top_p": f"{top_p:g}", "seed": str(seed)}
    return int(tokens), Sampling(float(temperature), int(seed), float(top_p)), how


def _last(experiment_id: str, request: AnswersRequest, chosen: Chosen, models: Models, address: Address) -> _Last:
    """What was asked last; a visit that begins with an address of something asked asks it again."""
    last: _Last | None = st.session_state.get(_ASKED)
    if last is None or last.visit != address.visit:
        asked = None
        if address.first("asked") and request.prompts and request.sources:
            asked = Asked(request, names_of(request.sources, models.names), chosen.own)
        last = _Last(address.visit, experiment_id, asked, address.first("prompts"))
    elif last.experiment_id != experiment_id:
        last = _Last(address.visit, experiment_id, None)
    st.session_state[_ASKED] = last
    return last


def _ask(last: _Last, request: AnswersRequest, chosen: Chosen, models: Models) -> _Last:
    try:
        if not request.sources:
            raise ConfigError(words.NO_MODEL)
        if chosen.typed or not chosen.texts:
            check_prompts(chosen.texts)
        prompts = actions.note_prompts(chosen.texts) if chosen.typed else ""
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return last
    asked = Asked(request, names_of(request.sources, models.names), chosen.own)
    st.session_state[_ASKED] = _Last(last.visit, last.experiment_id, asked, prompts)
    now: _Last = st.session_state[_ASKED]
    return now


def _show_last(last: _Last) -> None:
    if last.asked is None:
        st.info(
            words.NOTHING_ASKED,
            icon=":material/forum:",
        )
        return
    show_asked("understand_answers", last.asked.request, partial(_draw, last.asked))


def _draw(asked: Asked, found: Any, grows: bool) -> None:
    st.html(answers_html(asked, found or [], grows))
