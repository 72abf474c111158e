"""Runs of one experiment in several orders: what is compared with what."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine import events
from engine.driving.driver import drive
from engine.events.control import Control
from engine.events.scores import Score
from engine.experiments.experiment import Experiment, experiment_from
from engine.results.comparison import run_frame, with_configurations
from engine.results.export import results
from engine.results.fairness import conditions_of_runs, unfair
from engine.results.kept_most import differences_csv
from engine.results.verdict import verdict
from engine.store import Store
from tests.fake_runs import STEPS, FakeRun, experiment
from tests.results.frames import CURVE, JOINT, NAIVE, REPLAY, a_matrix, a_run, shifted

FORTH, BACK = ("task 1", "task 2"), ("task 2", "task 1")


def a_run_in(order: tuple[str, str], run_id: str, strategy: str, seed: int = 0) -> dict[str, Any]:
    return a_run(run_id, f"{strategy} (order={1 if order == FORTH else 2})", seed, task_order=order)


def a_matrix_in(order: tuple[str, str], run_id: str, rows: list[list[float]]) -> list[dict[str, Any]]:
    return [cell | {"task": order[cell["task_index"] - 1]} for cell in a_matrix(run_id, rows)]


def framed(*runs: tuple[dict[str, Any], list[list[float]]]) -> pd.DataFrame:
    frame = with_configurations(pd.DataFrame([run for run, _ in runs]))
    cells = [cell for run, rows in runs for cell in a_matrix_in(run["task_order"], run["run_id"], rows)]
    return run_frame(frame, pd.DataFrame(cells), CURVE, "bits_per_byte")


def two_orders(effect: float, apart: float = 0.1) -> pd.DataFrame:
    """naive and replay in two orders and two seeds: what the second order adds to all, and how far naive goes its own
    way from draw to draw."""
    runs = []
    for place, order in enumerate((FORTH, BACK)):
        for seed in range(2):
            by, way = effect * place + 0.2 * seed, apart * (2 * place + seed)
            name = f"{place}{seed}"
            runs.append((a_run_in(order, f"n{name}", "naive", seed), shifted(NAIVE, by + way)))
            runs.append((a_run_in(order, f"r{name}", "replay", seed), shifted(REPLAY, by)))
    return framed(*runs)


def test_a_configuration_is_one_in_all_its_orders() -> None:
    assert two_orders(0.5)["configuration"].unique().tolist() == ["naive", "replay"]


def test_the_verdict_pairs_runs_of_the_same_order_and_seed_so_that_the_order_s_effect_cancels() -> None:
    small, large = (verdict(two_orders(effect), "bits_per_byte") for effect in (0.0, 5.0))
    for found in (small, large):
        (naive,) = found.differences
        assert naive.by_seed == pytest.approx(
            {(FORTH, 0): 0.9, (FORTH, 1): 1.0, (BACK, 0): 1.1, (BACK, 1): 1.2}
        )  # naive ends 0.9 worse on the earlier task, and goes 0, 0.1, 0.2, 0.3 its own way
        # mean 1.05, s² = (0.15² + 0.05²) · 2 / 3, t₀.₉₇₅(3) = 3.182446
        assert naive.half_width == pytest.approx(3.182446 * math.sqrt(2 / 3 * (0.15**2 + 0.05**2)) / 2, rel=1e-6)
        assert found.winner == "replay"
        assert "in every one of 4 pairs of order and seed, by 1.050 ± 0.205 bits per byte" in found.sentences[0]


def test_draws_that_not_all_have_finished_are_left_out_of_the_tests() -> None:
    rows = two_orders(0.5)
    missing = rows[~rows["run_id"].isin(["n10", "r01"])]
    (naive,) = verdict(missing, "bits_per_byte").differences
    assert set(naive.by_seed) == {(FORTH, 0), (BACK, 1)}, "seed 0 of one order is not that of the other"


def test_intransigence_is_taken_from_the_joint_run_of_the_same_order() -> None:
    runs = [(a_run_in(order, f"r{n}", "replay"), REPLAY) for n, order in enumerate((FORTH, BACK))]
    runs += [(a_run_in(order, f"j{n}", "joint"), shifted(JOINT, -0.5 * n)) for n, order in enumerate((FORTH, BACK))]
    rows = framed(*runs).set_index("run_id")
    assert rows.loc["r0", "intransigence"] == pytest.approx(((2.0 - 2.0) + (2.2 - 1.9)) / 2)
    assert rows.loc["r1", "intransigence"] == pytest.approx(((2.0 - 1.5) + (2.2 - 1.4)) / 2)


def findings(*experiments: tuple[Experiment, list[int]]) -> list[tuple[str, tuple[str, ...], str]]:
    """What keeps the runs of these numbers of some experiments from a fair comparison."""
    rows = []
    for place, (described, numbers) in enumerate(experiments):
        for number, run in enumerate(described.runs()):
            if number in numbers:
                rows.append(
                    {"run_id": f"{place}-{number}", "experiment_id": str(place), "experiment": described.name,
                     "label": run.label, "strategy": run.strategy, "parameters": run.parameters, "seed": run.seed,
                     "task_order": run.order, "status": "finished"}
                )  # fmt: skip
    runs = with_configurations(pd.DataFrame(rows))
    by_id: dict[str, Experiment] = {str(place): described for place, (described, _) in enumerate(experiments)}
    nothing: dict[str, dict[str, Any]] = {run_id: {} for run_id in runs["run_id"]}
    of_run = conditions_of_runs(runs, by_id, {run_id: [] for run_id in nothing}, nothing)
    return [(found.what, found.run_ids, found.text) for found in unfair(runs, of_run)]


def described(orders: Any = None, tasks: str = "ab", **changes: Any) -> Experiment:
    data = {"name": "e", "tasks": [{"name": name, "train": f"{name}.txt"} for name in tasks]}
    data |= {"strategies": ["naive", "replay"], "orders": orders}
    return experiment_from({name: value for name, value in (data | changes).items() if value is not None})


def test_orders_that_the_experiment_varies_are_no_unfairness_and_others_are() -> None:
    varied = described("all")
    assert findings((varied, [0, 1, 2, 3])) == []
    assert findings((varied, [2, 3]), (described(tasks="ba", name="f"), [0, 1])) == [], "an experiment in one of them"
    assert {what for what, _, _ in findings((varied, [0, 1]), (described(tasks="ba", name="f"), [0, 1]))} == {"seeds"}
    three = described([["a", "b", "c"], ["b", "a", "c"]], tasks="abc")
    (other,) = findings((three, [0, 1, 2, 3]), (described(tasks="cba", name="f"), [0, 1]))
    assert (other[0], other[1]) == ("order", ("1-0", "1-1"))
    assert other[2] == "f: the order of tasks is c → b → a, not a → b → c."


def test_tasks_with_epochs_of_their_own_are_trained_alike_in_every_order() -> None:
    data = [{"name": "a", "train": "a.txt", "epochs": 3}, {"name": "b", "train": "b.txt", "learning_rate": 1e-3}]
    made = experiment_from({"name": "e", "tasks": data, "strategies": ["naive", "replay"], "orders": "all"})
    assert findings((made, [0, 1, 2, 3])) == []


def test_a_strategy_that_lacks_an_order_is_marked_and_the_sentence_names_it() -> None:
    (found,) = findings((described("all"), [0, 1, 2]))
    assert found == ("seeds", ("0-2",), "naive: seeds 0 in the order b → a were not run by the other configurations.")


def finished(store: Store, tmp_path: Path) -> str:
    """A finished experiment in two orders and two seeds, with naive behind replay by 0.1 to 0.4 nats."""
    made = experiment(tmp_path, strategies=["naive", "replay", "joint"], seeds=[0, 1], orders="all")
    experiment_id = store.add_experiment(made)
    while (run_id := store.claim_next()) is not None:
        _, spec = store.run_spec(run_id)
        drive(store, run_id, Control(), FakeRun())
        place = 0 if spec.order == ("bread", "tea") else 1
        behind = 0.1 + 0.1 * (spec.seed + 2 * place) if spec.strategy == "naive" else 0.0
        last = {name: Score((3 + spec.seed + 2 * place + behind) * 10, 10, 20, 1) for name in ("bread", "tea")}
        store.record(run_id, events.Evaluated(2, 2 * STEPS, last, last))
    return experiment_id


def test_results_say_a_run_s_order_and_pair_the_differences_by_order_and_seed(store: Store, tmp_path: Path) -> None:
    found = results(store, finished(store, tmp_path))
    assert found["experiment"]["orders"] == "all"
    assert [run["order"] for run in found["runs"]][::3] == [["bread", "tea"], ["tea", "bread"]] * 2
    second = found["runs"][3]
    assert second["label"] == "naive (order=2)"
    assert second["scores"]["nats_per_token"][:2] == [[4.0, 4.0], [2.0, 4.0]], (
        "a column per task in the run's own order"
    )
    assert [task["task"] for task in second["training"]] == ["tea", "bread"]
    assert [task["name"] for task in found["tasks"]] == ["bread", "tea"]
    nats = found["comparison"]["nats_per_token"]
    assert (nats["winner"], found["comparison"]["left_out"]) == ("replay", [])
    (naive,) = nats["differences"]
    assert "by_seed" not in naive
    told = [(each["order"][0], each["seed"], round(each["difference"], 6)) for each in naive["by_order_and_seed"]]
    assert told == [("bread", 0, 0.1), ("bread", 1, 0.2), ("tea", 0, 0.3), ("tea", 1, 0.4)]


def test_results_without_orders_hold_nothing_of_them(store: Store, tmp_path: Path) -> None:
    found = results(store, store.add_experiment(experiment(tmp_path)))
    assert "orders" not in found["experiment"]
    assert not any("order" in run for run in found["runs"])


def test_differences_name_their_order_in_a_table() -> None:
    lines = differences_csv(verdict(two_orders(0.5), "bits_per_byte"), "bits_per_byte").splitlines()
    assert lines[0].endswith(",order,seed,difference")
    assert len(lines) == 5
    assert ",task 2 → task 1,0,1.1" in lines[3]
