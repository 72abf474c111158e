"""Reptile's rule: groups of steps, the slow weights in between, and the last group of a stage."""

from pathlib import Path

import torch
from torch import Tensor

from engine import strategies
from engine.common.random_streams import Streams
from engine.persistence.checkpoints import load_stage_state
from engine.strategies.base import StageView, State, StepTaken, Strategy
from engine.strategies.reptile import Reptile
from engine.training.loop import train
from tests.builders import BLOCK, random_documents, small_setup, tiny_gpt2


def walked(strategy: Strategy, steps: int, state: State | None = None) -> tuple[list[float], list[State]]:
    """One weight that begins at 0 and goes 1 further with every step, as the strategy leaves it after each."""
    theta = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    state = state or State(moving={"w": theta.detach().clone()})
    places, states = [], []
    for step in range(1, steps + 1):
        with torch.no_grad():
            theta.add_(1.0)
            taken = StepTaken(1, step, steps, {"w": theta}, lambda weight: torch.zeros_like(weight), None)
            state = strategy.after_step(taken, state, Streams(0))
        places.append(float(theta.detach()))
        states.append(state)
    return places, states


def test_after_every_second_step_it_goes_a_quarter_of_the_way_and_at_the_end_of_the_one_that_is_left() -> None:
    places, states = walked(Reptile(meta_rate=0.25, every_steps=2), 5)
    assert places == [1.0, 0.5, 1.5, 1.0, 1.25]
    assert [float(state.moving["w"]) for state in states[:-1]] == [0.0, 0.5, 0.5, 1.0]


def test_a_last_group_that_is_whole_is_gone_once() -> None:
    assert walked(Reptile(meta_rate=0.25, every_steps=2), 4)[0] == [1.0, 0.5, 1.5, 1.0]
    assert walked(Reptile(meta_rate=0.5, every_steps=100), 3)[0] == [1.0, 2.0, 1.5]


def test_the_slow_weights_are_kept_apart_from_the_weights_that_go_on() -> None:
    strategy, model = Reptile(), tiny_gpt2()
    view = StageView(1, model, random_documents(2, seed=0), BLOCK, packed=True, check=lambda: None)
    slow: dict[str, Tensor] = strategy.begin_stage(view, State(), Streams(0)).moving
    assert all(torch.equal(slow[name], weight) for name, weight in view.weights.items())
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1.0)
    assert not any(torch.equal(slow[name], weight) for name, weight in view.weights.items())
    _, states = walked(Reptile(meta_rate=0.25, every_steps=1), 3)
    assert [float(state.moving["w"]) for state in states[:2]] == [0.25, 0.5]


def test_a_finished_stage_keeps_no_slow_weights_since_its_weights_are_them(tmp_path: Path) -> None:
    list(train(small_setup(Reptile(), tmp_path, tasks=2)))
    assert [load_stage_state(tmp_path / f"stage-{stage}") for stage in (1, 2)] == [State(), State()]


def test_beside_replay_both_parts_act_and_the_memory_stays(tmp_path: Path) -> None:
    strategy = strategies.build("replay+reptile", {"every_steps": 2, "memory_size": 6})
    list(train(small_setup(strategy, tmp_path, tasks=2)))
    memory = load_stage_state(tmp_path / "stage-2").fixed[0]
    assert len(memory.tasks) == 1
    assert strategy.cost(2).copies == 1
    assert strategy.cost(2).tokens_per_new_token == 0.5
