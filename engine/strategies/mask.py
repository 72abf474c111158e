"""Masked steps: at every step only the elements with the largest momentum move.

Chen et al. 2025, "MoFO: Momentum-Filtered Optimizer for Mitigating Forgetting in LLM Fine-Tuning", algorithm 1,
https://arxiv.org/abs/2407.20999.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Needs, State, StepTaken, Strategy
from engine.strategies.costs import Cost

if TYPE_CHECKING:
    from torch import Tensor


def largest(values: Tensor, fraction: float) -> Tensor:
    """A mask, shaped like `values`, of the `fraction` of its elements that are largest in magnitude: round(fraction ·
    n) of n, at least one, equal ones in the order of their index."""
    import torch

    size = values.abs().flatten()
    wanted = max(1, round(fraction * size.numel()))
    # torch.topk and kthvalue choose among equal values as it comes; the value at the border is what they agree on.
    border = size.kthvalue(size.numel() - wanted + 1).values
    reached = size >= border
    if reached.device.type == "cpu" and int(reached.count_nonzero()) == wanted:  # an accelerator would be waited for
        return reached.view(values.shape)
    above, at_border = size > border, size == border
    still_wanted = wanted - above.sum(dtype=torch.int32)
    chosen = above | (at_border & (at_border.cumsum(0, dtype=torch.int32) <= still_wanted))
    return chosen.view(values.shape)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Mask(Strategy):
    """min L(new) by θ_i ← θ_i − η (m̂_i / (√v̂_i + ε) + decay) where |m_i| is among the largest of its tensor, else θ_i.

    m is AdamW's first moment after the step, with the step's own gradient in it, as in the paper; each parameter tensor
    is a part of its own there and here, biases and norms too (the authors' code leaves those out). The moments of all
    elements go on; weight decay is part of the step and masked with it. With `fraction` 1 it is naive bit for bit.
    """

    name: ClassVar[str] = "mask"
    title: ClassVar[str] = "Masked steps"
    short_title: ClassVar[str] = "Masked"
    summary: ClassVar[str] = "Moves at each step only the weights whose momentum is among the largest of their tensor."
    choose_when: ClassVar[str] = (
        "Where neither old texts nor a state may be kept; a step holds two copies of the weights."
    )
    source: ClassVar[tuple[str, str]] = ("Chen et al. 2025, MoFO", "https://arxiv.org/abs/2407.20999")
    needs: ClassVar[tuple[Needs, ...]] = ("fewer weights",)
    null: ClassVar[dict[str, float]] = {"fraction": 1.0}
    offered_with: ClassVar[tuple[str, ...]] = ("replay",)
    sees_weights_before: ClassVar[bool] = True

    fraction: float = parameter(
        0.15, label="Fraction that moves", symbol="fraction", minimum=0.01, maximum=1.0, low=0.05, high=1.0, main=True,
        help="Share of each tensor that moves in a step, by the size of its momentum; 1 is naive, 0.05 to 0.2 usual.",
    )  # fmt: skip

    def acts(self, stage: int) -> bool:
        return self.fraction < 1

    def cost(self, stage: int) -> Cost:
        return Cost(copies=2 if self.acts(stage) else 0)  # the weights before the step; the masks and their ranks

    def update_mask(self, step: StepTaken, state: State) -> Mapping[str, Tensor] | None:
        if self.fraction == 1:
            return None
        return {name: largest(step.momentum(weight), self.fraction) for name, weight in step.weights.items()}
