"""The order of the tasks, and the epochs and the learning rate that tasks of the experiment have of their own."""

import math

import streamlit as st

from engine.common.overrides import Overrides
from engine.common.parameters import parameters_of
from engine.experiments.orders import ALL, MOST_OF_ALL, REVERSED, Orders
from ui.drafts.draft import ExperimentDraft
from ui.experiment import words
from ui.widgets.forms import as_text, exact_value, folding
from ui.widgets.text import plain

DRAWN = (2, 3, 5, 10)
"""Numbers of orders that are offered."""


def task_settings(draft: ExperimentDraft, size: int | None) -> None:
    """A row for each chosen task, folded away and drawn once it is opened; what is entered goes to the draft. `size`
    is that of their texts in bytes, where it is known."""
    about = [words.of_size(size)] if size is not None else []
    folded = folding(
        words.TASK_SETTINGS, draft.key("task_settings"), about + _set_for_tasks(draft), type="compact",
        icon=":material/swap_vert:",
    )  # fmt: skip
    if not folded.open:
        return
    with folded:
        st.caption(words.ABOUT_TASK_SETTINGS)
        for index, name in enumerate(draft.task_names):
            _row(draft, index, name)
        _orders(draft)


def _orders(draft: ExperimentDraft) -> None:
    """The choice of the orders that are compared."""
    possible = math.factorial(min(len(draft.task_names), 10))
    choices: list[Orders | None] = [None]
    choices += [REVERSED] if possible > 2 else []  # of two tasks these are all orders
    choices += [number for number in DRAWN if number < possible]
    choices += [ALL] if 1 < possible <= MOST_OF_ALL else []
    if draft.orders not in choices:  # of a file, or of more tasks than are left
        choices.append(draft.orders)
    draft.orders = st.selectbox(
        words.ORDERS, choices, choices.index(draft.orders), key=draft.key(f"move{draft.moves}_orders"),
        format_func=words.orders, help=words.HELP_ORDERS,
    )  # fmt: skip


def _row(draft: ExperimentDraft, index: int, name: str) -> None:
    arrows, *columns = st.columns([2, 1, 1], vertical_alignment="bottom")
    key = draft.key("task")
    with arrows, st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "", key=f"{key}_up{index}", icon=":material/arrow_upward:", type="tertiary", disabled=index == 0,
            help=words.EARLIER, on_click=draft.move_task, args=(index, -1),
        )  # fmt: skip
        st.button(
            "", key=f"{key}_down{index}", icon=":material/arrow_downward:", type="tertiary",
            disabled=index == len(draft.task_names) - 1, help=words.LATER, on_click=draft.move_task, args=(index, 1),
        )  # fmt: skip
        origin = f" :gray[{words.FROM_FILE}]" if name in draft.file_tasks else ""
        st.markdown(f"{index + 1}. {plain(name)}{origin}", width="stretch")
    values = draft.task_overrides.setdefault(name, {})
    for declared, column in zip(parameters_of(Overrides), columns, strict=True):
        with column:
            own = draft.key(f"own_{declared.name}_{name}")
            values[declared.name] = exact_value(declared, values.get(declared.name), own)


def _set_for_tasks(draft: ExperimentDraft) -> list[str]:
    """What is set for single tasks, in words."""
    labels = {declared.name: declared.label.lower() for declared in parameters_of(Overrides)}
    found = [] if draft.orders is None else [words.orders(draft.orders)]
    for name in draft.task_names:
        given = {each: value for each, value in draft.task_overrides.get(name, {}).items() if value is not None}
        found += [plain(f"{name}: {labels[each]} {as_text(value)}") for each, value in given.items()]
    return found[:3] + ["…"] * (len(found) > 3)
