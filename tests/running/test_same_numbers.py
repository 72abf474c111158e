"""One configuration and seed, executed for real in every way there is."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.events.scores import ANSWER_SCORES
from engine.execution.execute import execute_run
from engine.experiments.experiment import Experiment, RunSpec
from engine.results.export import results
from engine.running.headless import run_experiment
from engine.running.queue import get_runner
from engine.store import Store
from tests.fake_runs import experiment, wait_until

TRAINING = {
    "epochs": 1, "stage_tokens": 300, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 2,
    "device": "cpu",
}  # fmt: skip
STRATEGY = {"replay+ewc": {"replay_weight": 0.5, "ewc_lambda": 10.0, "fisher_documents": 4}}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return experiment(tmp_path_factory.mktemp("texts"), training=TRAINING, strategies=[STRATEGY])


@pytest.fixture(scope="module")
def headless(described: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder and results of the command line's way."""
    folder = tmp_path_factory.mktemp("headless") / "out"
    return folder, run_experiment(described, folder)


def losses(folder: Path) -> list[float]:
    store = Store(folder)
    kept: list[float] = store.losses(store.runs()["run_id"].tolist())["nats_per_token"].tolist()
    store.close()
    return kept


def test_the_servers_thread_gives_the_numbers_of_the_command_line(
    described: Experiment, headless: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    store = Store(tmp_path)
    experiment_id = store.add_experiment(described)
    runner = get_runner(tmp_path)
    try:
        wait_until(lambda: store.runs()["status"].item() not in ("queued", "running"), seconds=600)
        found = results(store, experiment_id)["runs"][0]
    finally:
        runner.close()
        store.close()
    folder, other = headless
    assert found["status"] == "finished"
    assert found["scores"] == other["runs"][0]["scores"]
    assert losses(tmp_path) == losses(folder)


def test_a_run_cut_off_in_its_second_stage_and_resumed_gives_the_same_numbers(
    described: Experiment, headless: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    def cut(described: Experiment, run: RunSpec, folder: Path, control: Any, *rest: Any) -> Any:
        for event in execute_run(described, run, folder, control, *rest):
            yield event
            if type(event).__name__ == "StepDone" and event.stage == 2:  # type: ignore[union-attr]
                control.stop()

    first = run_experiment(described, tmp_path, execute=cut)
    assert first["runs"][0]["status"] == "stopped"
    resumed = run_experiment(described, tmp_path, resume=True)
    folder, whole = headless
    assert resumed["runs"][0]["status"] == "finished"
    assert resumed["runs"][0]["scores"] == whole["runs"][0]["scores"]
    assert losses(tmp_path) == losses(folder)


def test_every_checkpoint_in_the_results_loads_and_generates(headless: tuple[Path, dict[str, Any]]) -> None:
    checkpoints = [headless[0] / path for path in headless[1]["runs"][0]["checkpoints"]]
    assert len(checkpoints) == 2
    for checkpoint in checkpoints:
        model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
        inputs = tokenizer("Note 3 of", return_tensors="pt")
        written = model.generate(**inputs, max_new_tokens=3, do_sample=False, pad_token_id=tokenizer.eos_token_id)
        assert written.shape[1] > inputs["input_ids"].shape[1]


def test_results_of_a_real_run_are_whole(headless: tuple[Path, dict[str, Any]]) -> None:
    run = headless[1]["runs"][0]
    for name, rows in run["scores"].items():
        assert [len(row) for row in rows] == [2, 2, 2]
        assert all((value is None) == (name in ANSWER_SCORES) for row in rows for value in row)
    assert run["summary"]["bits_per_byte"]["forgetting"] is not None
    assert headless[1]["environment"]["torch"]
    assert run["tokens"] > 0
