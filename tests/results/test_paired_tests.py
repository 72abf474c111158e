import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.results.paired_tests import SIGNIFICANCE, detectable, differences_to, holm, paired_p

ROOT_3 = math.sqrt(3)


def by_seed(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def p_of_two_degrees(t: float) -> float:
    """Student's distribution has a closed form for two degrees of freedom: P(|T| ≥ t) = 1 − t / √(t² + 2)."""
    return 1 - t / math.sqrt(t**2 + 2)


def test_the_paired_test_of_three_seeds_by_hand() -> None:
    # differences 1, 2, 3: mean 2, deviation 1, t = 2√3, p = 1 − 2√3 / √14 = 0.0742
    scores = {"a": by_seed(11.0, 22.0, 33.0), "b": by_seed(10.0, 20.0, 30.0)}
    (found,) = differences_to("a", scores)
    assert found.by_seed == {0: 1.0, 1: 2.0, 2: 3.0}
    assert found.mean == pytest.approx(2.0)
    assert found.p == pytest.approx(1 - 2 * ROOT_3 / math.sqrt(14))
    assert found.p == pytest.approx(0.0742, abs=5e-5)
    assert found.corrected_p == found.p
    # t₀.₉₇₅(2) solves 0.05 = 1 − t / √(t² + 2): t = 0.95 √(2 / 0.0975) = 4.3027
    assert found.half_width == pytest.approx(0.95 * math.sqrt(2 / 0.0975) / ROOT_3)
    assert found.seeds_better == 3
    assert not found.is_established


def test_what_the_seeds_do_to_both_cancels_where_two_intervals_would_overlap() -> None:
    scores = {"a": by_seed(1.10, 5.11, 9.09), "b": by_seed(1.0, 5.0, 9.0)}
    (found,) = differences_to("a", scores)
    # differences 0.10, 0.11, 0.09: t = 0.1 / (0.01 / √3) = 10√3
    assert found.corrected_p == pytest.approx(p_of_two_degrees(10 * ROOT_3), rel=1e-6)
    assert found.is_established


def test_two_seeds_give_the_wide_interval_of_one_degree_of_freedom() -> None:
    # differences 1 and 2: t = 1.5 / (√½ / √2) = 3; for one degree p = 1 − 2/π · arctan t
    (found,) = differences_to("a", {"a": by_seed(1.0, 2.0), "b": by_seed(0.0, 0.0)})
    assert found.p == pytest.approx(1 - 2 / math.pi * math.atan(3))
    assert found.half_width == pytest.approx(math.tan(0.475 * math.pi) / 2)
    assert not found.is_established


def test_one_seed_is_not_tested_and_has_no_interval() -> None:
    (found,) = differences_to("a", {"a": by_seed(2.0), "b": by_seed(1.5)})
    assert (found.mean, found.half_width, found.p, found.corrected_p) == (0.5, None, None, None)
    assert not found.is_established


def test_a_difference_that_is_the_same_in_every_seed_is_not_tested_but_for_rounding() -> None:
    equal, shifted = by_seed(0.1, 1.3, 2.7), by_seed(0.1 + 0.7, 1.3 + 0.7, 2.7 + 0.7)
    assert len({shifted[seed] - equal[seed] for seed in equal}) > 1  # by rounding alone
    nothing, something = differences_to("a", {"a": equal, "b": dict(equal), "c": shifted})
    assert (nothing.p, something.p) == (None, None)
    assert nothing.is_nothing
    assert not something.is_nothing
    assert not something.is_established
    assert something.mean == pytest.approx(-0.7)


def test_an_infinite_score_is_not_tested() -> None:
    (found,) = differences_to("a", {"a": by_seed(1.0, 2.0), "b": by_seed(-math.inf, 1.0)})
    assert (found.mean, found.p, found.half_width) == (math.inf, None, None)


def test_holm_steps_down_as_in_his_table() -> None:
    # m = 4, sorted: 4 · 0.005 = 0.02; 3 · 0.01 = 0.03; 2 · 0.03 = 0.06; 1 · 0.04 is below the one before: 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_what_can_not_be_tested_counts_as_a_comparison_without_a_difference() -> None:
    assert holm([0.01, None, 0.02]) == pytest.approx([0.03, None, 0.04])


def test_every_pair_is_corrected_for_because_the_best_was_chosen_among_all() -> None:
    # a − b is 0.10, 0.11, 0.09; a − c and b − c have t far beyond: their p times 3 and 2 come first
    scores = {"b": by_seed(1.0, 5.0, 9.0), "a": by_seed(1.10, 5.11, 9.09), "c": by_seed(0.0, 4.001, 8.0)}
    found = {each.rival: each for each in differences_to("a", scores)}
    assert {each.comparisons for each in found.values()} == {3}
    plain = {
        (one, other): stats.ttest_rel(list(scores[one].values()), list(scores[other].values())).pvalue
        for one, other in itertools.combinations(scores, 2)
    }
    assert plain["b", "c"] < plain["a", "c"] < plain["b", "a"]
    assert found["c"].corrected_p == pytest.approx(2 * plain["a", "c"])
    assert found["b"].corrected_p == pytest.approx(plain["b", "a"])


def test_a_test_of_many_seeds_is_that_of_the_library() -> None:
    chance = random.Random(3)
    one = by_seed(*(chance.gauss(2, 1) for _ in range(12)))
    other = by_seed(*(value - chance.gauss(0.3, 0.4) for value in one.values()))
    expected = stats.ttest_rel(list(one.values()), list(other.values()))
    (found,) = differences_to("one", {"one": one, "other": other})
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert found.half_width == pytest.approx((interval.high - interval.low) / 2, rel=1e-9)


SCORES = st.integers(2, 5).flatmap(
    lambda seeds: st.lists(
        st.lists(st.integers(-1000, 1000), min_size=seeds, max_size=seeds), min_size=2, max_size=5
    ).map(lambda rows: {f"s{number}": by_seed(*(v / 64 for v in row)) for number, row in enumerate(rows)})
)


@given(SCORES, st.randoms(use_true_random=False))
def test_the_order_of_rivals_changes_nothing(scores: dict[str, dict[int, float]], chance: random.Random) -> None:
    names = list(scores)
    chance.shuffle(names)
    before = {each.rival: each for each in differences_to("s0", scores)}
    after = {each.rival: each for each in differences_to("s0", {name: scores[name] for name in names})}
    assert before.keys() == after.keys()
    for rival, found in before.items():
        assert after[rival].by_seed == found.by_seed
        assert after[rival].half_width == found.half_width
        assert after[rival].corrected_p == found.corrected_p


@given(SCORES, st.lists(st.integers(-1000, 1000), min_size=5, max_size=5))
def test_what_a_seed_adds_to_all_changes_nothing(scores: dict[str, dict[int, float]], added: list[int]) -> None:
    shifted = {
        name: {seed: value + added[seed] / 64 for seed, value in row.items()} for name, row in scores.items()
    }  # multiples of 1/64: their sums are exact
    assert differences_to("s0", shifted) == differences_to("s0", scores)


@given(SCORES)
def test_a_corrected_p_is_no_smaller_than_its_own_and_one_at_most(scores: dict[str, dict[int, float]]) -> None:
    for found in differences_to("s0", scores):
        if found.p is not None:
            assert found.corrected_p is not None
            assert 0 < found.p <= found.corrected_p <= 1


def test_without_any_difference_the_best_is_seldom_said_to_be_better_than_another() -> None:
    chance, wrong, rounds = random.Random(4), 0, 500
    for _ in range(rounds):
        scores = {f"s{k}": by_seed(*(chance.gauss(0, 1) for _ in range(10))) for k in range(8)}
        best = max(scores, key=lambda name: sum(scores[name].values()))
        wrong += any(each.is_established for each in differences_to(best, scores))
    assert wrong / rounds < SIGNIFICANCE + 0.02  # over the seven pairs with the best alone it would be 0.12


def test_a_difference_of_the_detectable_size_is_established_in_four_of_five_experiments() -> None:
    for seeds, strategies in ((3, 4), (5, 2), (10, 3)):
        size = detectable(seeds, strategies)
        assert size is not None
        level = SIGNIFICANCE / (strategies * (strategies - 1) / 2)
        critical = stats.t.isf(level / 2, seeds - 1)
        assert stats.nct.sf(critical, seeds - 1, size * math.sqrt(seeds)) == pytest.approx(0.8, abs=1e-5)
    size = detectable(5, 2)
    assert size is not None
    differences = np.random.default_rng(6).normal(size, 1, (5000, 5))
    p_values = paired_p(differences, np.zeros_like(differences))
    assert (p_values < SIGNIFICANCE).mean() == pytest.approx(0.8, abs=0.02)


def test_one_seed_or_one_strategy_can_establish_nothing_and_more_seeds_establish_more() -> None:
    assert detectable(1, 4) is None
    assert detectable(5, 1) is None
    sizes = [detectable(seeds, 4) for seeds in (2, 3, 5, 10, 30)]
    assert sizes == sorted(sizes, reverse=True)  # type: ignore[type-var]
    assert detectable(3, 6) > detectable(3, 3)  # type: ignore[operator]
