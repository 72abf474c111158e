"""Averaging with the weights that a stage began with.

Kleiman et al. 2025, "Soup to go: mitigating forgetting during continual learning with model averaging",
https://arxiv.org/abs/2501.05559; merging once a part of the data as in Alexandrov et al. 2024, "Mitigating Catastrophic
Forgetting in Language Transfer via Model Merging", https://arxiv.org/abs/2407.08699.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Needs, StageView, State, StepTaken, Strategy
from engine.strategies.costs import Cost

if TYPE_CHECKING:
    from engine.common.random_streams import Streams


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Averaging(Strategy):
    """θ ← (1−β) θ + β θ_start after each part of a stage and after its last step. β = 0 is naive bit for bit.

    θ_start is the weights that the stage began with. A share p of the stage's steps makes a part; where the last part
    is shorter, the stage's end is averaged all the same, and in any case once. AdamW's moments stay as they are.
    It acts from stage 2 on: before that, no task has taught the model anything that is to be kept, so that stage 1 is
    plain training, and all strategies meet the second task with the same model.
    """

    name: ClassVar[str] = "averaging"
    title: ClassVar[str] = "Averaging with earlier weights"
    short_title: ClassVar[str] = "Averaging"
    summary: ClassVar[str] = (
        "Moves the weights back towards those that a stage began with, several times in each stage after the first."
    )
    choose_when: ClassVar[str] = (
        "Where no old text may be kept and steps may cost nothing more; one copy of the weights."
    )
    source: ClassVar[tuple[str, str]] = ("Kleiman et al. 2025", "https://arxiv.org/abs/2501.05559")
    needs: ClassVar[tuple[Needs, ...]] = ("a second copy of the weights",)
    null: ClassVar[dict[str, float]] = {"averaging_weight": 0.0}

    averaging_weight: float = parameter(
        0.25, label="Averaging weight β", symbol="β", minimum=0.0, maximum=1.0, main=True,
        help="Weight of the stage's first weights in the average; 0 is naive, 1 undoes the stage.",
    )  # fmt: skip
    every_share: float = parameter(
        0.25, label="Averaged every", symbol="every", minimum=0.05, maximum=1.0, unit="share of a stage", main=True,
        help="The part of a stage's steps after which the weights are averaged; 1: at the stage's end alone.",
    )  # fmt: skip

    def acts(self, stage: int) -> bool:
        return stage > 1 and self.averaging_weight > 0

    def cost(self, stage: int) -> Cost:
        return Cost(copies=int(self.acts(stage)))  # a checkpoint holds θ_start already

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        return State(begin.kept_weights(begin.starts_from)) if self.acts(begin.stage) else state

    def after_step(self, step: StepTaken, state: State, random: Streams) -> State:
        if self.acts(step.stage) and self.ends_part(step.step, step.steps):
            for name, weight in step.weights.items():
                weight.lerp_(state.fixed.tensors[name], self.averaging_weight)
        return state

    def ends_part(self, step: int, steps: int) -> bool:
        """Whether `step` is the last of a part, the n-th of which ends after n · every_share · `steps` steps, rounded,
        or the last of the stage's `steps`."""
        parts = range(1, math.ceil(1 / self.every_share))
        return step == steps or step in (round(part * self.every_share * steps) for part in parts)

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        return State()
