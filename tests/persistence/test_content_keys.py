"""Results are named by what determines them and by nothing else: tasks so far, settings, arithmetic."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from engine import events, strategies
from engine.execution import execute
from engine.experiments.experiment import Experiment
from engine.experiments.training import Training
from engine.persistence.shared_results import SharedResults
from engine.training.loop import train
from engine.training.run_state import RunSetup
from tests.builders import small_setup
from tests.fake_runs import experiment

NAMES = ("naive", "replay", "ewc", "replay+ewc", "joint")


def setup_of(name: str, folder: Path, shared: Path, **changes: object) -> RunSetup:
    setup = small_setup(strategies.build(name, {}), folder, **changes)  # type: ignore[arg-type]
    return replace(setup, shared=SharedResults(shared), content="the same")


def matrix(heard: Sequence[events.Event]) -> list[Any]:
    return [(e.stage, e.step, e.whole, e.sample) for e in heard if isinstance(e, events.Evaluated) and e.whole]


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_is_named_by_the_tasks_so_far_and_not_by_later_ones(name: str, tmp_path: Path) -> None:
    setup = setup_of(name, tmp_path, tmp_path / "shared")
    fewer = replace(setup, tasks=setup.tasks[:2])
    other = replace(setup, tasks=(*setup.tasks[:2], replace(setup.tasks[2], fingerprint="other")))
    earlier = replace(setup, tasks=(replace(setup.tasks[0], fingerprint="other"), *setup.tasks[1:]))
    assert fewer.stage_keys == setup.stage_keys[:2] == other.stage_keys[:2]
    assert other.stage_keys[2] != setup.stage_keys[2]
    assert all(a != b for a, b in zip(earlier.stage_keys, setup.stage_keys, strict=True))


def test_held_out_text_names_no_stage_and_every_point(tmp_path: Path) -> None:
    setup = setup_of("naive", tmp_path, tmp_path / "shared")
    scored = replace(setup, tasks=(replace(setup.tasks[0], held_out_key="other"), *setup.tasks[1:]))
    assert scored.stage_keys == setup.stage_keys
    assert all(a != b for a, b in zip(scored.point_keys, setup.point_keys, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_task_added_later_takes_over_what_was_trained_and_gives_the_numbers_of_one_go(
    name: str, tmp_path: Path
) -> None:
    whole = setup_of(name, tmp_path / "whole", tmp_path / "alone")
    expected = list(train(whole))
    first = setup_of(name, tmp_path / "first", tmp_path / "shared")
    list(train(replace(first, tasks=first.tasks[:2])))
    heard = list(train(replace(first, folder=tmp_path / "second")))
    assert [e.shared for e in heard if isinstance(e, events.StageStarted)] == [True, True, False]
    assert matrix(heard) == matrix(expected)
    last = [load_file(folder / "stage-3" / "model.safetensors") for folder in (tmp_path / "whole", tmp_path / "second")]
    assert all((last[0][key] == last[1][key]).all() for key in last[0])
    # Within the stages that were there, the points of the curves are those of the tasks that were there.
    inside = [e for e in heard if isinstance(e, events.Evaluated) and e.whole is None and e.stage < 3]
    assert inside
    assert all(set(e.sample) == {"task 0", "task 1"} for e in inside)
    again = list(train(replace(first, folder=tmp_path / "third")))
    assert all(e.shared for e in again if isinstance(e, events.StageStarted))
    assert matrix(again) == matrix(expected)


def test_other_held_out_text_is_scored_anew_on_weights_that_are_taken_over(tmp_path: Path) -> None:
    first = setup_of("naive", tmp_path / "first", tmp_path / "shared")
    list(train(first))
    other = replace(first.tasks[0], held_out=first.tasks[1].held_out, held_out_key="other")
    heard = list(train(replace(first, folder=tmp_path / "second", tasks=(other, *first.tasks[1:]))))
    assert all(e.shared for e in heard if isinstance(e, events.StageStarted))
    rows = [e.whole for e in heard if isinstance(e, events.Evaluated) and e.whole]
    assert len(rows) == 4
    assert all(row["task 0"] == row["task 1"] for row in rows)


@pytest.mark.parametrize("setting", [{"learning_rate": 2e-2}, {"epochs": 3}])
def test_another_rate_or_number_of_epochs_is_another_stage(setting: dict[str, Any], tmp_path: Path) -> None:
    setup, other = (setup_of("naive", tmp_path, tmp_path / "shared", **changes) for changes in ({}, setting))
    assert all(a != b for a, b in zip(setup.stage_keys, other.stage_keys, strict=True))


def content_of(described: Experiment, **machine: object) -> str:
    facts = {"torch": "2", "transformers": "5", "device": "cpu", "instructions": "A", "precision": "float32"}
    return execute._content(described, facts | {"threads": 2, "platform": "one"} | machine)


@pytest.mark.parametrize(
    ("setting", "counts"),
    [
        ({"weight_decay": 0.1}, True), ({"block_size": 16}, True), ({"decay": "linear"}, True),
        ({"evaluation_tokens": 7}, False), ({"evaluations_per_stage": 3}, False), ({"held_out_tokens": 9}, False),
    ],
)  # fmt: skip
def test_settings_that_train_name_a_result_and_those_that_score_do_not(
    setting: dict[str, Any], counts: bool, tmp_path: Path
) -> None:
    described = experiment(tmp_path)
    other = described.model_copy(update={"training": Training(**setting)})
    plain = described.model_copy(update={"training": Training()})
    assert (content_of(other) != content_of(plain)) is counts


@pytest.mark.parametrize(
    ("fact", "counts"),
    [("instructions", True), ("threads", True), ("precision", True), ("torch", True), ("platform", False)],
)
def test_arithmetic_names_a_result_and_the_kernel_does_not(fact: str, counts: bool, tmp_path: Path) -> None:
    described = experiment(tmp_path)
    assert (content_of(described) != content_of(described, **{fact: "other"})) is counts
