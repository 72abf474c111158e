"""One optimiser step on the sum of the strategy's terms; what is reported is what was minimised.

On an accelerator a step is queued and its numbers come later: the loop reports a step while the next is computed.
"""

import math
from dataclasses import dataclass

import torch

from engine import events
from engine.blocks import Blocks
from engine.errors import TrainingError
from engine.gradients import accumulate_gradients, clip
from engine.optimization import learning_rate_at, metric_of, set_learning_rate
from engine.randomness import Streams
from engine.run_setup import Progress, RunSetup
from engine.strategies.base import Batch, Term
from engine.transfers import Readback


@dataclass(frozen=True, eq=False)
class TakenStep:
    """A step whose numbers may still be on their way."""

    stage: int
    step: int
    stage_step: int
    weights: dict[str, float]
    """Of every term that is minimised."""
    values: Readback
    norm: Readback
    target_tokens: int
    learning_rate: float
    started: float


def steps_in_flight(device: torch.device) -> int:
    """How many steps are queued before the first of them is reported."""
    return 0 if device.type == "cpu" else 1


def take_step(setup: RunSetup, progress: Progress, blocks: Blocks, number: int, steps: int) -> TakenStep:
    """Step `number` of the stage's `steps`. Raises TrainingError before the weights change, where that is known."""
    started = setup.control.active_time()
    training, strategy, model = setup.training, setup.strategy, progress.base.model
    random = Streams(setup.seed)
    batch = Batch(blocks, progress.stage, number, training.block_size, progress.base.packed)
    terms = [Term("new", blocks), *strategy.terms(batch, progress.state, random)]
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    penalties = strategy.penalties(weights, progress.state)

    # Dropout draws from torch's global stream: seeded at each step, it needs no saving.
    torch.manual_seed(random.number("dropout", progress.stage, number))
    model.train()
    model.zero_grad(set_to_none=True)
    means = accumulate_gradients(progress.base, terms, setup.precision, setup.control.check)
    values = Readback(means | penalties)
    minimised = {term.name: term.weight for term in terms} | dict.fromkeys(penalties, 1.0)
    if not steps_in_flight(model.device):
        _total(values.numbers(), minimised, progress.stage, number, training.learning_rate)
    norm = Readback({"norm": clip(weights.values(), training.gradient_clip)})
    rate = learning_rate_at(number, steps, training)
    set_learning_rate(progress.optimizer, rate)
    progress.optimizer.step()
    strategy.proximal_step(weights, metric_of(progress.optimizer), progress.state)
    progress.step, progress.stage_step = progress.step + 1, number
    tokens = sum(term.blocks.target_tokens for term in terms)
    return TakenStep(progress.stage, progress.step, number, minimised, values, norm, tokens, rate, started)


def report(setup: RunSetup, progress: Progress, taken: TakenStep) -> events.StepDone:
    """What a step did, once its numbers are there. Raises TrainingError where the loss is not finite."""
    values = taken.values.numbers()
    total = _total(values, taken.weights, taken.stage, taken.stage_step, setup.training.learning_rate)
    norm = taken.norm.numbers()["norm"]
    # Steps in flight overlap: each lasts from the report before it.
    begun, progress.reported = max(taken.started, progress.reported), setup.control.active_time()
    return events.StepDone(
        stage=taken.stage,
        step=taken.step,
        terms={**values, "total": total},
        target_tokens=taken.target_tokens,
        seconds=progress.reported - begun,
        learning_rate=taken.learning_rate,
        gradient_norm=norm,
    )


def _total(values: dict[str, float], weights: dict[str, float], stage: int, number: int, learning_rate: float) -> float:
    """The weighted sum that was minimised."""
    total = sum(weights[name] * value for name, value in values.items())
    if not math.isfinite(total):
        raise TrainingError(
            f"The loss is no longer a finite number at step {number} of stage {stage}. Lower the learning "
            f"rate (now {learning_rate:g}) or the weights of the strategy's terms."
        )
    return total
