"""A strategy that uses every verb, registered by tests: the whole contract and the pages must take it as it is.

It stands for methods to come: it draws the weights of a step towards those that the stage began with (a pull), slows
AdamW's step where its momentum is small (a mask), and keeps a running mean of the weights (a moving state).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from engine import strategies
from engine.common.parameters import parameter
from engine.common.random_streams import Streams
from engine.strategies.base import Gradients, StageView, State, StepTaken, Strategy
from engine.strategies.costs import Cost
from engine.strategies.terms import Pull


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Tether(Strategy):
    """min L(new) + (λ/2) ‖θ − θ_start‖², with masks and slow weights."""

    name: ClassVar[str] = "tether"
    title: ClassVar[str] = "Tether"
    short_title: ClassVar[str] = "Tether"
    summary: ClassVar[str] = "Pulls the weights towards those that the stage began with."
    choose_when: ClassVar[str] = "In tests alone."
    source: ClassVar[tuple[str, str]] = ("A test", "https://example.org")
    null: ClassVar[dict[str, float]] = {"tether_lambda": 0.0, "masked_share": 0.0, "slow_share": 0.0}
    sees_weights_before: ClassVar[bool] = True
    offered_with: ClassVar[tuple[str, ...]] = ("replay",)

    tether_lambda: float = parameter(
        5.0, label="Tether λ", minimum=0.0, maximum=1e6, low=0.1, high=100.0, main=True, help="Strength of the pull."
    )
    masked_share: float = parameter(
        0.25, label="Masked share", minimum=0.0, maximum=0.9, help="Share of elements that keep their place in a step."
    )
    slow_share: float = parameter(0.1, label="Slow share", minimum=0.0, maximum=1.0, help="Share of the running mean.")
    memory_size: int = parameter(3, label="Memory", minimum=0, maximum=10, help="Named like a parameter of replay.")

    def cost(self, stage: int) -> Cost:
        return Cost(tensors=0)

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        start = {name: weight.detach().clone() for name, weight in begin.weights.items()}
        return State({"start": start, "stage": begin.stage}, {name: each.clone() for name, each in start.items()})

    def combine(self, gradients: Mapping[str, Gradients], state: State) -> Gradients:
        names = list(dict.fromkeys(name for each in gradients.values() for name in each))
        return {name: torch.stack([each[name] for each in gradients.values() if name in each]).sum(0) for name in names}

    def pulls(self, state: State) -> Sequence[Pull]:
        return (Pull(self.name, state.fixed["start"], self.tether_lambda),) if self.tether_lambda else ()

    def update_mask(self, step: StepTaken, state: State) -> Mapping[str, Tensor] | None:
        if not self.masked_share:
            return None
        momenta = {name: step.momentum(weight).abs() for name, weight in step.weights.items()}
        return {name: each >= each.flatten().float().quantile(self.masked_share) for name, each in momenta.items()}

    def after_step(self, step: StepTaken, state: State, random: Streams) -> State:
        if not self.slow_share:
            return state
        slow = {name: each.lerp(step.weights[name].detach(), 0.5) for name, each in state.moving.items()}
        for name, weight in step.weights.items():
            weight.lerp_(slow[name], self.slow_share)
        return State(state.fixed, slow)

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        return State()


def register() -> None:
    """Add it as its one line in the registry would."""
    strategies._BY_NAME.setdefault(Tether.name, Tether)


def remove() -> None:
    strategies._BY_NAME.pop(Tether.name, None)
