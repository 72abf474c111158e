"""Opening a stage: whose state, whose weights and whose moments a run stands on, whatever came before."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from safetensors.torch import load_file
from transformers import PreTrainedModel

from engine import events, strategies
from engine.common.random_streams import Streams
from engine.persistence.checkpoints import STAGE_STATE_FILE, stage_folder
from engine.persistence.shared_results import SharedResults
from engine.strategies.base import StageView, State, Strategy
from engine.training import gradients, step
from engine.training.loop import train
from tests.builders import small_setup


@dataclass(frozen=True)
class Begins(Strategy):
    """Keeps the weights that a stage began with, and acts from the second stage on."""

    name: ClassVar[str] = "begins"

    def acts(self, stage: int) -> bool:
        return stage > 1

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        return State(fixed={"start": {name: weight.detach().clone() for name, weight in begin.weights.items()}})


@dataclass(frozen=True)
class Alternates(Strategy):
    """Trains the first layer in odd stages and the second in even ones: weights of the same shapes."""

    name: ClassVar[str] = "alternates"

    def prepare(self, model: PreTrainedModel, stage: int, random: Streams) -> None:
        for name, weight in model.named_parameters():
            weight.requires_grad_(f".h.{(stage + 1) % 2}." in name)

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        return State({"seen": sorted(end.weights)})


def weights(folder: Path, stage: int) -> dict:
    return load_file(folder / f"stage-{stage}" / "model.safetensors")


def same(first: Path, second: Path, stage: int = 3) -> bool:
    a, b = weights(first, stage), weights(second, stage)
    return all(bool((a[key] == b[key]).all()) for key in a)


@pytest.mark.parametrize("other", ["naive", "replay", "ewc"])
def test_a_state_that_a_stage_has_made_is_taken_over_by_nobody_else(other: str, tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared")
    for number, strategy in enumerate((Begins(), strategies.build(other, {}), Begins())):
        setup = small_setup(strategy, tmp_path / str(number))
        list(train(replace(setup, shared=shared, content="texts")))
        list(train(small_setup(strategy, tmp_path / f"alone {number}")))
        assert same(tmp_path / str(number), tmp_path / f"alone {number}")


@pytest.mark.parametrize("names", [("averaging", "replay+averaging"), ("replay+reptile", "reptile"), ("l2", "ewc+l2")])
@pytest.mark.parametrize("others", [("replay", "ewc"), ("naive",)])
def test_joined_strategies_take_over_what_they_share_with_their_parts_and_no_state_of_another_shape(
    names: tuple[str, ...], others: tuple[str, ...], tmp_path: Path
) -> None:
    shared, plain_first = SharedResults(tmp_path / "shared"), "reptile" not in names
    for number, name in enumerate((*names, *others, *names)):
        setup = small_setup(strategies.build(name, {}), tmp_path / str(number))
        heard = list(train(replace(setup, shared=shared, content="texts")))
        list(train(replace(setup, folder=tmp_path / "alone")))
        assert same(tmp_path / str(number), tmp_path / "alone"), name
        assert (stage_folder(tmp_path / str(number), 1) / STAGE_STATE_FILE).exists() == ("reptile" in name)
        taken = [e.shared for e in heard if isinstance(e, events.StageStarted)]
        if number >= len(names) + len(others):
            assert taken == [True, True, True]
        elif number:  # the first stage is plain training for all, unless a strategy acts in it
            assert taken[0] == (plain_first or number > len(names))


@pytest.mark.parametrize("optimizer_state", ["reset", "keep"])
def test_moments_stay_with_their_weights_where_the_weights_that_train_change(
    optimizer_state: str, tmp_path: Path
) -> None:
    whole = small_setup(Alternates(), tmp_path / "whole", optimizer_state=optimizer_state)
    list(train(whole))
    begun = replace(whole, folder=tmp_path / "begun")
    for event in train(begun):
        if isinstance(event, events.StageStarted) and event.stage == 2:
            break
    list(train(replace(begun, finished_stages=1)))
    assert same(tmp_path / "whole", tmp_path / "begun")
    moved = [name for name, weight in weights(tmp_path / "whole", 1).items() if ".h.1." in name]
    start = dict(whole.load_model(None).model.state_dict())
    assert all(bool((weights(tmp_path / "whole", 1)[name] == start[name]).all()) for name in moved)


def test_a_stage_that_is_ended_late_sees_the_weights_that_it_trained(tmp_path: Path) -> None:
    whole = small_setup(Alternates(), tmp_path / "whole")
    list(train(replace(whole, tasks=whole.tasks[:2])))
    states: list[State] = []

    @dataclass(frozen=True)
    class Watched(Alternates):
        def end_stage(self, end: StageView, state: State, random: Streams) -> State:
            states.append(super().end_stage(end, state, random))
            return states[-1]

    list(train(replace(whole, strategy=Watched(), finished_stages=2)))
    assert states
    assert all(".h.1." in name for name in states[0].fixed["seen"])


def test_a_stop_before_the_first_stage_of_a_resumed_run_is_a_stop(tmp_path: Path) -> None:
    setup = small_setup(strategies.build("ewc", {}), tmp_path)
    list(train(replace(setup, tasks=setup.tasks[:2])))
    setup.control.stop()
    last = list(train(replace(setup, finished_stages=2)))[-1]
    assert isinstance(last, events.RunStopped)
    assert (last.stage, last.checkpoint) == (3, None)


def test_what_follows_a_lack_of_memory_is_shared_with_nobody_by_a_resumed_run_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedResults(tmp_path / "shared")
    whole = replace(small_setup(strategies.build("ewc", {}), tmp_path / "run"), shared=shared, content="texts")
    with monkeypatch.context() as patched:
        real, errors = gradients.accumulate_gradients, [MemoryError()]

        def failing(*given: Any, **settings: Any) -> Any:
            if errors:
                raise errors.pop()
            return real(*given, **settings)

        patched.setattr(step, "accumulate_gradients", failing)
        list(train(replace(whole, tasks=whole.tasks[:2])))
    list(train(replace(whole, finished_stages=1)))
    assert not any(shared.has(key) for key in whole.stage_keys)
    list(train(replace(whole, folder=tmp_path / "other")))
    assert all(shared.has(key) for key in whole.stage_keys)
