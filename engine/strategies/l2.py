"""L2 regularisation towards earlier weights.

Kumar et al. 2023, "Maintaining Plasticity in Continual Learning via Regenerative Regularization",
https://arxiv.org/abs/2308.11958, whose reference is the weights of the beginning; towards the previous task's
weights it is the baseline "L2" of Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Needs, StageView, State, Strategy
from engine.strategies.costs import Cost
from engine.strategies.terms import Pull

if TYPE_CHECKING:
    from engine.common.random_streams import Streams


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class L2(Strategy):
    """min L(new) + (λ/2) ‖θ − θ_reference‖². λ = 0 is naive bit for bit.

    The reference "previous" is the weights that the previous task has left: elastic weight consolidation with a Fisher
    information of 1 for every weight. Like it, it acts from stage 2 on, since before that there is no task to hold on
    to. The reference "base" is the base model in every stage, so that it acts from stage 1 on.
    """

    name: ClassVar[str] = "l2"
    title: ClassVar[str] = "L2 towards earlier weights"
    short_title: ClassVar[str] = "L2"
    summary: ClassVar[str] = "Holds all weights alike near those of the previous task, or of the base model."
    choose_when: ClassVar[str] = (
        "As the plain form of EWC, without a Fisher; or, towards the base model, to keep what that could do."
    )
    source: ClassVar[tuple[str, str]] = ("Kumar et al. 2023", "https://arxiv.org/abs/2308.11958")
    needs: ClassVar[tuple[Needs, ...]] = ("a second copy of the weights",)
    null: ClassVar[dict[str, float]] = {"l2_lambda": 0.0}

    l2_lambda: float = parameter(
        0.1, label="L2 λ", symbol="λ", minimum=0.0, maximum=1e12, low=1e-6, high=1e2, scale="log", main=True,
        help="Strength of the pull, the same for every weight; 0 is naive.",
    )  # fmt: skip
    reference: Literal["previous", "base"] = parameter(
        "previous", label="Reference", symbol="to", main=True,
        help="previous: the weights after the previous task, from the second on; base: the base model's, always.",
    )  # fmt: skip

    @property
    def compares_with_base(self) -> bool:
        return self.l2_lambda > 0 and self.reference == "base"

    def acts(self, stage: int) -> bool:
        return self.l2_lambda > 0 and (stage > 1 or self.reference == "base")

    def cost(self, stage: int) -> Cost:
        return Cost(copies=int(self.acts(stage)))  # a checkpoint holds the reference already

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        if not self.acts(begin.stage):
            return state
        return State(begin.kept_weights(0 if self.reference == "base" else begin.stage - 1))

    def pulls(self, state: State) -> Sequence[Pull]:
        return () if state.fixed is None else (Pull(self.name, state.fixed.tensors, self.l2_lambda),)

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        return State()
