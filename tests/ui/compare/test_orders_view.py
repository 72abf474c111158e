"""The order of the tasks beside the strategy: the table, its sentence, and nothing where the order does not vary."""

from dataclasses import dataclass
from typing import Any, cast

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine.common.numerals import THIN
from engine.results.effects.order_effects import order_effects
from tests.results.frames import NAIVE, a_run, compared
from tests.results.test_orders_compared import two_orders
from ui.compare import orders_view
from ui.compare.compared_runs import Comparison
from ui.compare.orders_view import order_sections, orders_table, sentence


@dataclass(frozen=True)
class Some:
    """What the view reads of a comparison."""

    runs: pd.DataFrame
    score: str = "bits_per_byte"

    @property
    def judged(self) -> tuple[str, ...]:
        return tuple(self.runs["run_id"])


def comparison(rows: pd.DataFrame) -> Comparison:
    return cast(Comparison, Some(rows))


def test_the_table_has_strategies_and_orders_with_what_each_does_to_the_other() -> None:
    effects = order_effects(two_orders(0.5, apart=0.0), "average")
    assert effects is not None
    view = orders_table(effects, [1, 2], "average", "bits_per_byte")
    # naive's average is 2.5 and replay's 2.15; seeds add 0.1 on the mean, the second order 0.5
    assert view.to_dict("records") == [
        {"Strategy": "Naive", "Order 1": "2.600", "Order 2": "3.100", "All orders": "2.850", "Between orders": "0.354"},
        {"Strategy": "Replay", "Order 1": "2.250", "Order 2": "2.750", "All orders": "2.500",
         "Between orders": "0.354"},
        {"Strategy": "Between strategies", "Order 1": "0.247", "Order 2": "0.247", "All orders": "",
         "Between orders": ""},
    ]  # fmt: skip


def test_the_sentence_says_the_shares() -> None:
    effects = order_effects(two_orders(0.5, apart=0.0), "average")
    assert effects is not None
    # 8 runs: 0.175² of the strategy, 0.25² of the order, 0.1² of the seed, of 0.103125 in all
    said = sentence(effects, "Average").replace(THIN, " ")
    assert said == (
        "Average: of the variance between these runs the strategy explains 30 %, the order 61 %, the two together 0 % "
        "(a strategy that does better in one order than in another), and the seed 10 %."
    )


def test_a_report_has_a_section_for_each_measure_and_none_without_orders() -> None:
    found = order_sections(comparison(two_orders(0.5)))
    assert [section.title for section in found] == [
        "Order of the tasks: Average, at the end", "Order of the tasks: Backward transfer",
    ]  # fmt: skip
    assert "Order 1: task 1 → task 2. Order 2: task 2 → task 1. Means over seeds 0, 1" in found[0].text
    assert order_sections(comparison(compared((a_run("n", "naive"), NAIVE)))) == []


def shown(rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(orders_view, "_SHOWN", comparison(rows), raising=False)

    def page() -> None:
        from ui.compare import orders_view

        orders_view.show_orders(orders_view._SHOWN)  # type: ignore[attr-defined]

    return AppTest.from_function(page, default_timeout=60).run()


def test_the_page_draws_the_chosen_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    at = shown(two_orders(0.5), monkeypatch)
    assert not at.exception
    assert [each.value for each in at.subheader] == ["Order of the tasks"]
    assert at.dataframe[0].value["Order 1"].tolist()[1] == "2.250"
    at.session_state["compare_orders_measure"] = "backward_transfer"
    at.run()
    assert at.dataframe[0].value["Order 1"].tolist()[1] == "−0.100"


def test_the_page_draws_nothing_where_the_order_does_not_vary(monkeypatch: pytest.MonkeyPatch) -> None:
    at = shown(compared((a_run("n", "naive"), NAIVE)), monkeypatch)
    assert not at.exception
    assert len(at.main) == 0


def test_the_page_says_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = two_orders(0.5)
    at = shown(rows[~rows["run_id"].isin(["n10", "n11"])], monkeypatch)
    assert [each.value for each in at.caption] == [
        "This appears once every strategy has finished two orders with a seed in common."
    ]
