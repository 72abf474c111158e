"""How far a model has moved away from the base model: KL(base ‖ now) on the general text, the earliest sign that
something is being forgotten. Nothing of the text is learnt, and no task touches it."""

from collections.abc import Callable

import torch
from torch import Tensor

MOST_TOKENS = 256
"""The places at which distributions are compared: each takes four bytes for every entry of the vocabulary."""


class Drift:
    """The base model's distributions in the places of some tokens, against which later models are held."""

    def __init__(self, target_tokens: int, of_base: Callable[[Callable[[], Tensor]], Tensor]) -> None:
        """Of the text's `target_tokens` up to `MOST_TOKENS` are looked at, evenly spaced. `of_base` gives the base
        model's log-probabilities, float32 [n, V]: kept ones, else those of the function that it is given."""
        count = min(target_tokens, MOST_TOKENS)
        self.places = torch.linspace(0, target_tokens - 1, count, dtype=torch.float64).round().long()
        """The numbers of these tokens, int64 [n], ascending."""
        self._of_base = of_base
        self._wanted: Tensor | None = None

    def measure(self, found: Tensor, base: Callable[[], Tensor]) -> float:
        """KL(base ‖ model) = Σ_v π(v) (log π(v) − log p(v)), mean over the tokens, in nats, of a model's
        log-probabilities `found`, float32 [n, V]. `base` computes the base model's, where they are not known yet."""
        if self._wanted is None:
            self._wanted = self._of_base(base)
        wanted = self._wanted.to(found.device)
        each = torch.where(wanted > -torch.inf, wanted.exp() * (wanted - found), 0.0).sum(1)
        return float(each.double().mean())
