from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from engine import events
from engine.driving.driver import drive
from engine.events.control import Control
from engine.events.run_events import ARITHMETIC
from engine.experiments.experiment import experiment_from
from engine.experiments.settings_of_stage import settings_of_run
from engine.results.export import results
from engine.results.fairness import Conditions, conditions, differences, unfair, unfair_runs
from engine.results.kept_most import kept_most
from engine.store import Store
from tests.fake_runs import FakeRun, experiment


def some_conditions(**changes: Any) -> Conditions:
    known: dict[str, Any] = {
        "model": "tiny-gpt2", "tasks": ("a", "b"), "trained_on": {"a": "t1", "b": "t2"},
        "held_out": {"a": "f1", "b": "f2"}, "budget": {"a": 100, "b": 200}, "passes": ((1, 1), None),
        "learning_rates": {"a": 5e-4, "b": 5e-4},
    }  # fmt: skip
    known |= changes
    return Conditions(**({"orders": frozenset({known["tasks"]})} | known))


def some_runs(*rows: tuple[str, str, int, str]) -> pd.DataFrame:
    """Rows of experiment id, configuration, seed and status."""
    columns = ["experiment_id", "configuration", "seed", "status"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["experiment"] = "experiment " + frame["experiment_id"]
    frame["label"] = frame["configuration"]
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


def on_a_machine(**changes: Any) -> Conditions:
    usual = {
        "torch": "2.9", "transformers": "5.1", "device": "cpu (x86_64)", "instructions": "AVX512",
        "precision": "float32", "threads": 2, "node": "a",
    }  # fmt: skip
    return some_conditions(machine=usual | changes)


def of_machines(runs: pd.DataFrame, *machines: Conditions) -> list[tuple[str, tuple[str, ...], str]]:
    findings = unfair(runs, dict(zip(runs["run_id"], machines, strict=True)))
    return [(finding.what, finding.run_ids, finding.text) for finding in findings]


THREE = some_runs(("x", "naive", 0, "finished"), ("x", "ewc", 0, "finished"), ("x", "replay", 0, "finished"))


def test_a_run_of_another_arithmetic_is_named_with_what_differs_and_where() -> None:
    usual = on_a_machine()
    assert of_machines(THREE, usual, usual, on_a_machine(threads=1, node="b")) == [
        ("machine", ("r2",), "experiment x: replay was computed with 1 thread on node b, others with 2 threads on node "
         "a; equal seeds do not give equal numbers then.")
    ]  # fmt: skip
    (found,) = of_machines(THREE, on_a_machine(node="c"), usual, on_a_machine(precision="bfloat16", device="an H100"))
    assert found[2] == (
        "experiment x: replay was computed with the device an H100, bfloat16 arithmetic on node a, others with the "
        "device cpu (x86_64), float32 arithmetic on nodes a, c; equal seeds do not give equal numbers then."
    )
    (found,) = of_machines(THREE, usual, usual, on_a_machine(torch="2.8"))
    assert found[2].startswith("experiment x: replay was computed with torch 2.8, others with torch 2.9; ")


def test_every_fact_of_the_arithmetic_counts_and_the_machines_name_does_not() -> None:
    usual = on_a_machine()
    for name in ARITHMETIC:
        (found,) = of_machines(THREE, usual, on_a_machine(**{name: 7}), usual)
        assert (found[0], found[1]) == ("machine", ("r1",)), name
    assert of_machines(THREE, usual, on_a_machine(node="b"), on_a_machine(node="c")) == []


def test_a_run_without_a_recorded_fact_is_not_held_against_it() -> None:
    assert of_machines(THREE, on_a_machine(), some_conditions(), some_conditions(machine={"torch": "2.9"})) == []
    runs = some_runs(("x", "naive", 0, "queued"), ("x", "ewc", 0, "finished"), ("x", "replay", 0, "finished"))
    other = on_a_machine(threads=8)
    assert [ids for _, ids, _ in of_machines(runs, some_conditions(), on_a_machine(), other)] == [("r2",)]
    assert of_machines(THREE, *[some_conditions()] * 3) == []


def test_the_arithmetic_of_most_runs_is_the_usual_one() -> None:
    other, usual = on_a_machine(threads=1, node="b"), on_a_machine()
    runs = some_runs(
        ("x", "naive", 0, "finished"), ("x", "naive", 1, "finished"), ("x", "ewc", 0, "finished"),
        ("x", "ewc", 1, "finished"), ("y", "naive", 0, "finished"), ("y", "naive", 1, "finished"),
        ("y", "naive", 2, "failed"),
    )  # fmt: skip
    found = of_machines(runs, other, other, other, usual, usual, usual, other)
    assert [(what, ids) for what, ids, _ in found][:2] == [("machine", ("r3",)), ("machine", ("r4", "r5"))]
    assert found[0][2].startswith(
        "experiment x: ewc (seed 1) was computed with 2 threads on node a, others with 1 thread"
    )
    assert found[1][2].startswith("experiment y: naive (seed 0, 1) was computed with 2 threads")
    found = of_machines(runs[4:], usual, usual, other)
    assert [text for _, _, text in found] == [
        "experiment y: naive (seed 2) was computed with 1 thread on node b, others with 2 threads on node a; equal "
        "seeds do not give equal numbers then."
    ]
    whole = some_runs(*[("x", name, 0, "finished") for name in ("naive", "ewc", "l2")], ("y", "naive", 0, "finished"))
    (only,) = of_machines(whole, usual, usual, usual, other)
    assert only[2].startswith("experiment y: its runs were computed with 1 thread on node b, others with 2 threads")


def test_runs_that_differ_in_more_are_named_for_that_alone_and_unlike_machines_lack_no_seeds() -> None:
    usual, other = on_a_machine(), on_a_machine(threads=1)
    model = some_conditions(model="gpt2", machine=other.machine)
    assert [what for what, _, _ in of_machines(THREE, usual, usual, model)] == ["model"]
    runs = some_runs(
        ("x", "naive", 0, "finished"), ("x", "ewc", 0, "finished"), ("x", "joint", 0, "finished"),
        ("x", "replay", 1, "finished"),
    )  # fmt: skip
    assert [what for what, _, _ in of_machines(runs, usual, usual, usual, other)] == ["machine"]


def test_the_facts_come_from_what_runs_recorded(store: Store, tmp_path: Path) -> None:
    described = experiment(tmp_path, seeds=[0, 1])
    experiment_id = store.add_experiment(described)

    class Elsewhere(FakeRun):
        def __call__(self, *args: Any, **kwargs: Any) -> Iterator[events.Event]:
            for event in super().__call__(*args, **kwargs):
                if isinstance(event, events.RunStarted):
                    is_last = len(self.started) == 3
                    event = replace(event, environment=dict(on_a_machine(threads=1 if is_last else 2).machine))
                yield event

    execute = Elsewhere()
    for _ in range(3):
        run_id = store.claim_next()
        assert run_id is not None
        drive(store, run_id, Control(), execute)
    first, second, elsewhere, queued = store.runs(experiment_id)["run_id"]
    assert store.environments([second, queued]) == {second: dict(on_a_machine().machine), queued: {}}
    left_out = results(store, experiment_id)["comparison"]["left_out"]
    assert left_out == [elsewhere, queued], "the second for a seed that no other run shares now"
    assert kept_most(store, experiment_id) == first
