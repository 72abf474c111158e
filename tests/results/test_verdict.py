"""The verdict says first whether a difference stands, and rests on the paired test of the same seeds."""

import math
from typing import Any

import pandas as pd
import pytest

from engine.results.comparison import configuration_frame, run_frame, trains_on_all, with_configurations
from engine.results.verdict import common_seeds, verdict
from engine.strategies import registry
from tests.results.frames import CURVE, NAIVE, REPLAY, a_matrix, a_run, compared, shifted, three_seeds


def verdict_on(*runs: tuple[dict[str, Any], list[list[float]]]) -> str:
    return " ".join(verdict(compared(*runs), "bits_per_byte").sentences)


def test_what_got_better_is_not_said_to_have_forgotten_a_negative_amount() -> None:
    better = [[4.0, 4.0], [2.0, 3.5], [1.893, 2.2]]
    text = verdict_on((a_run("n", "naive"), NAIVE), (a_run("r", "replay"), better))
    assert "On the earlier tasks replay got 0.107 bits per byte better than at its best before" in text
    assert "naive forgot 1.000 bits per byte" in text
    text = verdict_on((a_run("n", "naive"), shifted(better, 0.1)), (a_run("r", "replay"), better))
    assert "; naive got 0.107 bits per byte better." in text


def test_operations_stand_beside_tokens_where_they_are_known() -> None:
    dear = a_run("r", "replay", target_tokens=1500, operations=5e12)
    text = verdict_on((a_run("n", "naive", operations=2e12), NAIVE), (dear, REPLAY))
    assert "took 1.5 times its tokens and 2.5 times its operations (1,500 tokens and about 5 tera" in text


def test_the_verdict_names_what_kept_most_and_its_price() -> None:
    found = verdict(three_seeds(0.05, apart=0.01), "bits_per_byte")
    text = " ".join(found.sentences)
    assert found.winner == "replay"
    assert found.clear
    assert "On the earlier tasks the final model of replay scores 2.100 bits per byte (95% interval 1.976 to" in text
    assert "that of naive 3.000." in text
    assert "it learned each new task 0.100 bits per byte worse (an established difference, p = 0.00332)" in text
    assert "2.0 times its tokens (2,000 tokens a run)" in text
    assert "20 s; other work on the machine is in that" in text


def test_a_difference_that_stands_is_said_first_however_much_the_intervals_of_the_means_overlap() -> None:
    found = verdict(three_seeds(1.0, apart=0.01), "bits_per_byte")
    # differences 0.91, 0.89, 0.90: half the interval is 4.3027 · 0.01 / √3 = 0.0248, p = 1 − t / √(t² + 2) = 0.00004
    assert found.sentences[0] == (
        "replay kept most: more than naive, the next best, in every one of 3 seeds, by 0.900 ± 0.025 bits per byte "
        "(95% interval of the paired difference; p < 0.001)."
    )
    assert found.clear
    assert "(95% interval -" not in found.sentences[1]
    # replay 1.1, 2.1, 3.1 and naive 2.0, 3.0, 4.0: the intervals of the two means reach far into each other
    table = configuration_frame(three_seeds(1.0, apart=0.01)).set_index("configuration")
    assert table.loc["replay", "earlier_tasks_high"] > table.loc["naive", "earlier_tasks_low"]


def test_a_difference_that_chance_may_have_made_is_said_first_too() -> None:
    found = verdict(three_seeds(0.05, apart=1.0), "bits_per_byte")
    # differences 1.9, −0.1, 0.9: mean 0.9, deviation 1, t = 0.9 √3, p = 1 − t / √(t² + 2) = 0.259
    assert found.sentences[0] == (
        "It is not established which strategy kept most: replay kept more than naive, the next best, in 2 of 3 seeds, "
        "by 0.900 ± 2.484 bits per byte (95% interval of the paired difference; p = 0.259)."
    )
    assert found.winner == "replay"
    assert not found.clear
    assert "a difference that is not established" in " ".join(found.sentences)


def three_rivals(noise: float) -> pd.DataFrame:
    """replay and ewc close together, naive far behind; `noise` is how far ewc goes its own way from seed to seed."""
    runs = []
    for seed, way in enumerate((1, -1, 0)):
        runs.append((a_run(f"r{seed}", "replay", seed), shifted(REPLAY, 0.1 * seed)))
        runs.append((a_run(f"e{seed}", "ewc", seed), shifted(REPLAY, 0.1 * seed + 0.3 + noise * way)))
        runs.append((a_run(f"n{seed}", "naive", seed), shifted(NAIVE, 0.1 * seed + 0.01 * way)))
    return compared(*runs)


def test_the_chance_is_corrected_for_every_pair_and_the_others_are_named() -> None:
    found = verdict(three_rivals(0.03), "bits_per_byte")
    # against ewc t = 0.3 √3 / 0.03 = 17.3 and p = 0.0033, the largest of the three, so that it stays as it is
    assert found.sentences[:2] == (
        "replay kept most: more than ewc, the next best, in every one of 3 seeds, by 0.300 ± 0.075 bits per byte "
        "(95% interval of the paired difference; p = 0.00332 after Holm's correction over the 3 pairs compared).",
        "That replay kept more than naive is established too.",
    )
    assert found.clear
    assert [each.rival for each in found.differences] == ["ewc", "naive"]
    partly = verdict(three_rivals(0.3), "bits_per_byte")
    assert partly.sentences[0].startswith("It is not established which strategy kept most: replay kept more than ewc")
    assert partly.sentences[1] == "That replay kept more than naive is established."
    assert not partly.clear


