"""How far a model has moved away from the base model: KL(base ‖ now) on the general text, the earliest sign that
something is being forgotten. Nothing of the text is learnt, and no task touches it."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.models.eval_mode import without_dropout
from engine.models.likelihood import interruptible, log_probabilities, rows_per_forward
from engine.models.loading import LoadedModel
from engine.tokens.blocks import IGNORED
from engine.tokens.packing import Rows

MOST_TOKENS = 256
"""The places at which distributions are compared: each takes four bytes for every entry of the vocabulary."""


class Drift:
    """The base model's distributions in the places of some tokens, against which later models are held."""

    def __init__(self, rows: Rows, of_base: Callable[[Callable[[], Tensor]], Tensor]) -> None:
        """`rows` hold the text; up to `MOST_TOKENS` of their target tokens are looked at, evenly spaced. `of_base`
        gives the base model's log-probabilities, float32 [n, V]: kept ones, else those of the given function."""
        self._rows, self._of_base = rows, of_base
        count = rows.target_tokens
        self._places = torch.linspace(0, count - 1, min(count, MOST_TOKENS), dtype=torch.float64).round().long()
        self._wanted: Tensor | None = None

    @property
    def tokens(self) -> int:
        """How many tokens the mean is over."""
        return len(self._places)

    def measure(
        self,
        base: LoadedModel,
        load_base: Callable[[], LoadedModel],
        check: Callable[[], None] = lambda: None,
    ) -> float:
        """KL(base ‖ model) = Σ_v π(v) (log π(v) − log p(v)), mean over the tokens, in nats, with dropout off and in
        float32. `load_base` gives the base model where its distributions are not known yet; `check` may raise."""
        if self._wanted is None:
            self._wanted = self._of_base(lambda: self._log_probabilities(load_base(), check))
        wanted = self._wanted.to(base.model.device)
        found = self._log_probabilities(base, check)
        each = torch.where(wanted > -torch.inf, wanted.exp() * (wanted - found), 0.0).sum(1)
        return float(each.double().mean())

    def _log_probabilities(self, base: LoadedModel, check: Callable[[], None]) -> Tensor:
        """float32 [n, V]"""
        found, before = [], 0
        with without_dropout(base.model), interruptible(base.model, check):
            for part in self._rows.split(rows_per_forward(base.model, self._rows.width, base.model.device)):
                check()
                after = before + int((part.targets != IGNORED).sum())
                own = self._places[(self._places >= before) & (self._places < after)] - before
                if len(own):
                    found.append(log_probabilities(base.model, part, own, base.packed))
                before = after
        return torch.cat(found)
