"""The orders in which an experiment trains its tasks, where it varies them: names of tasks come in, orders go out.

An order is varied like a parameter, so that its effect can be told from a strategy's: every strategy is trained in
every order, with every seed.
"""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from engine.common.random_streams import Streams
from engine.strategies.short_names import ORDER
from engine.tasks.spec import Name

ALL: Final = "all"
REVERSED: Final = "reversed"
MOST_OF_ALL = 24
"""Most orders that `all` may stand for: those of four tasks."""
MOST_ORDERS = 1_000
Order = tuple[Name, ...]
"""The names of all tasks, in the order of training."""
Orders = tuple[Order, ...] | int | Literal["all", "reversed"]
"""Written out; or so many that are drawn, the order as written among them; or all that there are; or the order as
written and its reverse."""

_ONE_ORDER = "orders: one task has one order; leave it out"
_OF_LABEL = re.compile(rf"(?: \(|, ){ORDER}=(\d+)\)$")


def as_orders(value: Any) -> Any:
    """What stands in a file as `orders`, lists as tuples. Raises ValueError for what is none of these forms."""
    if value is None or value in (ALL, REVERSED) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    is_list = isinstance(value, list | tuple) and bool(value)
    if not is_list or not all(isinstance(order, list | tuple) for order in value):
        raise ValueError(
            "give a list of orders, each a list with the names of all tasks, or how many orders there shall be, such "
            f"as 3, or {REVERSED}, or {ALL}"
        )
    return tuple(tuple(order) for order in value)


def written_out(orders: Orders, names: Order) -> tuple[Order, ...]:
    """The orders of the tasks of these `names`, without doubles. Raises ValueError where there are no such orders."""
    possible = math.factorial(min(len(names), 20))  # enough to hold against any number that is allowed
    if orders == REVERSED:
        if possible == 1:
            raise ValueError(_ONE_ORDER)
        return (names, names[::-1])
    if isinstance(orders, str):
        if possible > MOST_OF_ALL:
            raise ValueError(
                f"orders: all orders of {len(names)} tasks are more than {MOST_OF_ALL}; write how many shall be drawn, "
                "such as 5"
            )
        return tuple(itertools.permutations(names))
    if isinstance(orders, int):
        most = min(possible, MOST_ORDERS)
        if not 2 <= orders <= most:
            raise ValueError(
                f"orders: {orders:,} orders can't be drawn; give a number from 2 to {most:,}"
                if most > 1
                else _ONE_ORDER
            )
        return _drawn(orders, names)
    for order in orders:
        if sorted(order) != sorted(names):
            raise ValueError(
                f"orders: {_arrows(map(str, order))} is no order of the tasks; each order names every task once: "
                f"{', '.join(names)}"
            )
    if len(set(orders)) < len(orders):
        doubled = next(order for number, order in enumerate(orders) if order in orders[:number])
        raise ValueError(f"orders: {_arrows(doubled)} stands twice; give each order once")
    return tuple(orders)


def _drawn(number: int, names: Order) -> tuple[Order, ...]:
    """The order as written and others, each a uniform draw from those that are not there yet: places sorted by random
    numbers of a stream of their own, so that they are the same on every machine and for tasks of any names."""
    found, stream = {names: None}, Streams(0)
    for draw in itertools.count():
        if len(found) == number:
            break
        places = sorted(range(len(names)), key=lambda place: stream.number("order of tasks", draw, place))
        found.setdefault(tuple(names[place] for place in places))
    return tuple(found)


def label_in_order(label: str, number: int) -> str:
    """The label of a run of the experiment's order of this number, from 1.

    >>> label_in_order("ewc (ewc_strength=1)", 2)
    'ewc (ewc_strength=1, order=2)'
    >>> label_in_order("naive", 2)
    'naive (order=2)'
    """
    return f"{label[:-1]}, {ORDER}={number})" if label.endswith(")") else f"{label} ({ORDER}={number})"


def without_order(label: str) -> str:
    """The label that a run has in every order.

    >>> without_order("ewc (ewc_strength=1, order=2)")
    'ewc (ewc_strength=1)'
    >>> without_order("naive (order=2)"), without_order("naive")
    ('naive', 'naive')
    """
    found = _OF_LABEL.search(label)
    if found is None:
        return label
    return label[: found.start()] + (")" if label[found.start()] == "," else "")


def order_number(label: str) -> int | None:
    """The number of the order that a label names, from 1; None where it names none.

    >>> order_number("ewc (ewc_strength=1, order=2)")
    2
    """
    found = _OF_LABEL.search(label)
    return None if found is None else int(found.group(1))


def with_tasks(orders: Iterable[Order], added: Sequence[str]) -> tuple[Order, ...]:
    """Each order with further tasks at its end."""
    return tuple((*order, *added) for order in orders)


def _arrows(names: Any) -> str:
    return " → ".join(names)
