"""What a step minimises, as data: terms of the loss, what they are measured against, and quadratics on the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from engine.models.distributions import Distributions
    from engine.tokens.blocks import Blocks


@dataclass(frozen=True)
class Term:
    """weight · (mean over the target tokens of `blocks` of the token loss): one term of what a step minimises.

    The token loss is −log p(target), or KL(π ‖ p) in nats where the term is `against` distributions π. Terms whose
    `blocks` are one object share a pass over them. A term of weight 0 does not enter the pass. One that is not
    `minimised` is there for its gradient alone, which `combine` sees; it is reported and does not count in the total.
    """

    name: str
    """The strategy's own name, or begins with it."""
    blocks: Blocks
    weight: float = 1.0
    minimised: bool = True
    against: Distributions | None = None


@dataclass(frozen=True)
class Pull:
    """(weight / 2) · (Σ importance (θ − centre)² + constant): a strategy's quadratic on the weights.

    It is reported as "NAME pull", its constant as "NAME constant" where there is one.
    """

    name: str
    """The strategy's own name."""
    centre: Mapping[str, Tensor]
    weight: float
    importance: Mapping[str, Tensor] | None = None
    """Float32, shaped like the weights; None for 1 everywhere."""
    constant: float = 0.0
