"""What an experiment takes on the disk is said before it starts, and is what a real one takes."""

from pathlib import Path

import pytest

from engine.experiments.experiment import Experiment, experiment_from
from engine.forecast import disk
from engine.forecast.disk import disk_use
from engine.persistence.disk_space import used_bytes
from engine.persistence.resume_points import KEPT
from engine.running.headless import run_experiment

P = 1_000
"""The weights of the model."""


def experiment(*strategies: object, **changes: object) -> Experiment:
    tasks = [{"name": name, "train": [f"{name}.txt"]} for name in ("one", "two", "three")]
    return experiment_from({"name": "x", "tasks": tasks, "strategies": list(strategies)} | changes)


def test_the_checkpoint_of_a_stage_that_runs_share_counts_once() -> None:
    found = disk_use(experiment("naive", {"replay": {"replay_weight": [0.3, 3.0]}}, seeds=(0, 1)), P)
    assert found.of_runs == 2 * (3 * 4 * P, 2 * 4 * P, 2 * 4 * P)
    assert found.kept == 2 * 7 * 4 * P


def test_fisher_information_is_there_once_for_a_stage_while_runs_go_on_and_no_state_stays() -> None:
    found = disk_use(experiment({"ewc": {"ewc_strength": [1.0, 10.0]}}), P)
    assert found.kept == (3 + 2) * 4 * P
    of_a_run = ((KEPT + 1) * 3 + 2 * 2) * 4 * P
    # after the first stage that of both, after the second each one's own
    assert found.most == found.kept + (1 + 2) * 4 * P + of_a_run


@pytest.mark.parametrize(("keep", "stages"), [("all", 3), ("last", 1), ("best", 1), ("none", 0)])
def test_fewer_checkpoints_take_less(keep: str, stages: int) -> None:
    assert disk_use(experiment("naive", "joint", checkpoints=keep), P).of_runs[0] == stages * 4 * P


def test_moments_that_are_kept_count_with_every_stage() -> None:
    training = {"optimizer_state": "keep"}
    assert disk_use(experiment("naive", training=training), P).kept == 3 * (1 + 2) * 4 * P


def test_at_most_all_stages_lie_there_with_the_points_and_states_of_what_runs() -> None:
    point = (KEPT + 1) * 3 * 4 * P
    assert disk_use(experiment("naive"), P).most == 3 * 4 * P + point
    assert disk_use(experiment("naive", checkpoints="none"), P).most == 3 * 4 * P + point
    assert disk_use(experiment("naive"), P, runs_at_once=2).most == 3 * 4 * P + 2 * point
    ewc = disk_use(experiment("ewc"), P)
    assert ewc.most == ewc.kept + 2 * 4 * P + point + 2 * 2 * 4 * P


def test_what_no_run_holds_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "LIMIT_BYTES", 4 * P)
    many = experiment({"naive": {"epochs": [1, 2, 3, 4]}}, checkpoints="none")
    point = (KEPT + 1) * 3 * 4 * P
    assert disk_use(many, P).most == 3 * 4 * P + 4 * P + point
    ewc = disk_use(experiment({"ewc": {"ewc_strength": [1.0, 10.0]}}), P)
    assert ewc.most == ewc.kept + 4 * P + point + 2 * 2 * 4 * P


def test_a_real_experiment_takes_what_was_said(tmp_path: Path) -> None:
    samples = Path(__file__).parents[2] / "samples"
    described = experiment_from(
        {
            "name": "x",
            "tasks": [{"name": name, "train": [str(samples / f"{name}.txt")]} for name in ("house-style", "chinese")],
            "strategies": ["naive", {"ewc": {"fisher_documents": 2}}],
            "general": "none",
            "training": {
                "stage_tokens": 200, "block_size": 32, "tokens_per_step": 64, "held_out_tokens": 100, "device": "cpu",
                "evaluations_per_stage": 1,
            },
        }
    )  # fmt: skip
    run_experiment(described, tmp_path)
    found = disk_use(described, 2_615_424)
    measured = used_bytes(tmp_path) - sum(file.stat().st_size for file in tmp_path.glob("palimpsest.db*"))
    assert found.kept == pytest.approx(measured, rel=0.04)
    assert found.kept < measured  # texts, tokenizers and scores come on top
