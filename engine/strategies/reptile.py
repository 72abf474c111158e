"""Reptile's rule over the steps of a stage; with replay it is meta-experience replay.

Nichol et al. 2018, "On First-Order Meta-Learning Algorithms", https://arxiv.org/abs/1803.02999, algorithm 1, on groups
of AdamW steps. Riemer et al. 2019, "Learning to Learn without Forgetting by Maximizing Transfer and Minimizing
Interference", https://arxiv.org/abs/1810.11910, join it to replay (MER); Abbes et al. 2025,
https://arxiv.org/abs/2508.01908, do so for language models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Needs, StageView, State, StepTaken, Strategy
from engine.strategies.costs import Cost

if TYPE_CHECKING:
    from engine.common.random_streams import Streams


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Reptile(Strategy):
    """θ_slow ← θ_slow + γ (θ − θ_slow) after every k steps, from where θ goes on. γ = 1 is naive bit for bit.

    To first order in the learning rate this favours steps whose gradients agree. A stage begins with θ_slow = θ; the
    last group of its steps may be shorter than k and moves θ_slow by the same rule, so that θ_slow is what a stage
    ends with. AdamW's moments stay as they are. It acts in every stage: its rule needs no past task.
    """

    name: ClassVar[str] = "reptile"
    title: ClassVar[str] = "Reptile"
    short_title: ClassVar[str] = "Reptile"
    summary: ClassVar[str] = "After every few steps, goes only a part of the way that they have led."
    choose_when: ClassVar[str] = (
        "Beside replay, to favour steps on which old and new texts agree; one copy of the weights, no further tokens."
    )
    source: ClassVar[tuple[str, str]] = ("Riemer et al. 2019", "https://arxiv.org/abs/1810.11910")
    needs: ClassVar[tuple[Needs, ...]] = ("a second copy of the weights",)
    null: ClassVar[dict[str, float]] = {"meta_rate": 1.0}
    offered_with: ClassVar[tuple[str, ...]] = ("replay",)

    meta_rate: float = parameter(
        0.5, label="Meta rate γ", symbol="γ", minimum=0.1, maximum=1.0, main=True,
        help="The share of the way of a group of steps that is gone; 1 is naive.",
    )  # fmt: skip
    every_steps: int = parameter(
        10, label="Steps a group", symbol="group", minimum=1, maximum=1_000_000, low=2, high=100, unit="steps",
        main=True,
        help="How many optimiser steps make a group.",
    )  # fmt: skip

    def acts(self, stage: int) -> bool:
        return self.meta_rate < 1

    def cost(self, stage: int) -> Cost:
        return Cost(copies=int(self.acts(stage)))

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        if not self.acts(begin.stage):
            return state
        return State(moving={name: weight.detach().clone() for name, weight in begin.weights.items()})

    def after_step(self, step: StepTaken, state: State, random: Streams) -> State:
        is_last = step.step == step.steps
        if not self.acts(step.stage) or (step.step % self.every_steps and not is_last):
            return state
        slow = {name: state.moving[name].lerp(weight, self.meta_rate) for name, weight in step.weights.items()}
        for name, weight in step.weights.items():
            weight.copy_(slow[name])
        return State() if is_last else State(moving=slow)  # the stage's checkpoint holds θ_slow
