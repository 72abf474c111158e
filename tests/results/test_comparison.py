import math
from typing import Any

import pandas as pd
import pytest

from engine.experiments.experiment import Experiment, experiment_from
from engine.results.comparison import (
    best_checkpoint,
    configuration_differences,
    configuration_frame,
    matrices,
    pareto_front,
    with_configurations,
)
from tests.results.frames import JOINT, NAIVE, REPLAY, a_matrix, a_run, compared, shifted, three_seeds


def test_levels_are_in_the_scores_own_unit_and_losses_above_zero_where_something_was_lost() -> None:
    row = compared((a_run("n", "naive"), NAIVE)).iloc[0]
    assert row["average"] == pytest.approx(2.5)
    assert row["earlier_tasks"] == pytest.approx(3.0)
    assert row["learning_accuracy"] == pytest.approx(2.0)
    assert row["forgetting"] == pytest.approx(1.0)
    assert row["backward_transfer"] == pytest.approx(-1.0)
    assert row["forward_transfer"] == pytest.approx(0.5)


def test_intransigence_is_what_joint_with_the_same_seed_learned_better() -> None:
    rows = compared((a_run("r", "replay"), REPLAY), (a_run("j", "joint"), JOINT)).set_index("run_id")
    assert rows.loc["r", "intransigence"] == pytest.approx(((2.0 - 2.0) + (2.2 - 1.9)) / 2)
    assert math.isnan(rows.loc["j", "intransigence"])
    assert "joint" in rows.loc["j", "intransigence_reason"]


def test_intransigence_is_taken_from_the_joint_run_of_the_same_seed() -> None:
    runs = [(a_run(f"r{seed}", "replay", seed), REPLAY) for seed in (0, 1)]
    runs += [(a_run(f"j{seed}", "joint", seed), shifted(JOINT, -0.1 * seed)) for seed in (0, 1)]
    rows = compared(*runs).set_index("run_id")
    assert rows.loc["r0", "intransigence"] == pytest.approx(((2.0 - 2.0) + (2.2 - 1.9)) / 2)
    assert rows.loc["r1", "intransigence"] == pytest.approx(((2.0 - 1.9) + (2.2 - 1.8)) / 2)


def test_a_fall_is_taken_from_the_end_of_the_task_s_own_stage() -> None:
    points = [(1, 4, 4.0), (1, 5, 2.0), (2, 6, 2.6), (2, 7, 2.5)]
    curve = pd.DataFrame(
        [{"run_id": "n", "stage": s, "step": x, "task": "task 1", "bits_per_byte": v} for s, x, v in points]
    )
    assert compared((a_run("n", "naive"), NAIVE), curve=curve)["stability_gap"].iloc[0] == pytest.approx(0.6)


def test_a_matrix_ends_before_a_stage_that_is_missing() -> None:
    cells = pd.DataFrame([cell for cell in a_matrix("n", NAIVE) if cell["stage"] != 1])
    assert matrices(cells, "bits_per_byte") == {"n": [[4.0, 4.0]]}


def test_of_several_joint_runs_the_one_trained_alike_is_the_measure_and_else_the_first() -> None:
    slow, other = {"parameters": {"learning_rate": 1e-4}}, {"parameters": {"learning_rate": 1e-3}}
    better = [[value - 0.5 for value in row] for row in JOINT]
    rows = compared(
        (a_run("r", "replay"), REPLAY), (a_run("s", "replay", **slow), REPLAY), (a_run("o", "replay", **other), REPLAY),
        (a_run("j", "joint"), JOINT), (a_run("k", "joint", **slow), better),
    ).set_index("run_id")  # fmt: skip
    assert rows.loc["o", "intransigence"] == rows.loc["r", "intransigence"]
    assert rows.loc["s", "intransigence"] == pytest.approx(rows.loc["r", "intransigence"] + 0.5)


def test_the_stability_gap_is_the_deepest_fall_inside_later_stages() -> None:
    points = [(1, 5, 2.0), (2, 6, 3.5), (2, 7, 2.5)]
    curve = pd.DataFrame(
        [{"run_id": "n", "stage": s, "step": x, "task": "task 1", "bits_per_byte": v} for s, x, v in points]
    )
    assert compared((a_run("n", "naive"), NAIVE), curve=curve)["stability_gap"].iloc[0] == pytest.approx(1.5)


def test_a_run_that_is_not_scored_to_the_end_has_a_reason_instead_of_measures() -> None:
    row = compared((a_run("n", "naive", status="running"), NAIVE[:2])).iloc[0]
    assert not row["complete"]
    assert row["stages_scored"] == 1
    assert math.isnan(row["forgetting"])
    assert "running" in row["forgetting_reason"]


def test_a_run_without_any_score_is_a_row_like_the_others() -> None:
    rows = compared((a_run("n", "naive"), NAIVE), (a_run("q", "replay", status="queued"), []))
    assert list(rows["run_id"]) == ["n", "q"]
    assert list(rows["complete"]) == [True, False]


def test_means_over_seeds_come_with_the_student_interval() -> None:
    table = configuration_frame(three_seeds(0.1)).set_index("configuration")
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert table.loc["naive", "average"] == pytest.approx(2.5)
    assert table.loc["naive", "average_low"] == pytest.approx(2.5 - half, abs=1e-4)
    assert table.loc["naive", "average_high"] == pytest.approx(2.5 + half, abs=1e-4)
    assert table.loc["naive", "seeds"] == (0, 1, 2)


