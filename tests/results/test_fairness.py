from typing import Any

import pandas as pd

from engine.experiments.experiment import experiment_from
from engine.experiments.settings_of_stage import settings_of_run
from engine.results.fairness import Conditions, conditions, differences, unfair, unfair_runs


def some_conditions(**changes: Any) -> Conditions:
    known: dict[str, Any] = {
        "model": "tiny-gpt2", "tasks": ("a", "b"), "trained_on": {"a": "t1", "b": "t2"},
        "held_out": {"a": "f1", "b": "f2"}, "budget": {"a": 100, "b": 200}, "passes": ((1, 1), None),
        "learning_rates": {"a": 5e-4, "b": 5e-4},
    }  # fmt: skip
    return Conditions(**(known | changes))


def some_runs(*rows: tuple[str, str, int, str]) -> pd.DataFrame:
    """Rows of experiment id, configuration, seed and status."""
    columns = ["experiment_id", "configuration", "seed", "status"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["experiment"] = "experiment " + frame["experiment_id"]
    frame["run_id"] = [f"r{number}" for number in range(len(frame))]
    return frame


TWO_AND_ONE = some_runs(("x", "naive", 0, "finished"), ("x", "ewc", 0, "finished"), ("y", "naive y", 0, "finished"))


def alike(runs: pd.DataFrame) -> dict[str, Conditions]:
    return dict.fromkeys(runs["run_id"], some_conditions())


def found(other: Conditions) -> list[tuple[str, tuple[str, ...]]]:
    findings = unfair(TWO_AND_ONE, {"r0": some_conditions(), "r1": some_conditions(), "r2": other})
    return [(finding.what, finding.run_ids) for finding in findings]


def test_like_experiments_can_be_compared() -> None:
    assert found(some_conditions()) == []


def test_each_condition_that_differs_marks_the_smaller_group() -> None:
    assert found(some_conditions(model="gpt2")) == [("model", ("r2",))]
    assert found(some_conditions(tasks=("a", "c"))) == [("tasks", ("r2",))]
    assert found(some_conditions(tasks=("b", "a"))) == [("order", ("r2",))]
    assert found(some_conditions(trained_on={"a": "other", "b": "t2"})) == [("training text", ("r2",))]
    assert found(some_conditions(held_out={"a": "f1", "b": "other"})) == [("held-out text", ("r2",))]
    assert found(some_conditions(budget={"a": 100, "b": 201})) == [("token budget", ("r2",))]


def test_facts_that_are_not_known_yet_are_not_held_against_a_run() -> None:
    assert found(some_conditions(trained_on={}, held_out={}, budget={})) == []
    assert found(some_conditions(trained_on={}, held_out={}, budget={}, passes=((3, 3), None))) == [
        ("token budget", ("r2",))
    ]


def test_the_text_names_the_experiment_and_both_sides() -> None:
    (finding,) = unfair(TWO_AND_ONE, alike(TWO_AND_ONE) | {"r2": some_conditions(model="gpt2")})
    assert finding.text == "experiment y: the base model is gpt2, not tiny-gpt2."


def test_the_group_with_most_runs_is_the_reference() -> None:
    runs = some_runs(("y", "naive y", 0, "finished"), ("x", "naive", 0, "finished"), ("x", "ewc", 0, "finished"))
    (finding,) = unfair(runs, alike(runs) | {"r0": some_conditions(model="gpt2")})
    assert finding.run_ids == ("r0",)


def test_a_configuration_with_fewer_seeds_is_marked() -> None:
    rows = [("x", name, seed, "finished") for seed in range(3) for name in ("naive", "replay", "joint")]
    runs = some_runs(*rows, ("x", "ewc", 0, "finished"))
    findings = unfair(runs, alike(runs))
    assert [(f.what, f.run_ids) for f in findings] == [("seeds", ("r9",))]
    assert "its seeds are 0, where most have 0, 1, 2" in findings[0].text


def test_a_seed_that_only_one_configuration_has_marks_that_run_alone() -> None:
    runs = some_runs(("x", "naive", 0, "finished"), ("x", "ewc", 0, "finished"), ("x", "ewc", 7, "finished"))
    findings = unfair(runs, alike(runs))
    assert [(f.what, f.run_ids) for f in findings] == [("seeds", ("r2",))]


def test_seeds_still_to_come_are_not_missing() -> None:
    runs = some_runs(
        ("x", "naive", 0, "finished"), ("x", "ewc", 0, "finished"),
        ("x", "naive", 1, "finished"), ("x", "ewc", 1, "queued"),
    )  # fmt: skip
    assert unfair(runs, alike(runs)) == []


def test_a_failed_run_does_not_count_as_a_seed() -> None:
    rows = [("x", name, seed, "finished") for seed in (0, 1) for name in ("naive", "replay", "joint")]
    runs = some_runs(*rows, ("x", "ewc", 0, "finished"), ("x", "ewc", 1, "failed"))
    assert unfair_runs(unfair(runs, alike(runs))) == {"r6": ("seeds",)}


def test_the_budget_is_what_the_epochs_read_up_to_the_limit() -> None:
    experiment = experiment_from(
        {
            "name": "e", "tasks": [{"name": "a", "train": "a.txt"}, {"name": "b", "train": "b.txt"}],
            "training": {"epochs": 3, "stage_tokens": 1000}, "strategies": ["naive"],
        }
    )  # fmt: skip
    facts = [
        {"name": "a", "target_tokens": 100, "fingerprint": "ta", "held_out_fingerprint": "fa"},
        {"name": "b", "target_tokens": 900, "fingerprint": "tb", "held_out_fingerprint": "fb"},
    ]
    settings = settings_of_run(experiment, "naive", {})
    known = conditions(experiment, settings, facts)
    assert known.budget == {"a": 300, "b": 1000}
    assert known.held_out == {"a": "fa", "b": "fb"}
    assert known.trained_on == {"a": "ta", "b": "tb"}
    assert known.learning_rates == {"a": 5e-4, "b": 5e-4}
    assert conditions(experiment, settings, []).passes == ((3, 3), 1000)


def test_epochs_and_rates_of_a_strategy_or_a_task_are_named_where_they_differ() -> None:
    tasks = [{"name": "a", "train": "a.txt"}, {"name": "b", "train": "b.txt", "epochs": 2, "learning_rate": 1e-3}]
    experiment = experiment_from({"name": "e", "tasks": tasks, "strategies": ["naive"]})
    facts = [{"name": "a", "target_tokens": 100}, {"name": "b", "target_tokens": 900}]

    def clauses(parameters: dict[str, Any], facts: list[dict[str, Any]]) -> list[tuple[str, str]]:
        every = [settings_of_run(experiment, "naive", each) for each in (parameters, {})]
        return differences(*(conditions(experiment, settings, facts) for settings in every))

    assert clauses({}, facts) == clauses({"epochs": 3, "learning_rate": 5e-4}, facts) == []
    assert clauses({"epochs": 5}, facts) == [
        ("token budget", "a stage trains on more or less text (a 500 and not 300 tokens).")
    ]
    assert clauses({"epochs": 5}, []) == [("token budget", "a stage trains for 5, 2 epochs, not 3, 2 epochs.")]
    assert clauses({"learning_rate": 1e-4}, facts) == [
        ("learning rate", "the learning rate is another (a 0.0001 and not 0.0005).")
    ]
    plain = experiment_from({"name": "e", "tasks": tasks[:1], "strategies": ["naive"]})
    every = [settings_of_run(plain, "naive", each) for each in ({"learning_rate": 1e-4}, {})]
    assert differences(*(conditions(plain, settings, []) for settings in every)) == [
        ("learning rate", "the learning rate is 0.0001, not 0.0005.")
    ]


def test_no_runs_have_nothing_that_differs() -> None:
    assert unfair(TWO_AND_ONE.iloc[0:0], {}) == []


def test_a_run_without_results_is_not_what_finished_ones_are_measured_against() -> None:
    slow = some_conditions(learning_rates={"a": 1e-5, "b": 1e-5})
    for status, left_out in (("failed", "r0"), ("stopped", "r0"), ("queued", "r0"), ("finished", "r1")):
        runs = some_runs(("x", "fast", 0, status), ("x", "slow", 0, "finished"))
        findings = unfair(runs, {"r0": some_conditions(), "r1": slow})
        assert [(finding.what, finding.run_ids) for finding in findings] == [("learning rate", (left_out,))]
    runs = some_runs(("x", "fast", 0, "failed"), ("x", "slow", 0, "failed"))
    assert unfair(runs, {"r0": some_conditions(), "r1": slow})[0].run_ids == ("r1",)
