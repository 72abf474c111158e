"""A small experiment that was trained for real, for all tests of this room."""

from pathlib import Path

import pytest

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
