"""Cumulative training beside joint training: the same rows and budgets, from other weights."""

from pathlib import Path

import pytest
import torch

from engine import events, strategies
from engine.training.loop import train
from engine.training.opening import data_of
from tests.builders import small_setup
from tests.strategies.test_contract import same_weights


@pytest.mark.parametrize("stage_tokens", [None, 100])
def test_rows_and_budget_of_every_stage_are_those_of_joint_training(stage_tokens: int | None, tmp_path: Path) -> None:
    setups = [
        small_setup(strategies.build(name, {}), tmp_path, stage_tokens=stage_tokens) for name in ("cumulative", "joint")
    ]
    for stage in (1, 2, 3):
        own, joint = (data_of(setup, stage) for setup in setups)
        assert (own.steps, own.target_tokens) == (joint.steps, joint.target_tokens)
        assert setups[0].strategy.plan(stage).tasks == tuple(range(1, stage + 1))
        for step in range(1, own.steps + 1):
            rows = [data.rows.select(data.step(step)) for data in (own, joint)]
            assert torch.equal(rows[0].input_ids, rows[1].input_ids)
            assert own.peak_rate(step) == joint.peak_rate(step)


def test_a_stage_starts_from_the_weights_of_the_stage_before(tmp_path: Path) -> None:
    losses = {}
    for name in ("naive", "cumulative", "joint"):
        heard = list(train(small_setup(strategies.build(name, {}), tmp_path / name, tasks=2)))
        losses[name] = {e.stage: e.terms["new"] for e in reversed(heard) if isinstance(e, events.StepDone)}
    assert same_weights(tmp_path / "naive", tmp_path / "cumulative", 1)
    # The second stage's first batch holds half of what the first has learnt; joint begins with untrained weights.
    assert losses["cumulative"][2] < losses["joint"][2]
    assert strategies.build("cumulative", {}).plan(2).start == "previous"