def test_one_seed_has_no_interval_and_says_so() -> None:
    row = configuration_frame(compared((a_run("n", "naive"), NAIVE))).iloc[0]
    assert row["average"] == pytest.approx(2.5)
    assert pd.isna(row["average_low"])
    assert "seed" in row["average_reason"]


def test_a_measure_that_a_single_task_does_not_have_keeps_its_reason_in_the_summary() -> None:
    row = configuration_frame(compared((a_run("n", "naive", stages=1), [[4.0], [2.0]]))).iloc[0]
    assert pd.isna(row["forgetting"])
    assert row["forgetting_reason"]
    assert row["average"] == pytest.approx(2.0)


def test_configurations_of_several_experiments_are_told_apart_even_under_one_name() -> None:
    runs = [a_run("a", "naive"), a_run("b", "naive", experiment_id="e2")]
    names = list(with_configurations(pd.DataFrame(runs))["configuration"])
    assert names == ["naive · pairs e1", "naive · pairs e2"]


def test_long_names_of_experiments_are_cut_and_still_told_apart() -> None:
    long = "a name that goes on and on and on"
    runs = [
        a_run("a", "naive", experiment=f"{long} 1"),
        a_run("b", "naive", experiment_id="e2", experiment=f"{long} 2"),
    ]
    names = list(with_configurations(pd.DataFrame(runs))["configuration"])
    assert names == ["naive · a name that goes on and on… e1", "naive · a name that goes on and on… e2"]


def test_the_pareto_front_holds_what_nothing_beats_in_everything() -> None:
    frame = pd.DataFrame({"forgetting": [0.0, 1.0, 1.0, 0.5, math.nan], "learned": [3.0, 1.0, 2.0, 2.0, 0.0]})
    assert list(pareto_front(frame, ["forgetting", "learned"])) == [True, True, False, True, False]


def test_two_equal_points_are_both_on_the_front() -> None:
    assert pareto_front(pd.DataFrame({"x": [1.0, 1.0], "y": [2.0, 2.0]}), ["x", "y"]).all()


def an_experiment(**changes: Any) -> Experiment:
    data: dict[str, Any] = {
        "name": "pairs", "tasks": [{"name": "task 1", "train": "a.txt"}, {"name": "task 2", "train": "b.txt"}],
        "strategies": ["naive", {"replay": {"replay_weight": 0.5}}],
    }  # fmt: skip
    return experiment_from(data | changes)


def test_only_settings_that_differ_are_listed() -> None:
    runs = with_configurations(
        pd.DataFrame([a_run("n", "naive"), a_run("r", "replay", parameters={"replay_weight": 0.5})])
    )
    table = configuration_differences(runs, {"e1": an_experiment()})
    assert list(table.index) == ["strategy", "parameters.replay_weight"]
    assert list(table.loc["parameters.replay_weight"]) == ["–", "0.5"]


def test_epochs_and_rates_of_tasks_and_strategies_are_among_the_differences() -> None:
    plain = an_experiment()
    tasks = (plain.tasks[0].model_copy(update={"epochs": 9}), *plain.tasks[1:])
    slow = a_run("m", "naive", experiment_id="e2", parameters={"learning_rate": 1e-4})
    runs = with_configurations(pd.DataFrame([a_run("n", "naive"), slow]))
    table = configuration_differences(runs, {"e1": plain, "e2": plain.model_copy(update={"tasks": tasks})})
    assert table.loc[f"tasks.{tasks[0].name}.epochs"].tolist() == ["–", "9"]
    assert table.loc["parameters.learning_rate"].tolist() == ["–", "0.0001"]


def test_reference_texts_of_one_name_and_other_content_are_among_the_differences() -> None:
    runs = [a_run("n", "naive"), a_run("k", "kl"), a_run("l", "kl", experiment_id="e2")]
    told = [{"reference": ""}, {"reference": "general (05c9)"}, {"reference": "general (17ab)"}]
    table = pd.DataFrame([run | text for run, text in zip(runs, told, strict=True)])
    found = configuration_differences(with_configurations(table), {"e1": an_experiment(), "e2": an_experiment()})
    assert found.loc["reference"].tolist() == ["–", "general (05c9)", "general (17ab)"]


def test_training_settings_of_two_experiments_are_among_the_differences() -> None:
    runs = with_configurations(pd.DataFrame([a_run("n", "naive"), a_run("m", "naive", experiment_id="e2")]))
    other = an_experiment(training={"learning_rate": 1e-3})
    table = configuration_differences(runs, {"e1": an_experiment(), "e2": other})
    assert list(table.index) == ["training.learning_rate"]
    assert list(table.loc["training.learning_rate"]) == ["0.0005", "0.001"]


def test_the_checkpoint_that_kept_most_is_not_the_reference() -> None:
    assert best_checkpoint(three_seeds(0.05), "bits_per_byte") == "r0"
    assert best_checkpoint(three_seeds(0.05), "bits_per_byte", among=["n0", "n1"]) == "n0"
    assert best_checkpoint(compared((a_run("j", "joint"), JOINT)), "bits_per_byte") == "j"
    assert best_checkpoint(compared((a_run("q", "naive", status="queued"), [])), "bits_per_byte") is None
