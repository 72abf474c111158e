"""The orders of the tasks, as they are chosen on the Experiment page: the control, and what a choice stands for."""

import math

import streamlit as st

from engine.experiments.orders import ALL
from ui.drafts import words
from ui.drafts.draft import REVERSED, ExperimentDraft, OrdersChoice

_NO, _DRAWN, _FROM_FILE = "no", "drawn", "file"
_MOST = 24
"""Most orders that the page draws; a file may ask for more."""
_FEW = 3


def orders_choice(draft: ExperimentDraft) -> None:
    """Draw the control, and a field for the number where orders are drawn; the choice goes to the draft. Nothing where
    there is one task, which has one order."""
    tasks = len(draft.task_names)
    if tasks < 2:
        return
    names = _names(draft, tasks)
    kind = _kind(draft.orders)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen: str = st.segmented_control(
            words.ORDERS, list(names), default=kind, required=True, format_func=names.__getitem__,
            key=draft.key(f"orders_{'_'.join(names)}"), help=words.HELP_ORDERS, width="content",
        )  # fmt: skip
        if chosen == _DRAWN:
            most = min(_MOST, math.factorial(tasks))
            first = draft.orders if isinstance(draft.orders, int) else min(_FEW, most)
            number = st.number_input(
                words.NUMBER_OF_ORDERS, 2, max(most, first), first, key=draft.key(f"orders_number_{tasks}"),
                help=words.HELP_NUMBER_OF_ORDERS, width=150,
            )  # fmt: skip
            draft.orders = int(number)
    if chosen not in (_DRAWN, kind):
        choices: dict[str, OrdersChoice] = {_NO: None, REVERSED: REVERSED, ALL: ALL}
        draft.orders = choices[chosen]


def _names(draft: ExperimentDraft, tasks: int) -> dict[str, str]:
    """What may be chosen: two tasks have one other order, and what is chosen already stays, right or wrong."""
    names = {_NO: words.NO_ORDERS, REVERSED: words.REVERSED}
    kind = _kind(draft.orders)
    if tasks > 2 or kind == _DRAWN:
        names[_DRAWN] = words.DRAWN
    if tasks in (3, 4) or kind == ALL:
        names[ALL] = words.all_orders(math.factorial(tasks))
    if kind == _FROM_FILE:
        names[_FROM_FILE] = words.orders_of_file(len(draft.orders or ()))  # type: ignore[arg-type]
    return names


def _kind(orders: OrdersChoice) -> str:
    if orders is None:
        return _NO
    if isinstance(orders, str):
        return orders
    return _DRAWN if isinstance(orders, int) else _FROM_FILE
