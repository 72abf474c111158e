"""One optimiser step on the sum of the strategy's terms; what is reported is what was minimised.

On an accelerator a step is queued and its numbers come later: the loop reports a step while the next is computed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine import events
from engine.common.device_transfers import Readback
from engine.common.random_streams import Streams, seed_global_streams
from engine.models.likelihood import rows_per_forward
from engine.models.parts import trainable_weights
from engine.strategies.base import Batch, StepTaken, Strategy, Weights
from engine.strategies.terms import Pull, Term
from engine.strategies.tools.quadratics import proximal_step, pull_values
from engine.tokens.blocks import Blocks
from engine.training.failures import Divergence, check_finite, is_out_of_memory, out_of_memory
from engine.training.gradients import accumulate_gradients, clip, combined_gradients
from engine.training.optimizer import learning_rate_at, metric_of, momentum_of, set_learning_rate
from engine.training.run_state import Progress, RunSetup


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
    new_tokens: int
    target_tokens: int
    learning_rate: float
    peak_rate: float
    started: float


def steps_in_flight(device: torch.device) -> int:
    """How many steps are queued before the first of them is reported."""
    return 0 if device.type == "cpu" else 1


def take_step(
    setup: RunSetup, progress: Progress, blocks: Blocks, number: int, steps: int, peak_rate: float
) -> TakenStep:
    """Step `number` of the stage's `steps`. Raises TrainingError before the weights change, where that is known.

    The way of a step: the strategy's terms (`strategies`) and the new task's own are put together and go through the
    model (`gradients`, `models.likelihood`); their gradient is clipped; AdamW steps (`optimizer`); elements that the
    strategy masks take their step back; the pulls of all strategies take one proximal step
    (`strategies.tools.quadratics`); the strategy may look at the weights (`after_step`). `report` makes the event.
    """
    started = setup.control.active_time()
    training, strategy, model = setup.training, setup.strategy, progress.base.model
    at, random = progress.position, Streams(setup.seed)
    batch = _batch(setup, progress, blocks, number)
    new = Term("new", blocks, strategy.plan(at.stage).new_weight)
    terms = [new, *(term for term in strategy.loss_terms(batch, progress.state, random) if term.weight)]
    weights = trainable_weights(model)
    pulls = strategy.pulls(progress.state)
    _check_names(strategy, terms, pulls)
    values = pull_values(pulls, weights)

    means = _gradients(setup, progress, terms, random.number("dropout", at.stage, number))
    minimised = {term.name: term.weight for term in terms if term.minimised} | dict.fromkeys(values, 1.0)
    readback = Readback(means | values)
    norm = Readback({"norm": clip(weights.values(), training.gradient_clip)})
    if not steps_in_flight(model.device):
        check_finite(readback.numbers() | norm.numbers(), at.stage, number, peak_rate)
    rate = learning_rate_at(number, steps, peak_rate, training)
    set_learning_rate(progress.optimizer, rate)
    _move(setup, progress, number, steps, weights, pulls)
    at.step, at.stage_step = at.step + 1, number
    read = {id(term.blocks): term.blocks.target_tokens for term in terms}
    return TakenStep(
        at.stage, at.step, number, minimised, readback, norm, blocks.target_tokens, sum(read.values()), rate, peak_rate,
        started,
    )  # fmt: skip


def _batch(setup: RunSetup, progress: Progress, blocks: Blocks, number: int) -> Batch:
    """What the strategy is given of a step, with the reference text where it reads it in this stage."""
    stage, text = progress.position.stage, setup.reference
    is_read = setup.strategy.reads_reference(stage)
    reference = text.memory(stage, Streams(setup.seed)) if text is not None and is_read else None
    return Batch(blocks, stage, number, setup.training.block_size, progress.base.packed, reference)


def _check_names(strategy: Strategy, terms: Sequence[Term], pulls: Sequence[Pull]) -> None:
    """What is minimised is reported under a name of its own. Raises RuntimeError for a strategy that breaks this."""
    names = Counter([term.name for term in terms] + [f"{pull.name} pull" for pull in pulls])
    if doubled := [name for name, times in names.items() if times > 1]:
        raise RuntimeError(f"{strategy.name}: two terms of a step are called {doubled[0]!r}")
    if not all(term.minimised for term in terms) and not strategy.redefines("combine"):
        raise RuntimeError(f"{strategy.name}: a term that is not minimised needs `combine`")


def _move(
    setup: RunSetup, progress: Progress, number: int, steps: int, weights: Weights, pulls: Sequence[Pull]
) -> None:
    """Change the weights, in this order: AdamW, masks, pulls, then what the strategy does after a step."""
    strategy, optimizer = setup.strategy, progress.optimizer
    before = {n: p.detach().clone() for n, p in weights.items()} if strategy.sees_weights_before else None
    optimizer.step()
    momentum = partial(momentum_of, optimizer)
    taken = StepTaken(progress.position.stage, number, steps, weights, momentum, before)
    if strategy.redefines("update_mask"):
        _take_back(taken, strategy.update_mask(taken, progress.state) or {})
    if pulls:
        proximal_step(pulls, weights, metric_of(optimizer))
    if strategy.redefines("after_step") and strategy.acts(taken.stage):
        with torch.no_grad():
            progress.state = strategy.after_step(taken, progress.state, Streams(setup.seed))


def _take_back(taken: StepTaken, masks: Mapping[str, Tensor]) -> None:
    """Undo AdamW's step where a mask is false."""
    if taken.before is None:
        raise RuntimeError("a strategy with an update mask must set sees_weights_before")
    with torch.no_grad():
        for name, mask in masks.items():
            taken.weights[name].copy_(torch.where(mask, taken.weights[name], taken.before[name]))


