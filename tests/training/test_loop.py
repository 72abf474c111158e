from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from engine import events, strategies
from engine.common.errors import TrainingError
from engine.common.random_streams import Streams
from engine.events.control import Control
from engine.experiments.settings_of_stage import StageSettings
from engine.experiments.training import Training
from engine.training.loop import train
from engine.training.optimizer import learning_rate_at
from engine.training.run_state import RunSetup
from engine.training.stage_data import stage_data
from tests.builders import blocks_of, random_documents, small_setup


def naive_setup(folder: Path, **changes: object) -> RunSetup:
    return small_setup(strategies.build("naive", {}), folder, tasks=2, **changes)


def test_events_come_in_the_order_of_the_run(tmp_path: Path) -> None:
    happened = [e for e in train(naive_setup(tmp_path, epochs=1)) if not isinstance(e, events.Phase)]
    kinds = [type(e).__name__ for e in happened if not isinstance(e, events.StepDone)]
    stage = ["StageStarted", "Evaluated", "Evaluated", "StageFinished"]
    assert kinds == ["RunStarted", "Evaluated", *stage, *stage, "RunFinished"]
    steps = [e.step for e in happened if isinstance(e, events.StepDone)]
    assert steps == list(range(1, happened[0].steps + 1))
    whole = [e.stage for e in happened if isinstance(e, events.Evaluated) and e.whole]
    assert whole == [0, 1, 2]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["naive", "joint"])
def test_the_promised_steps_and_tokens_are_those_taken(name: str, seed: int, tmp_path: Path) -> None:
    setup = replace(small_setup(strategies.build(name, {}), tmp_path, stage_tokens=90, tokens_per_step=16), seed=seed)
    happened = list(train(setup))
    promised = next(e for e in happened if isinstance(e, events.RunStarted)).steps
    assert promised == sum(isinstance(e, events.StepDone) for e in happened)
    for started in (e for e in happened if isinstance(e, events.StageStarted)):
        done = [e for e in happened if isinstance(e, events.StepDone) and e.stage == started.stage]
        assert len(done) == started.steps
        assert sum(e.target_tokens for e in done) == started.target_tokens


def test_training_learns_and_naive_training_forgets(tmp_path: Path) -> None:
    rows = [e.whole for e in train(naive_setup(tmp_path, epochs=6)) if isinstance(e, events.Evaluated) and e.whole]
    first = [row["task 0"].nats_per_token for row in rows]
    second = [row["task 1"].nats_per_token for row in rows]
    assert first[1] < first[0] - 0.2
    assert first[2] > first[1] + 0.2
    assert second[2] < second[1] - 0.2


