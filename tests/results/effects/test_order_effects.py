"""The order's effect is told apart from the strategies' by two-way sums of squares."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from engine.results.effects.order_effects import Parts, order_effects, sums_of_squares
from tests.results.frames import JOINT, NAIVE, REPLAY, shifted
from tests.results.test_orders_compared import BACK, FORTH, a_run_in, framed, two_orders


def test_the_sums_of_squares_of_a_table_by_hand() -> None:
    # Strategies 1, 3 | 2, 8 in two orders. Means: rows 2 and 5, columns 1.5 and 5.5, all 3.5.
    # Strategy: 2 (1.5² + 1.5²) = 9. Order: 2 (2² + 2²) = 16. Both: four times (1 − 2 − 1.5 + 3.5)² = 4 · 1 = 4.
    found = sums_of_squares(np.array([[[1.0], [3.0]], [[2.0], [8.0]]]))
    assert found == Parts(strategy=pytest.approx(9.0), order=pytest.approx(16.0), both=pytest.approx(4.0), seeds=0.0)
    assert found.shares == pytest.approx({"strategy": 9 / 29, "order": 16 / 29, "both": 4 / 29, "seeds": 0.0})


def test_seeds_around_the_same_means_count_every_run_and_add_their_own_part() -> None:
    # The same table, two seeds 0.5 above and below each mean: three parts twice as large, seeds 8 · 0.25.
    means = np.array([[1.0, 3.0], [2.0, 8.0]])
    found = sums_of_squares(np.stack([means - 0.5, means + 0.5], axis=2))
    assert (found.strategy, found.order, found.both, found.seeds) == pytest.approx((18.0, 32.0, 8.0, 2.0))


def drawn(number: int) -> NDArray[np.float64]:
    return np.random.default_rng(number).normal(3.0, 1.0, (4, 5, 3))


@pytest.mark.parametrize("number", range(5))
def test_the_parts_add_up_and_the_names_of_orders_do_not_matter(number: int) -> None:
    values, random = drawn(number), np.random.default_rng(number + 100)
    found = sums_of_squares(values)
    whole = ((values - values.mean()) ** 2).sum()
    assert found.strategy + found.order + found.both + found.seeds == pytest.approx(whole)
    for turned in (values[:, random.permutation(5)], values[random.permutation(4)], values[:, :, [2, 0, 1]]):
        assert vars(sums_of_squares(turned)) == pytest.approx(vars(found))
    turned_round = sums_of_squares(values.swapaxes(0, 1))
    assert (turned_round.strategy, turned_round.order) == pytest.approx((found.order, found.strategy))


@pytest.mark.parametrize("number", range(5))
def test_without_an_effect_of_the_order_its_part_is_nothing(number: int) -> None:
    values = np.repeat(drawn(number)[:, :1], 5, axis=1)
    found = sums_of_squares(values)
    assert (found.order, found.both) == (0.0, 0.0)
    assert found.strategy > 0
    shifts = np.linspace(0, 1, 5)[None, :, None]
    assert sums_of_squares(values + shifts).order == pytest.approx(4 * 3 * ((shifts - 0.5) ** 2).sum())
    assert sums_of_squares(values + shifts).both == pytest.approx(0.0, abs=1e-12)


def test_runs_that_all_score_the_same_have_no_shares() -> None:
    assert sums_of_squares(np.full((2, 3, 2), 0.1)).shares is None


def test_the_effects_of_runs_are_over_the_seeds_that_all_have_finished() -> None:
    rows = two_orders(0.5, apart=0.0)
    found = order_effects(rows, "average")
    assert found is not None
    assert (found.strategies, found.orders, found.seeds) == (("naive", "replay"), (FORTH, BACK), (0, 1))
    # naive's average is 2.5, replay's 2.15; seed 1 adds 0.2 and the second order 0.5
    assert found.means == pytest.approx(np.array([[2.6, 3.1], [2.25, 2.75]]))
    assert found.of_strategies == [pytest.approx((2.85, 0.5 / 2**0.5)), pytest.approx((2.5, 0.5 / 2**0.5))]
    assert found.of_orders == [pytest.approx((2.425, 0.35 / 2**0.5)), pytest.approx((2.925, 0.35 / 2**0.5))]
    assert found.parts.strategy == pytest.approx(8 * 0.175**2)
    assert found.parts.order == pytest.approx(8 * 0.25**2)
    assert found.parts.both == pytest.approx(0.0, abs=1e-12)
    assert found.parts.seeds == pytest.approx(8 * 0.1**2)
    lacks = order_effects(rows[rows["run_id"] != "n11"], "average")
    assert lacks is not None
    assert lacks.seeds == (0,)
    assert order_effects(rows[~rows["run_id"].isin(["n10", "n11"])], "average") is None, "one order has no naive"


def test_the_reference_is_no_rival_and_one_order_has_no_effect() -> None:
    runs = [(a_run_in(order, f"n{n}", "naive"), shifted(NAIVE, n)) for n, order in enumerate((FORTH, BACK))]
    runs += [(a_run_in(order, f"j{n}", "joint"), JOINT) for n, order in enumerate((FORTH, BACK))]
    found = order_effects(framed(*runs), "average")
    assert found is not None
    assert found.strategies == ("naive",)
    assert [spread for _, spread in found.of_orders] == [None, None]
    assert order_effects(framed(*runs[::2]), "average") is None


def test_without_orders_there_is_no_effect() -> None:
    rows = framed((a_run_in(FORTH, "n", "naive"), NAIVE), (a_run_in(FORTH, "r", "replay"), REPLAY))
    plain: pd.DataFrame = rows.assign(draw=0)
    assert order_effects(plain, "average") is None
