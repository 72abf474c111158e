"""The part of the form that says what the models go on from: typed prompts, those of a task, or a kept set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.experiments.experiment import Experiment
from engine.insight.prompt_sets import LONGEST_NAME, LONGEST_PROMPT
from engine.insight.requests import Prompt
from engine.insight.task_prompts import HeldOutPrompt, held_out_prompts
from engine.tasks.spec import TaskSpec
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.understand import words
from ui.understand.address import Address
from ui.understand.formats import Format, formats_of
from ui.widgets.text import plain

MOST_OF_TASK, USUAL_OF_TASK = 50, 3
TYPED, TASK, KEPT = "typed", "task", "kept"
_TITLES = {TYPED: words.WRITE, TASK: words.FROM_TASK, KEPT: words.KEPT_SET}


@dataclass(frozen=True)
class Chosen:
    """Prompts to ask."""

    prompts: tuple[Prompt, ...] = ()
    texts: tuple[str, ...] = ()
    """As they are kept: without what their format adds."""
    own: tuple[str, ...] = ()
    """What a task's documents go on with."""
    address: Mapping[str, str] = field(default_factory=dict)
    typed: bool = False
    """They stand in no file yet, so that an address can't name them."""


def choose_prompts(experiment: Experiment, facts: Sequence[Mapping[str, Any]], address: Address, where: str) -> Chosen:
    """Draw the choice; `where` tells the widgets of one experiment from those of another."""
    first = address.first("from")
    kind = st.segmented_control(
        words.PROMPTS, list(_TITLES), default=first if first in _TITLES else TYPED, format_func=_TITLES.__getitem__,
        key=address.key(f"from_{where}"), required=True,
        help=words.PROMPTS_HELP,
    )  # fmt: skip
    if kind == TASK:
        return _of_task(experiment, address, where)
    texts, named = _typed(address, where) if kind != KEPT else _kept(address, where)
    form = _format(facts, address, where)
    prompts = tuple(form.prompt(text) for text in texts if text.strip())
    choices = {"from": kind or TYPED, "format": form.name, **named}
    return Chosen(prompts, tuple(texts), address=choices, typed=kind != KEPT)


def _typed(address: Address, where: str) -> tuple[list[str], dict[str, str]]:
    before = session.prompt_sets().noted(address.first("prompts")) or ()
    text = st.text_area(
        words.PROMPT, "\n".join(before), height=130, max_chars=LONGEST_PROMPT, key=address.key(f"text_{where}"),
        placeholder=words.PROMPT_EXAMPLE,
        help=words.PROMPT_HELP,
    )  # fmt: skip
    by_line = st.toggle(
        words.BY_LINE, value=len(before) > 1, key=address.key(f"lines_{where}"),
        help=words.BY_LINE_HELP,
    )  # fmt: skip
    lines = text.split("\n") if by_line else [text]
    return [line for line in lines if line.strip()], {}


def _kept(address: Address, where: str) -> tuple[list[str], dict[str, str]]:
    sets = {each.set_id: each for each in session.prompt_sets().sets()}
    if not sets:
        st.caption(words.NO_SET)
        return [], {}
    first = address.first("set")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        set_id = st.selectbox(
            words.SET, list(sets), index=list(sets).index(first) if first in sets else 0,
            format_func=lambda each: sets[each].name, key=address.key(f"set_{where}"),
            help=words.SET_HELP,
        )  # fmt: skip
        with st.popover(words.DELETE, type="tertiary", **for_editors(words.DELETE_HELP)):
            st.markdown(words.delete_question(sets[set_id].name))
            st.button(words.DELETE_SET, key="understand_delete_set", type="primary", on_click=_delete, args=(set_id,),
                      **for_editors(words.DELETE_SET_HELP))  # fmt: skip
    texts = list(sets[set_id].prompts)
    st.caption(words.set_begins(texts))
    return texts, {"set": set_id}


def _format(facts: Sequence[Mapping[str, Any]], address: Address, where: str) -> Format:
    formats, usual = formats_of(facts)
    first = next((each for each in formats if each.name == address.first("format")), usual)
    return st.selectbox(
        words.FORMAT, formats, index=formats.index(first), format_func=lambda each: each.title,
        key=address.key(f"format_{where}"),
        help=words.FORMAT_HELP,
    )  # fmt: skip


def _of_task(experiment: Experiment, address: Address, where: str) -> Chosen:
    names = [task.name for task in experiment.tasks]
    first = address.first("task")
    wide, narrow = st.columns([3, 2])
    task = wide.selectbox(
        words.TASK, names, index=names.index(first) if first in names else 0, key=address.key(f"task_{where}"),
        help=words.TASK_HELP,
    )  # fmt: skip
    number = narrow.number_input(
        words.HOW_MANY, 1, MOST_OF_TASK, int(address.number("count", 1, MOST_OF_TASK) or USUAL_OF_TASK),
        key=address.key(f"count_{where}"), help=words.HOW_MANY_HELP,
    )  # fmt: skip
    choices = {"from": TASK, "task": str(task), "count": str(number)}
    spec = next(each for each in experiment.tasks if each.name == task)
    try:
        found = _held_out(spec.model_dump_json(), _stamps(spec), int(number), spec)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return Chosen(address=choices)
    prompts = tuple(each.prompt for each in found)
    st.caption(words.ABOUT_TASKS_PROMPTS)
    return Chosen(prompts, tuple(each.text for each in prompts), tuple(each.own for each in found), choices)


@st.cache_data(max_entries=32, show_spinner=words.READING)
def _held_out(spec_json: str, stamps: tuple[float, ...], most: int, _spec: TaskSpec) -> list[HeldOutPrompt]:
    return held_out_prompts(_spec, most)


def _stamps(spec: TaskSpec) -> tuple[float, ...]:
    """When the task's files were changed last."""
    paths = [Path(name) for name in (*spec.train, *spec.test)]
    return tuple(path.stat().st_mtime if path.is_file() else 0.0 for path in paths)


def keep_button(chosen: Chosen) -> None:
    """Keep the chosen prompts under a name."""
    with st.popover(
        words.KEEP, icon=":material/bookmark_add:",
        **for_editors(words.KEEP_HELP, disabled=not chosen.prompts),
    ):  # fmt: skip
        name = st.text_input(
            words.SET_NAME, key="understand_set_name", max_chars=LONGEST_NAME, help=words.SET_NAME_HELP
        )
        if st.button(words.KEEP_SET, key="understand_keep", type="primary", **for_editors(words.KEEP_SET_HELP)):
            try:
                kept = actions.keep_prompts(name or "", chosen.texts)
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                st.success(words.kept_as(kept.name), icon=":material/check:")


def _delete(set_id: str) -> None:
    try:
        actions.delete_prompts(set_id)
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")
