"""A task that is added to a run: the stages before it are taken from the run that had fewer, to the same numbers."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import events, strategies
from engine.events.run_events import ARITHMETIC, NUMBERS
from engine.events.scores import Score
from engine.models.loading import LoadedModel
from engine.persistence.checkpoints import load_state, stage_folder
from engine.persistence.shared_results import SharedResults
from engine.persistence.taken_stages import TakenStages, note_taken, taken_stages
from engine.strategies.base import Strategy
from engine.training import loop
from engine.training.loop import train
from engine.training.run_state import RunSetup
from engine.training.scored_texts import Scored
from tests.builders import small_setup

HERE = dict.fromkeys((*ARITHMETIC, NUMBERS), "as here")
NAMES = (*strategies.registry(), "replay+ewc", "replay+lora", "ewc+lora")


def with_tasks(strategy: Strategy, folder: Path, tasks: int) -> RunSetup:
    """A run over the first of three tasks."""
    whole = small_setup(strategy, folder)
    return replace(whole, tasks=whole.tasks[:tasks], environment=HERE)


def continued(strategy: Strategy, before: Path, folder: Path, stages: int = 2) -> RunSetup:
    """A run over three tasks that has taken the stages of one that had two."""
    shutil.copytree(before, folder)
    whole = with_tasks(strategy, folder, 3)
    scored = tuple(task.name for task in whole.tasks[:stages])
    return replace(whole, finished_stages=stages, taken=TakenStages(stages, scored, HERE))


def tables(heard: list[events.Event]) -> dict[tuple[int, int, str], tuple[Score, Score]]:
    """What was scored after stages: the sample and the whole by stage, step and text."""
    return {
        (event.stage, event.step, name): (event.sample[name], whole)
        for event in heard
        if isinstance(event, events.Evaluated)
        for name, whole in (event.whole or {}).items()
    }


def same_states(one: Path, other: Path) -> bool:
    return repr(flat(load_state(one))) == repr(flat(load_state(other)))


def flat(value: object) -> Iterator[object]:
    """Everything in a state, tensors by their bits."""
    if isinstance(value, torch.Tensor):
        yield value.dtype, value.shape, value.flatten().tolist()
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from list(flat(each))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from list(flat(each))
    elif hasattr(value, "__dict__") or hasattr(value, "__dataclass_fields__"):
        yield from list(flat(vars(value)))
    else:
        yield value


def model_bytes(folder: Path, stage: int) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in stage_folder(folder, stage).glob("*.safetensors")}


@pytest.mark.parametrize("name", NAMES)
def test_weights_states_and_scores_are_those_of_a_run_that_had_the_task_from_the_start(
    name: str, tmp_path: Path
) -> None:
    strategy = strategies.build(name, {})
    first = list(train(with_tasks(strategy, tmp_path / "two", 2)))
    whole = list(train(with_tasks(strategy, tmp_path / "three", 3)))
    later = list(train(continued(strategy, tmp_path / "two", tmp_path / "added")))
    assert not [event for event in later if isinstance(event, events.StageStarted) and event.stage < 3]
    for stage in (1, 2, 3):
        assert model_bytes(tmp_path / "added", stage) == model_bytes(tmp_path / "three", stage)
    assert same_states(stage_folder(tmp_path / "added", 3), stage_folder(tmp_path / "three", 3))
    assert tables(first) | tables(later) == tables(whole)
    assert len(tables(later)) == 3 + 3  # rows 0, 1 and 2 of the added task, and the whole row 3


def test_kept_moments_of_the_optimiser_come_along(tmp_path: Path) -> None:
    strategy = strategies.build("naive", {})
    for folder, tasks in (("two", 2), ("three", 3)):
        setup = with_tasks(strategy, tmp_path / folder, tasks)
        list(train(replace(setup, training=replace(setup.training, optimizer_state="keep"))))
    setup = continued(strategy, tmp_path / "two", tmp_path / "added")
    list(train(replace(setup, training=replace(setup.training, optimizer_state="keep"))))
    assert model_bytes(tmp_path / "added", 3) == model_bytes(tmp_path / "three", 3)


def test_a_run_that_has_taken_stages_goes_on_inside_the_added_one_to_the_same_numbers(tmp_path: Path) -> None:
    strategy = strategies.build("replay+ewc", {})
    list(train(with_tasks(strategy, tmp_path / "two", 2)))
    whole = list(train(with_tasks(strategy, tmp_path / "three", 3)))
    setup = replace(continued(strategy, tmp_path / "two", tmp_path / "added"), point_seconds=0.0)
    cut_short, seen = train(setup), []
    for event in cut_short:
        seen.append(event)
        if isinstance(event, events.PointKept):
            break
    cut_short.close()
    seen += list(train(setup))
    assert model_bytes(tmp_path / "added", 3) == model_bytes(tmp_path / "three", 3)
    assert tables(whole).items() >= tables(seen).items()


def test_runs_that_have_taken_the_same_stage_share_what_was_scored_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored, evaluate = list[int](), loop.evaluate

    def counted(setup: RunSetup, base: LoadedModel, texts: Scored, stage: int, step: int, whole: bool) -> Any:
        scored.append(stage)
        return evaluate(setup, base, texts, stage, step, whole)

    monkeypatch.setattr(loop, "evaluate", counted)
    strategy, shared = strategies.build("naive", {}), SharedResults(tmp_path / "shared")
    list(train(with_tasks(strategy, tmp_path / "two", 2)))
    found = []
    for number in range(2):
        setup = continued(strategy, tmp_path / "two", tmp_path / f"added {number}")
        scored.clear()
        found.append(tables(list(train(replace(setup, shared=shared, content="texts")))))
        assert scored.count(0) == scored.count(1) == (number == 0)
    assert found[0] == found[1]


@pytest.mark.parametrize("fact", [*ARITHMETIC, NUMBERS])
def test_stages_of_another_arithmetic_are_taken_and_nothing_that_follows_is_shared(fact: str, tmp_path: Path) -> None:
    strategy, shared = strategies.build("replay", {}), SharedResults(tmp_path / "shared")
    list(train(with_tasks(strategy, tmp_path / "two", 2)))
    setup = continued(strategy, tmp_path / "two", tmp_path / "added")
    setup = replace(setup, shared=shared, content="texts", environment=HERE | {fact: "elsewhere"})
    assert setup.has_unlike_stages
    assert isinstance(list(train(setup))[-1], events.RunFinished)
    assert not any((shared.folder / key).exists() for key in setup.stage_keys)
    assert load_state(stage_folder(tmp_path / "added", 3))["is_shareable"] is False


def test_the_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert taken_stages(tmp_path) is None
    taken = TakenStages(2, ("one", 'tw"o'), {"torch": "2", "threads": 4})
    note_taken(tmp_path, taken)
    assert taken_stages(tmp_path) == taken
