"""What can go wrong in a step, recognised where it happens and put into words with what to change."""

import math
from collections.abc import Mapping

import torch

from engine.common.errors import TrainingError
from engine.persistence.resume_points import SeenLoss

_JUDGED_TOKENS = 256
"""A loss is judged over the last steps that hold so many target tokens: a few rare words are no divergence."""
_FAR = 2.0
"""How many times what guessing costs, ln V, or what the stage began with (a new language may cost twice as much as
guessing), no model that still learns gets to."""


def check_finite(values: Mapping[str, float], stage: int, step: int, learning_rate: float) -> None:
    """Raises TrainingError naming the first of `values` (a step's terms and its gradient norm) that is not finite."""
    for name, value in values.items():
        if math.isfinite(value):
            continue
        what = {"new": "The loss", "norm": "The gradient"}.get(name, f"The strategy's term {name!r}")
        weaker = "" if name in ("new", "norm") else f", or the weight of {name!r}"
        raise TrainingError(
            f"{what} is no longer a finite number at step {step} of stage {stage}. "
            f"Lower the learning rate (now {learning_rate:g}){weaker}; what was reached before is kept."
        )


class Divergence:
    """Watches the new task's loss over one stage. What it has seen is a part of the run's position."""

    def __init__(self, vocabulary: int, seen: SeenLoss) -> None:
        self._guessing = math.log(vocabulary)
        self._seen = seen

    def see(self, nats_per_token: float, tokens: int, stage: int, step: int, learning_rate: float) -> None:
        """One more step's loss over `tokens` target tokens. Raises TrainingError when the recent ones are far beyond
        those at the stage's beginning and what guessing would cost."""
        seen = self._seen
        seen.recent.append((nats_per_token * tokens, tokens))
        while sum(count for _, count in seen.recent) - seen.recent[0][1] >= _JUDGED_TOKENS:
            seen.recent.pop(0)
        total = sum(count for _, count in seen.recent)
        if total < _JUDGED_TOKENS:
            return
        loss = sum(nats for nats, _ in seen.recent) / total
        if seen.first is None:
            seen.first = loss
        if loss > _FAR * max(self._guessing, seen.first):
            raise TrainingError(
                f"Training diverges: at step {step} of stage {stage} the loss is {loss:.3g} nats a token, after "
                f"{seen.first:.3g} at first, where guessing costs {self._guessing:.3g}. Lower the learning rate (now "
                f"{learning_rate:g}); what was reached before the stage is kept."
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine or the accelerator had no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(each in text for each in ("allocate memory", "out of memory"))


def out_of_memory(rows: int, tokens: int) -> TrainingError:
    """Even with `rows` rows of `tokens` at a time."""
    return TrainingError(
        f"The machine ran out of memory with {rows} row{'s' if rows > 1 else ''} of {tokens} tokens at a time. Choose "
        "a smaller block size or a smaller model, or end what else runs here; then resume."
    )
