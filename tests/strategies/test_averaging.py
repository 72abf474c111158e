"""Averaging with the weights that a stage began with: when, by how much, and what is scored and saved."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import GPT2LMHeadModel

from engine import events
from engine.common.random_streams import Streams
from engine.strategies.averaging import Averaging
from engine.strategies.base import State, StepTaken
from engine.training.evaluation import evaluate
from engine.training.loop import train
from tests.builders import base_of, small_setup
from tests.training.test_runs_by_hand import whole_batches

Seen = tuple[int, int, dict[str, Tensor], dict[str, Tensor]]


def copies(tensors: Any) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in tensors.items()}


def watched(folder: Path, **parameters: float) -> tuple[list[events.Event], list[Seen]]:
    """A run of ten steps a stage, and of each step its stage and number, the weights that AdamW left and those after
    the strategy."""
    seen: list[Seen] = []

    class Watched(Averaging):
        def after_step(self, step: StepTaken, state: State, random: Streams) -> State:
            before, moments = copies(step.weights), {n: step.momentum(w).clone() for n, w in step.weights.items()}
            found = super().after_step(step, state, random)
            seen.append((step.stage, step.step, before, copies(step.weights)))
            assert all(torch.equal(step.momentum(weight), moments[name]) for name, weight in step.weights.items())
            return found

    setup = whole_batches("naive", {}, folder, epochs=10)
    heard = list(train(replace(setup, strategy=Watched(**parameters))))
    assert [event.steps for event in heard if isinstance(event, events.StageStarted)] == [10, 10, 10]
    return heard, seen


def saved(folder: Path, stage: int) -> dict[str, Tensor]:
    return load_file(folder / f"stage-{stage}" / "model.safetensors")


def changed(step: Seen) -> bool:
    return any(not torch.equal(step[2][name], step[3][name]) for name in step[2])


def test_a_share_of_three_tenths_of_ten_steps_averages_after_3_6_and_9_and_at_the_end_once(tmp_path: Path) -> None:
    beta = 0.25
    _, seen = watched(tmp_path, averaging_weight=beta, every_share=0.3)
    assert [(stage, step) for stage, step, *_ in filter(changed, seen)] == [
        (t, s) for t in (2, 3) for s in (3, 6, 9, 10)
    ]
    for stage, _, before, after in filter(changed, seen):
        start = saved(tmp_path, stage - 1)
        for name, theta in before.items():
            assert torch.allclose(after[name], (1 - beta) * theta + beta * start[name], atol=1e-7)


@pytest.mark.parametrize(
    ("share", "steps", "ends"),
    [
        (1.0, 10, (10,)),
        (0.5, 10, (5, 10)),
        (0.25, 10, (2, 5, 8, 10)),
        (0.3, 10, (3, 6, 9, 10)),
        (0.1, 10, tuple(range(1, 11))),
        (1 / 3, 9, (3, 6, 9)),
        (0.6, 10, (6, 10)),
        (0.05, 4, (1, 2, 3, 4)),
        (0.25, 1, (1,)),
    ],
)
def test_parts_end_where_shares_of_the_steps_round_to_and_at_the_end(
    share: float, steps: int, ends: tuple[int, ...]
) -> None:
    strategy = Averaging(every_share=share)
    assert tuple(step for step in range(1, steps + 1) if strategy.ends_part(step, steps)) == ends


def test_the_weights_that_are_scored_and_saved_are_the_averaged_ones_at_the_last_stage_too(tmp_path: Path) -> None:
    heard, seen = watched(tmp_path, averaging_weight=0.4, every_share=1.0)
    whole = {e.stage: e for e in heard if isinstance(e, events.Evaluated) and e.whole}
    setup = whole_batches("averaging", {}, tmp_path)
    for stage in (2, 3):
        (last,) = [step for step in seen if step[:2] == (stage, 10)]
        kept = saved(tmp_path, stage)
        assert changed(last)
        assert all(torch.equal(kept[name], last[3][name]) for name in last[3])
        base = base_of(GPT2LMHeadModel.from_pretrained(tmp_path / f"stage-{stage}"))
        again = evaluate(setup, base, setup.scored, stage, 0, whole=True)
        assert again.whole == whole[stage].whole


def test_a_weight_of_one_undoes_every_stage_but_the_first(tmp_path: Path) -> None:
    _, seen = watched(tmp_path, averaging_weight=1.0, every_share=1.0)
    assert all(torch.equal(saved(tmp_path, 1)[name], each) for name, each in saved(tmp_path, 3).items())
    assert not any(changed(step) for step in seen if step[0] == 1)


def test_a_run_that_is_stopped_between_two_averages_goes_on_from_the_same_start(tmp_path: Path) -> None:
    whole = small_setup(Averaging(every_share=0.3), tmp_path / "whole", tasks=2)
    list(train(whole))
    cut = replace(whole, folder=tmp_path / "cut", point_seconds=0.0)
    for event in train(cut):
        if isinstance(event, events.StepDone) and event.stage == 2:
            cut.control.stop()
    list(train(replace(cut, finished_stages=1, control=type(cut.control)())))
    assert all(torch.equal(saved(tmp_path / "whole", 2)[n], each) for n, each in saved(tmp_path / "cut", 2).items())