@pytest.fixture
def two_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are reported late, as on an accelerator."""
    for module in ("step", "loop"):
        monkeypatch.setattr(f"engine.training.{module}.steps_in_flight", lambda device: 2)


@pytest.mark.parametrize("name", ["naive", "replay+ewc"])
def test_reports_that_come_late_say_the_same_in_the_same_order(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    def said(folder: str) -> list[object]:
        setup = small_setup(strategies.build(name, {}), tmp_path / folder, tasks=2)
        happened = [e for e in train(setup) if not isinstance(e, events.StageFinished | events.RunFinished)]
        return [replace(e, seconds=0.0) if hasattr(e, "seconds") else e for e in happened]

    at_once = said("a")
    request.getfixturevalue("two_in_flight")
    assert said("b") == at_once


@pytest.mark.usefixtures("two_in_flight")
def test_a_stop_reports_the_steps_whose_weights_it_keeps(tmp_path: Path) -> None:
    setup = naive_setup(tmp_path, evaluations_per_stage=1)
    happened = []
    for event in train(setup):
        happened.append(event)
        if isinstance(event, events.StepDone) and event.step == 1:
            setup.control.stop()
    steps = [e.step for e in happened if isinstance(e, events.StepDone)]
    assert steps == list(range(1, happened[-1].step + 1))
    assert happened[-1].step > 1


@pytest.mark.usefixtures("two_in_flight")
def test_a_loss_that_is_not_finite_is_found_in_a_late_report(tmp_path: Path) -> None:
    setup = with_nan_weights(naive_setup(tmp_path))
    with pytest.raises(TrainingError, match="step 1 of stage 1"):
        list(train(setup))


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(tmp_path: Path) -> None:
    def numbers(folder: str, seed: int) -> list[dict[str, float]]:
        setup = replace(naive_setup(tmp_path / folder, epochs=1), seed=seed)
        return [e.terms for e in train(setup) if isinstance(e, events.StepDone)]

    assert numbers("a", 0) == numbers("b", 0)
    assert numbers("a", 0) != numbers("c", 1)


def test_a_stop_keeps_the_weights_reached(tmp_path: Path) -> None:
    setup = naive_setup(tmp_path)
    happened = []
    for event in train(setup):
        happened.append(event)
        if isinstance(event, events.StepDone) and event.stage == 2:
            setup.control.stop()
    stopped = happened[-1]
    assert isinstance(stopped, events.RunStopped)
    assert (stopped.stage, stopped.checkpoint) == (2, tmp_path / "inside-2-1")
    AutoModelForCausalLM.from_pretrained(tmp_path / "inside-2-1")
    assert (tmp_path / "stage-1").is_dir()
    assert not (tmp_path / "stage-2").exists()
    list(train(replace(setup, control=Control(), finished_stages=1)))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["stage-1", "stage-2"]


def test_a_stop_before_the_first_step_keeps_nothing(tmp_path: Path) -> None:
    setup = naive_setup(tmp_path)
    setup.control.stop()
    last = list(train(setup))[-1]
    assert isinstance(last, events.RunStopped)
    assert last.checkpoint is None


def test_paused_time_is_not_training_time() -> None:
    import threading

    control = Control()
    control.pause()
    threading.Timer(0.2, control.resume).start()
    control.check()
    assert control.paused_seconds >= 0.15


def with_nan_weights(setup: RunSetup) -> RunSetup:
    def broken(checkpoint: Path | None) -> object:
        base = setup.load_model(checkpoint)
        with torch.no_grad():
            next(base.model.parameters()).fill_(float("nan"))
        return base

    return replace(setup, load_model=broken)


def test_a_loss_that_is_not_finite_ends_the_run_in_words(tmp_path: Path) -> None:
    setup = with_nan_weights(naive_setup(tmp_path, learning_rate=1.0, gradient_clip=None))
    with pytest.raises(TrainingError, match="step 1 of stage 1"):
        list(train(setup))


def test_gradient_accumulation_changes_nothing_beyond_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def last(folder: str) -> float:
        return [e for e in train(naive_setup(tmp_path / folder)) if isinstance(e, events.StepDone)][-1].terms["new"]

    whole = last("a")
    monkeypatch.setattr("engine.models.lm_head.LOGITS_AT_ONCE", 1)
    assert last("b") == pytest.approx(whole, rel=1e-3)


def test_a_stages_learning_rate_warms_up_and_falls_to_nothing() -> None:
    training = Training(warmup_share=0.1, decay="cosine")
    rates = [learning_rate_at(step, 100, 1.0, training) for step in range(1, 101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert learning_rate_at(1, 1, 1.0, training) > 0
    assert learning_rate_at(50, 100, 1.0, Training(warmup_share=0.0, decay="constant")) == 1.0


def test_a_token_budget_ends_a_stage_with_the_row_that_reaches_it() -> None:
    packed = blocks_of(random_documents(60, seed=1))
    training = Training(block_size=16, tokens_per_step=32, stage_tokens=100)
    data = stage_data([packed], StageSettings((3,), (5e-4,)), training, Streams(0), 1)
    assert 100 <= data.target_tokens < 100 + 16


def test_joint_training_gives_every_task_its_own_budget() -> None:
    small, large = blocks_of(random_documents(20, seed=1)), blocks_of(random_documents(80, seed=2))
    training = Training(block_size=16, tokens_per_step=32)
    data = stage_data([small, large], StageSettings((2, 2), (5e-4, 5e-4)), training, Streams(0), 2)
    assert data.target_tokens == 2 * (small.target_tokens + large.target_tokens)
    assert int((data.order < len(small)).sum()) == 2 * len(small)


@pytest.mark.parametrize(
    ("name", "parameter", "value", "weights"),
    [
        ("replay", "replay_weight", 0.3, (("replay", 0.3),)),
        ("kl", "kl_weight", 0.3, (("kl", 0.3),)),
        ("der", "logit_weight", 0.3, (("der", 0.3),)),
        ("self-replay", "replay_weight", 0.3, (("self-replay", 0.3),)),
        ("ewc", "ewc_lambda", 3.0, (("ewc pull", 1.0), ("ewc constant", 1.0))),
    ],
)
def test_the_total_is_the_sum_of_what_is_minimised_each_with_its_weight(
    name: str, parameter: str, value: float, weights: tuple[tuple[str, float], ...], tmp_path: Path
) -> None:
    run = train(small_setup(strategies.build(name, {parameter: value}), tmp_path, tasks=2))
    last = [event for event in run if isinstance(event, events.StepDone)][-1].terms
    parts = [(term, weight) for term, weight in weights if term in last]
    assert parts
    assert last["total"] == pytest.approx(last["new"] + sum(weight * last[term] for term, weight in parts))
    assert last.keys() == {"new", "total", *(term for term, _ in parts)}
