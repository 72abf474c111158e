from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine import events, strategies
from engine.common.overrides import Overrides
from engine.common.random_streams import Streams
from engine.experiments.settings_of_stage import StageSettings
from engine.experiments.training import Training
from engine.training.loop import train
from engine.training.run_state import RunSetup
from engine.training.stage_data import stage_data
from tests.builders import blocks_of, random_documents, small_setup


def setup_of(name: str, folder: Path, overrides: Overrides, of_tasks: Sequence[Overrides], **training: Any) -> RunSetup:
    setup = small_setup(strategies.build(name, {}), folder, tasks=len(of_tasks), **training)
    tasks = tuple(replace(task, overrides=own) for task, own in zip(setup.tasks, of_tasks, strict=True))
    return replace(setup, overrides=overrides, tasks=tasks)


def numbers(setup: RunSetup) -> list[Any]:
    """Every number of a run that is not a time, its last weights included."""
    happened = list(train(setup))
    steps = [(e.step, e.terms, e.learning_rate) for e in happened if isinstance(e, events.StepDone)]
    scores = [(e.step, e.whole, e.sample) for e in happened if isinstance(e, events.Evaluated)]
    weights = load_file(setup.folder / f"stage-{len(setup.tasks)}" / "model.safetensors")
    return [steps, scores, {name: weight.tolist() for name, weight in weights.items()}]


NONE = Overrides()


@pytest.mark.parametrize("name", ["naive", "replay+ewc", "joint"])
def test_overrides_give_the_numbers_of_an_experiment_that_trains_with_their_values(name: str, tmp_path: Path) -> None:
    wanted = numbers(setup_of(name, tmp_path / "a", NONE, [NONE] * 2, epochs=1, learning_rate=3e-3))
    by_strategy = setup_of(name, tmp_path / "b", Overrides(3e-3, 1), [NONE] * 2, epochs=2, learning_rate=1e-2)
    assert numbers(by_strategy) == wanted
    by_tasks = setup_of(name, tmp_path / "c", Overrides(0.5, 3), [Overrides(3e-3, 1)] * 2)
    assert numbers(by_tasks) == wanted
    assert by_strategy.stage_keys == by_tasks.stage_keys


def test_a_task_s_own_rate_and_epochs_hold_in_its_stage_alone(tmp_path: Path) -> None:
    happened = list(train(setup_of("naive", tmp_path, NONE, [NONE, Overrides(1e-4, 4)], epochs=2, learning_rate=1e-2)))
    started = [e for e in happened if isinstance(e, events.StageStarted)]
    assert started[1].target_tokens == pytest.approx(2 * started[0].target_tokens, rel=0.3)
    peaks = [max(e.learning_rate for e in happened if isinstance(e, events.StepDone) and e.stage == s) for s in (1, 2)]
    assert peaks[0] > 5e-3
    assert 5e-5 < peaks[1] <= 1e-4


def test_joint_training_reads_each_task_for_its_own_epochs_at_the_mean_of_its_rows_rates() -> None:
    small, large = blocks_of(random_documents(20, seed=1)), blocks_of(random_documents(80, seed=2))
    settings = StageSettings((3, 1), (1e-2, 1e-3))
    data = stage_data([small, large], settings, Training(block_size=16, tokens_per_step=48), Streams(0), 2)
    assert data.target_tokens == 3 * small.target_tokens + large.target_tokens
    assert torch.bincount(data.order).tolist() == [3] * len(small) + [1] * len(large)
    for number in range(1, data.steps + 1):
        rows = data.step(number)
        rates = torch.where(rows < len(small), 1e-2, 1e-3).double()
        assert data.peak_rate(number) == pytest.approx(float(rates.mean()))
    assert len({data.peak_rate(number) for number in range(1, data.steps + 1)}) > 1


def test_a_step_of_joint_training_is_taken_at_that_rate(tmp_path: Path) -> None:
    setup = setup_of("joint", tmp_path, NONE, [Overrides(1e-2), Overrides(1e-4)], decay="constant", warmup_share=0)
    rates = {
        stage: {e.learning_rate for e in train(replace(setup, folder=tmp_path / str(stage)))
                if isinstance(e, events.StepDone) and e.stage == stage}
        for stage in (1, 2)
    }  # fmt: skip
    assert rates[1] == {1e-2}
    assert len(rates[2]) > 1
    assert all(1e-4 <= rate <= 1e-2 for rate in rates[2])
