"""The orders of the tasks: what may be written, what is drawn, and which runs they make."""

import doctest
import itertools
from typing import Any

import pytest

from engine.common.errors import ConfigError
from engine.experiments import orders as module
from engine.experiments.experiment import MAX_RUNS, Experiment, experiment_from, to_data
from engine.experiments.orders import with_tasks, written_out

NAMES = ("a", "b", "c")


def described(orders: Any = None, names: tuple[str, ...] = NAMES, **changes: Any) -> Experiment:
    tasks = [{"name": name, "train": f"{name}.txt"} for name in names]
    ewc = {"ewc": {"ewc_strength": [1.0, 2.0]}}
    data = {"name": "e", "tasks": tasks, "strategies": ["naive", ewc], "seeds": [0, 1]} | changes
    return experiment_from(data if orders is None else data | {"orders": orders})


def test_the_examples_in_the_docstrings_hold() -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted) == (0, 5)


def test_without_orders_nothing_is_written_and_no_run_has_one() -> None:
    made = described()
    assert "orders" not in to_data(made)
    assert {run.order for run in made.runs()} == {None}
    assert [run.label for run in made.runs()][:2] == ["naive", "ewc (ewc_strength=1)"]
    assert made.in_order(None) is made


def test_runs_are_strategies_times_orders_times_seeds_with_labels_that_differ_within_a_seed() -> None:
    made = described([["a", "b", "c"], ["c", "b", "a"]])
    runs = made.runs()
    assert len(runs) == 3 * 2 * 2
    assert [run.label for run in runs[:6]] == [
        "naive (order=1)", "ewc (ewc_strength=1, order=1)", "ewc (ewc_strength=2, order=1)",
        "naive (order=2)", "ewc (ewc_strength=1, order=2)", "ewc (ewc_strength=2, order=2)",
    ]  # fmt: skip
    assert len({(run.label, run.seed) for run in runs}) == len(runs)
    assert [run.seed for run in runs] == [0] * 6 + [1] * 6, "seed by seed"
    assert {run.order for run in runs} == {("a", "b", "c"), ("c", "b", "a")}
    assert [task.name for task in made.in_order(runs[3].order).tasks] == ["c", "b", "a"]


@pytest.mark.parametrize("orders", [[["a", "b", "c"], ["b", "a", "c"]], [["c", "b", "a"]], 3, "all", "reversed"])
def test_what_is_written_comes_back(orders: Any) -> None:
    made = described(orders)
    assert to_data(made)["orders"] == orders
    assert experiment_from(to_data(made)) == made


def test_reversed_are_the_order_as_written_and_its_reverse() -> None:
    assert described("reversed").task_orders == (("a", "b", "c"), ("c", "b", "a"))
    assert described("reversed", tuple("abcdefg")).task_orders == (tuple("abcdefg"), tuple("gfedcba"))


def test_all_are_all_permutations_with_the_order_as_written_first() -> None:
    assert described("all").task_orders == tuple(itertools.permutations(NAMES))


@pytest.mark.parametrize("number", [2, 3, 6])
def test_drawn_orders_differ_and_begin_with_the_one_as_written(number: int) -> None:
    found = written_out(number, NAMES)
    assert found[0] == NAMES
    assert len(set(found)) == number
    assert all(sorted(order) == sorted(NAMES) for order in found)


def test_drawn_orders_are_the_same_on_every_machine_and_for_tasks_of_any_names() -> None:
    names = tuple("abcde")
    assert written_out(3, names) == (names, ("b", "a", "c", "e", "d"), ("c", "a", "b", "d", "e"))
    assert written_out(5, names)[:3] == written_out(3, names), "more orders keep those that are there"
    other = written_out(3, tuple("vwxyz"))
    assert [[names["vwxyz".index(name)] for name in order] for order in other] == [
        list(o) for o in written_out(3, names)
    ]


def test_every_order_is_drawn_about_as_often_as_any_other() -> None:
    # The place of the first task of five among 119 drawn orders and the one as written: every place 24 times, when all
    # 120 orders are drawn; of the first 60 draws each place is expected 12 times.
    firsts = [order.index("a") for order in written_out(60, tuple("abcde"))]
    assert all(4 <= firsts.count(place) <= 22 for place in range(5))


def test_further_tasks_come_last_in_every_order() -> None:
    assert with_tasks([("a", "b"), ("b", "a")], ["c"]) == (("a", "b", "c"), ("b", "a", "c"))


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ([["a", "b"]], "orders: a → b is no order of the tasks; each order names every task once: a, b, c"),
        ([["a", "b", "x"]], "a → b → x is no order of the tasks"),
        ([["a", "b", "b"]], "a → b → b is no order of the tasks"),
        ([["a", "b", "c"], ["a", "b", "c"]], "orders: a → b → c stands twice"),
        (["a", "b", "c"], "orders: give a list of orders"),
        ([], "orders: give a list of orders"),
        ("some", "orders: give a list of orders"),
        (True, "orders: give a list of orders"),
        (1, "orders: 1 orders can't be drawn; give a number from 2 to 6"),
        (7, "orders: 7 orders can't be drawn; give a number from 2 to 6"),
    ],
)
def test_what_is_no_order_is_refused_with_what_to_write(orders: Any, words: str) -> None:
    with pytest.raises(ConfigError, match="orders") as refused:
        described(orders)
    assert words in str(refused.value)


def test_all_orders_of_many_tasks_are_refused_and_one_task_has_one_order() -> None:
    with pytest.raises(ConfigError, match="all orders of 5 tasks are more than 24; write how many shall be drawn"):
        described("all", tuple("abcde"))
    assert len(described("all", tuple("abcd")).task_orders) == 24
    with pytest.raises(ConfigError, match="one task has one order"):
        described(2, ("a",))
    with pytest.raises(ConfigError, match="one task has one order"):
        described("reversed", ("a",))


def test_orders_count_among_the_most_runs() -> None:
    names, seeds = tuple("abcdef"), list(range(10))
    assert len(described(300, names, seeds=seeds).runs()) == 9_000
    with pytest.raises(ConfigError, match=f"this makes 10,200 runs of 3 strategies and settings; at most {MAX_RUNS:,}"):
        described(340, names, seeds=seeds)
