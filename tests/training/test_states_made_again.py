"""A state that was not kept is made again from the checkpoints, and the run goes on to the same numbers."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from engine import events, strategies
from engine.common.durable_files import is_whole
from engine.common.random_streams import Streams
from engine.persistence import checkpoints
from engine.persistence.checkpoints import STATE_FILE, drop_large_states, has_state, stage_folder
from engine.persistence.shared_results import SharedResults
from engine.strategies.base import StageView, State, Strategy
from engine.training.loop import train
from engine.training.run_state import RunSetup
from tests.builders import small_setup
from tests.strategies.throwaway import Tether

NAMES = ("replay", "ewc", "der", "kl", "self-replay", "reptile", "lora", "kl+ewc", "ewc+lora", "carried")
T = 3


class Carried(Tether):
    """Its steps make a state that the next stage begins with."""

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        before = state.moving or begin.weights
        start = {name: weight.detach().lerp(before[name].detach(), 0.5) for name, weight in begin.weights.items()}
        return State({"start": start}, {name: each.clone() for name, each in start.items()})

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        return State(moving=state.moving)


@pytest.fixture(autouse=True)
def any_state_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_LITTLE_BYTES", -1)


def numbers(heard: list[events.Event], stage: int) -> list[Any]:
    told = [e for e in heard if isinstance(e, events.StepDone | events.Evaluated) and e.stage == stage]
    return [replace(e, seconds=0.0) for e in told]


def weights(folder: Path, stage: int) -> dict[str, torch.Tensor]:
    files = sorted(stage_folder(folder, stage).glob("*.safetensors"))
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def without_last_stage(strategy: Strategy, before: Path, folder: Path, shared: SharedResults | None) -> RunSetup:
    """The run in `before` as it was when its last stage had not begun, its states dropped."""
    shutil.copytree(before, folder)
    shutil.rmtree(stage_folder(folder, T))
    drop_large_states(folder, T - 1, is_over=True)
    return replace(small_setup(strategy, folder, tasks=T), finished_stages=T - 1, shared=shared)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_whose_states_were_dropped_goes_on_to_the_same_numbers(name: str, tmp_path: Path) -> None:
    strategy = strategies.build(name, {}) if name != "carried" else Carried()
    heard = list(train(small_setup(strategy, tmp_path / "a", tasks=T)))
    cut = without_last_stage(strategy, tmp_path / "a", tmp_path / "b", None)
    for stage in range(1, T):
        assert not has_state(stage_folder(tmp_path / "b", stage))
        assert is_whole(stage_folder(tmp_path / "b", stage))
    again = list(train(cut))
    assert numbers(again, T) == numbers(heard, T)
    one, other = weights(tmp_path / "a", T), weights(tmp_path / "b", T)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_stage_says_without_its_state_whether_it_can_be_shared(tmp_path: Path) -> None:
    strategy = strategies.build("ewc", {})
    list(train(small_setup(strategy, tmp_path / "a", tasks=T)))
    shared = SharedResults(tmp_path / "shared")
    list(train(without_last_stage(strategy, tmp_path / "a", tmp_path / "b", shared)))
    kept = sorted(folder.name for folder in shared.folder.iterdir())
    assert kept  # Fisher information and the last stage

    other = without_last_stage(strategy, tmp_path / "a", tmp_path / "c", SharedResults(tmp_path / "nothing"))
    for stage in range(1, T):
        (stage_folder(tmp_path / "c", stage) / checkpoints.ABOUT_FILE).write_text('{"is_shareable": false}')
    list(train(other))
    assert not (tmp_path / "nothing").exists()


def test_a_finished_run_without_its_state_only_ends(tmp_path: Path) -> None:
    strategy = strategies.build("ewc", {})
    list(train(small_setup(strategy, tmp_path, tasks=T)))
    drop_large_states(tmp_path, T, is_over=True)
    heard = list(train(replace(small_setup(strategy, tmp_path, tasks=T), finished_stages=T)))
    assert [type(event) for event in heard] == [events.RunStarted, events.RunFinished]
    assert not (stage_folder(tmp_path, T) / STATE_FILE).exists()