def report(setup: RunSetup, progress: Progress, taken: TakenStep) -> events.StepDone:
    """What a step did, once its numbers are there. Raises TrainingError where the loss is not finite."""
    values, norm, rate = taken.values.numbers(), taken.norm.numbers(), taken.peak_rate
    check_finite(values | norm, taken.stage, taken.stage_step, rate)
    divergence = Divergence(progress.base.model.config.get_text_config().vocab_size, progress.position.loss)
    divergence.see(values["new"], taken.new_tokens, taken.stage, taken.stage_step, rate)
    # Steps in flight overlap: each lasts from the report before it.
    begun, progress.reported = max(taken.started, progress.reported), setup.control.active_time()
    return events.StepDone(
        stage=taken.stage,
        step=taken.step,
        terms={**values, "total": sum(weight * values[name] for name, weight in taken.weights.items())},
        target_tokens=taken.target_tokens,
        seconds=progress.reported - begun,
        learning_rate=taken.learning_rate,
        gradient_norm=norm["norm"],
    )


def _gradients(setup: RunSetup, progress: Progress, terms: Sequence[Term], dropout: int) -> dict[str, Tensor]:
    """The gradients of the terms; where memory runs out, once more with a quarter of the rows at a time.

    Raises TrainingError where that does not help.
    """
    model, width = progress.base.model, max(term.blocks.width for term in terms)
    all_rows = min(rows_per_forward(model, width, model.device), sum(len(term.blocks) for term in terms))
    for _ in range(2):
        # Dropout draws from torch's global stream: seeded at each step, it needs no saving.
        seed_global_streams(model.device, dropout)
        if not model.training:
            model.train()
        model.zero_grad(set_to_none=True)
        rows = min(progress.most_rows or all_rows, all_rows)
        accumulate = partial(
            accumulate_gradients,
            progress.base,
            precision=setup.precision,
            check=setup.control.check,
            most_rows=progress.most_rows,
        )
        try:
            if not setup.strategy.redefines("combine"):
                return accumulate(terms)
            combine = partial(setup.strategy.combine, state=progress.state)
            return combined_gradients(progress.base, terms, combine, accumulate)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Out of the handler: an error holds on to the tensors of the pass that failed.
        if rows > 1:
            progress.most_rows, progress.position.is_shareable = rows // 4 or 1, False
        torch.cuda.empty_cache()
    raise out_of_memory(rows, width)
