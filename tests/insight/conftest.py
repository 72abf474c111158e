"""A small experiment that was trained for real, for all tests of this room."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.experiments.experiment import experiment_from
from engine.running.headless import run_experiment
from tests.fake_runs import experiment

TRAINING = {
    "epochs": 2, "stage_tokens": 400, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 1,
    "held_out_tokens": 60, "evaluation_tokens": 20, "device": "cpu", "learning_rate": 2e-3,
}  # fmt: skip


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of results of one naive run on two tasks; tests leave it as it is."""
    described = experiment(tmp_path_factory.mktemp("texts"), training=TRAINING, strategies=["naive"], seeds=[3])
    folder = tmp_path_factory.mktemp("trained") / "out"
    run_experiment(described, folder)
    return folder


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs, naive and replay, that learn to answer with a label, then other labels for the same questions."""
    return trained_on_labels(tmp_path_factory, ["naive", {"replay": {"replay_weight": 1.0}}])


def trained_on_labels(
    folders: pytest.TempPathFactory, strategies: list[Any], story: bool = False, **changes: Any
) -> Path:
    """The folder of results of such runs; with `story` they learn plain text last."""
    texts = folders.mktemp("texts")
    tasks = []
    for name, labels in (("letters", ("aye", "nay")), ("numbers", ("one", "two"))):
        rows = [{"prompt": f"Is {n} even?", "completion": f" {labels[n % 2]}"} for n in range(120)]
        (texts / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        tasks.append({"name": name, "train": [str(texts / f"{name}.jsonl")]})
    if story:
        told = "\n\n".join(f"Once there were {n} sheep." for n in range(40))
        (texts / "story.txt").write_text(told, encoding="utf-8")
        tasks.append({"name": "story", "train": [str(texts / "story.txt")]})
    training = TRAINING | {"epochs": 3, "stage_tokens": None, "learning_rate": 3e-3, "held_out_tokens": 1000}
    plain = {"name": "labels", "tasks": tasks, "strategies": strategies, "training": training}
    folder = folders.mktemp("trained") / "out"
    run_experiment(experiment_from(plain | changes), folder)
    return folder
