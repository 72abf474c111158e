from types import SimpleNamespace
from typing import Any

import pandas as pd

from engine.experiments.demo import demo_experiment
from engine.strategies import offered, registry
from ui.compare.drawn import best_few, styles_of


def comparison(score: str, kept: dict[str, float | None]) -> Any:
    table = pd.DataFrame(
        [
            {"configuration": name, "strategy": name.split(" ")[0], "earlier_tasks": value, "average": None}
            for name, value in kept.items()
        ]
    )
    return SimpleNamespace(score=score, table=table)


KEPT = {"naive": 9.0, "a": 3.0, "joint": 1.0, "b": None, "c": 2.0, "naive (learning_rate=1)": 8.0}


def test_the_best_are_those_that_kept_most_beside_naive_and_joint_in_the_order_of_the_table() -> None:
    assert best_few(comparison("bits_per_byte", KEPT), 3) == ["naive", "joint", "c"]
    assert best_few(comparison("bits_per_byte", KEPT), 4) == ["naive", "a", "joint", "c"]
    assert best_few(comparison("accuracy", KEPT), 4) == ["naive", "a", "joint", "naive (learning_rate=1)"]


def test_all_are_drawn_where_there_are_few() -> None:
    assert best_few(comparison("bits_per_byte", KEPT), 6) == list(KEPT)


def test_no_two_strategies_look_alike_and_those_of_the_demo_and_the_first_single_ones_differ_in_colour() -> None:
    table = pd.DataFrame({"configuration": offered()})
    styles = styles_of(SimpleNamespace(table=table), offered())  # type: ignore[arg-type]
    assert len(set(styles.values())) == len(offered())
    first = dict.fromkeys([*(spec.name for spec in demo_experiment().strategies), *registry()])
    assert len({styles[name].color for name in list(first)[:8]}) == 8