def test_one_seed_is_never_a_clear_verdict() -> None:
    found = verdict(compared((a_run("n", "naive"), NAIVE), (a_run("r", "replay"), REPLAY)), "bits_per_byte")
    assert found.winner == "replay"
    assert not found.clear
    assert found.sentences[:2] == (
        "It is not established which strategy kept most: replay kept 0.900 bits per byte more than naive, the next "
        "best, but in one seed (0) alone, which can't show what is chance.",
        "Run more seeds before you rely on it.",
    )


def test_what_every_seed_says_alike_is_said_and_not_tested() -> None:
    found = verdict(three_seeds(0.05), "bits_per_byte")
    assert not found.clear
    assert "0.900 bits per byte more than naive, the next best, in every seed alike" in found.sentences[0]
    assert "established difference" not in " ".join(found.sentences)
    runs = [(a_run(f"{name}{seed}", name, seed), REPLAY) for name in ("replay", "ewc") for seed in range(2)]
    same = verdict(compared(*runs), "bits_per_byte")
    assert same.sentences[0].endswith("replay and ewc score the same in every one of 2 seeds.")
    alone = verdict(compared(*runs[::2]), "bits_per_byte")
    assert alone.sentences[0].endswith("replay and ewc score the same in the one seed (0).")


def test_a_score_without_a_finite_value_is_not_tested() -> None:
    gone = [[4.0, 4.0], [2.0, 3.5], [math.inf, 2.0]]
    runs = [(a_run(f"r{seed}", "replay", seed), shifted(REPLAY, 0.1 * seed)) for seed in range(2)]
    runs += [(a_run(f"n{seed}", "naive", seed), gone) for seed in range(2)]
    assert "the score of naive, the next best, has no finite value" in verdict_on(*runs)


def test_configurations_without_a_seed_in_common_have_nothing_to_compare() -> None:
    found = verdict(compared((a_run("n", "naive", 0), NAIVE), (a_run("r", "replay", 1), REPLAY)), "bits_per_byte")
    assert found.winner is None
    assert found.sentences == (
        "No seed is finished in every one of these configurations, so there is nothing to compare.",
    )


def test_with_a_single_task_the_average_is_tested() -> None:
    runs = [
        (a_run(f"{name}{seed}", name, seed, stages=1), [[4.0], [level + 0.01 * seed * (name == "ewc")]])
        for name, level in (("naive", 2.0), ("ewc", 2.5)) for seed in range(2)
    ]  # fmt: skip
    found = verdict(compared(*runs), "bits_per_byte")
    assert (found.winner, found.measure) == ("naive", "average")
    assert found.differences[0].by_seed == pytest.approx({0: 0.5, 1: 0.51})


def test_what_trains_on_all_tasks_is_no_rival() -> None:
    assert [name for name in registry() if trains_on_all(name)] == ["joint", "cumulative"]
    assert not trains_on_all("replay+ewc")
    assert not trains_on_all("of another version")


def test_joint_is_the_reference_and_never_the_winner() -> None:
    found = verdict(three_seeds(0.05), "bits_per_byte")
    assert found.winner != "joint"
    assert any(sentence.startswith("For reference, joint") for sentence in found.sentences)


def test_a_model_that_never_learned_does_not_win_by_having_nothing_to_forget() -> None:
    frozen = [[4.0, 4.0], [4.0, 4.0], [4.0, 4.0]]
    rows = compared((a_run("f", "ewc"), frozen), (a_run("r", "replay"), REPLAY))
    assert verdict(rows, "bits_per_byte").winner == "replay"


def test_higher_accuracy_wins_where_the_score_is_accuracy() -> None:
    runs = [(a_run("n", "naive"), NAIVE), (a_run("r", "replay"), REPLAY)]
    frame = with_configurations(pd.DataFrame([run for run, _ in runs]))
    matrix = pd.DataFrame([cell for run, rows in runs for cell in a_matrix(run["run_id"], rows)])
    found = verdict(run_frame(frame, matrix, CURVE, "accuracy"), "accuracy")
    assert found.winner == "replay"
    assert "14.3 points more than naive" in found.sentences[0]
    assert "47.6\u202f% in accuracy" in " ".join(found.sentences)


def test_only_seeds_that_every_configuration_completed_are_judged() -> None:
    lucky = (a_run("r1", "replay", 1), [[4.0, 4.0], [0.1, 0.1], [0.1, 0.1]])
    rows = compared((a_run("n0", "naive"), REPLAY), (a_run("r0", "replay"), NAIVE), lucky)
    assert common_seeds(rows) == {0}
    assert verdict(rows, "bits_per_byte").winner == "naive"


def test_unfinished_runs_are_named_as_what_may_change_the_verdict() -> None:
    waiting = (a_run("e", "ewc", status="running"), NAIVE[:2])
    found = verdict(compared((a_run("n", "naive"), NAIVE), waiting), "bits_per_byte")
    assert "1 of 2 runs is still to come (ewc)" in found.sentences[-1]


def test_a_failed_run_is_nothing_to_wait_for() -> None:
    failed = (a_run("e", "ewc", status="failed"), NAIVE[:2])
    found = verdict(compared((a_run("n", "naive"), NAIVE), (a_run("r", "replay"), REPLAY), failed), "bits_per_byte")
    assert "still to come" not in " ".join(found.sentences)


def test_without_a_finished_run_there_is_no_winner() -> None:
    found = verdict(compared((a_run("n", "naive", status="running"), NAIVE[:1])), "bits_per_byte")
    assert found.winner is None
    assert found.sentences
