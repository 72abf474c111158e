"""The cost of an experiment before it starts: tokens by strategy, time on this machine, memory, disk."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

from engine import strategies
from engine.experiments.experiment import Experiment, RunSpec
from engine.experiments.settings_of_stage import StageSettings, settings_of_stages
from engine.experiments.training import Training
from engine.forecast.disk import DiskUse, disk_use
from engine.forecast.machine_speed import Speed
from engine.forecast.sizes import EvaluationTokens, TaskSize, evaluation_tokens
from engine.forecast.trained_weights import weights_of
from engine.persistence.content_keys import stage_key_parts
from engine.strategies.base import Strategy
from engine.strategies.costs import Cost
from engine.strategies.tools.memory_draws import mean_draw
from engine.training.drift import MOST_TOKENS

_BYTES = 4
"""Weights, gradients and optimiser state are kept in float32 whatever the arithmetic."""
_PROCESS_BYTES = 450_000_000
"""Python with torch and transformers loaded, before any model."""
_FORWARD_SHARE = 1 / 3
"""A forward pass beside a forward and a backward pass."""
_WRITTEN_SHARE = 2.5
"""A token that is written beside one that is trained on: a pass reads one token of each text, which leaves a machine
little to do at once. Of the embedded model on one core 1.3 to 3.4, in blocks of 64 to 256 tokens."""


@dataclass(frozen=True)
class RunCost:
    """One run of one strategy."""

    label: str
    training_tokens: int
    """Read by training steps, replayed ones included."""
    fisher_tokens: int
    """Read at the ends of stages, as the Fisher information reads them."""
    forward_tokens: int
    """Read forward alone: by a teacher in steps, and at the ends of stages where no gradient is taken."""
    written_tokens: int
    """Written by the model: samples before stages, and answers, at most, where it is scored."""
    scoring_tokens: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    """Of the checkpoints that stay; what an earlier run holds already costs it nothing."""


@dataclass(frozen=True)
class Estimate:
    """The whole experiment; runs go one after the other."""

    runs: tuple[RunCost, ...]
    """The first seed's. What a run takes over from an earlier one costs it nothing."""
    seeds: int
    seconds: float
    """The time of all runs, one after the other."""
    disk: DiskUse

    @property
    def memory_bytes(self) -> int:
        """The memory of the run that needs most."""
        return max(run.memory_bytes for run in self.runs)

    @property
    def disk_bytes(self) -> int:
        """What stays on the disk of all runs."""
        return self.disk.kept


IsKnown = Callable[[int, Hashable, Sequence[int]], bool]
"""Whether the result of a stage is kept already, by seed, what the strategy had to do with it, and the places of its
tasks so far among the experiment's."""


def estimate(
    experiment: Experiment,
    sizes: Sequence[TaskSize],
    speed: Speed,
    is_known: IsKnown = lambda seed, key_parts, places: False,
    reference: str = "",
    general: TaskSize | None = None,
) -> Estimate:
    """Cost of every run of `experiment`; `sizes` has its tasks in order, `general` is the size of its general text.
    Stages that runs share cost once, in whatever order the tasks after them are trained. `reference` is the fingerprint
    of its reference text, by which `is_known` tells stages that read it."""
    place_of = {task.name: place for place, task in enumerate(experiment.tasks)}
    disk = disk_use(experiment, speed.parameters, reference)
    seen = {seed: _Seen(partial(is_known, seed), reference) for seed in experiment.seeds}
    by_seed: dict[int, list[RunCost]] = {seed: [] for seed in experiment.seeds}
    for run, on_disk in zip(experiment.runs(), disk.of_runs, strict=True):
        places = tuple(place_of[name] for name in run.order) if run.order else tuple(range(len(sizes)))
        ordered = experiment.in_order(run.order)
        by_seed[run.seed].append(_run_cost(run, ordered, places, sizes, general, speed, seen[run.seed], on_disk))
    seconds = sum(run.seconds for costs in by_seed.values() for run in costs)
    return Estimate(tuple(by_seed[experiment.seeds[0]]), len(experiment.seeds), seconds, disk)


class _Seen:
    """The results that earlier runs of the same seed have made."""

    def __init__(self, is_known: Callable[[Hashable, Sequence[int]], bool], reference: str) -> None:
        self._is_known, self._made = is_known, set[Hashable]()
        self.reference = reference
        """The fingerprint of the reference text, a part of what names them."""

    def first(self, what: Hashable, places: tuple[int, ...] = ()) -> bool:
        """Whether it must be made now of the tasks in these places, in their order; from then on it is there."""
        new = (what, places) not in self._made and not self._is_known(what, places)
        self._made.add((what, places))
        return new


def _run_cost(
    run: RunSpec,
    experiment: Experiment,
    places: tuple[int, ...],
    sizes: Sequence[TaskSize],
    general: TaskSize | None,
    speed: Speed,
    seen: _Seen,
    on_disk: int,
) -> RunCost:
    """The cost of a run of `experiment`, whose tasks are in the run's order; `places` are theirs among the `sizes`."""
    sizes = [sizes[place] for place in places]
    training, strategy = experiment.training, strategies.build(run.strategy, run.parameters)
    of_strategy = strategies.overrides_of(run.strategy, run.parameters)
    settings = settings_of_stages(strategy, training, of_strategy, [task.overrides for task in experiment.tasks])
    weights = weights_of(experiment.model, speed.parameters, strategy, len(sizes), run.seed)
    evaluations = evaluation_tokens(experiment, sizes, general)
    read = _tokens(strategy, settings, training, sizes, places, evaluations, seen)
    seconds = sum(tokens.seconds(own.operations, speed) for own, tokens in zip(weights, read, strict=True))
    costs = [strategy.cost(stage) for stage in range(1, len(sizes) + 1)]
    stored = [_stored_numbers(cost, sizes[: min(stage, len(sizes) - 1)], speed) for stage, cost in enumerate(costs, 1)]
    compared = 2 * MOST_TOKENS * speed.vocabulary if general is not None else 0
    # The model, of what trains a gradient and AdamW's two moments, what the strategy remembers and holds, and the base
    # model's distributions beside those that are held against them.
    held = [
        own.whole + 3 * own.trained + cost.tensors * own.remembered + cost.copies * own.trained + numbers + compared
        for own, cost, numbers in zip(weights, costs, stored, strict=True)
    ]
    return RunCost(
        run.label,
        training_tokens=sum(tokens.trained for tokens in read),
        fisher_tokens=sum(tokens.fisher for tokens in read),
        forward_tokens=sum(tokens.beside + tokens.looked_at for tokens in read),
        written_tokens=sum(tokens.written for tokens in read),
        scoring_tokens=sum(tokens.scored for tokens in read),
        seconds=seconds,
        memory_bytes=_PROCESS_BYTES + _BYTES * max(held) + speed.activation_bytes,
        disk_bytes=on_disk,
    )


@dataclass(frozen=True)
class _StageTokens:
    """The tokens of one stage."""

    trained: int
    beside: int
    """Read forward alone by its steps."""
    written: int
    """Before its first step, and where it is scored."""
    fisher: int
    """Read at its end, forward and backward, one block at a time."""
    looked_at: int
    """Read at its end, forward alone, one block at a time."""
    scored: int

    def seconds(self, operations: float, speed: Speed) -> float:
        """Their time, where those of a step are this share of the operations of plain training."""
        forward = _FORWARD_SHARE * (self.beside + self.scored) + _WRITTEN_SHARE * self.written
        of_steps = (operations * self.trained + forward) / speed.training_tokens_per_second
        at_end = operations * self.fisher + _FORWARD_SHARE * self.looked_at
        return of_steps + at_end / speed.fisher_tokens_per_second


def _stored_numbers(cost: Cost, finished: Sequence[TaskSize], speed: Speed) -> int:
    """How many numbers and ids of tokens, of four bytes each, are remembered of the tokens of finished tasks."""
    counts = [(size.documents, size.train_tokens) for size in finished]
    each = [(one.tokens(counts), min(one.numbers_per_token, speed.vocabulary + 1)) for one in cost.remembered]
    return round(sum(tokens * (2 * numbers - 1) for tokens, numbers in each))


def _tokens(
    strategy: Strategy,
    settings: Sequence[StageSettings],
    training: Training,
    sizes: Sequence[TaskSize],
    places: tuple[int, ...],
    evaluations: tuple[EvaluationTokens, EvaluationTokens],
    seen: _Seen,
) -> list[_StageTokens]:
    """The tokens of every stage that no earlier run has made; the base model's scores count to the first."""
    inside, at_end = evaluations
    found = []
    of_base = at_end if seen.first("base model") else EvaluationTokens(0)
    every_key_parts = stage_key_parts(strategy, [each.key_parts for each in settings], seen.reference)
    for stage, (size, key_parts, own) in enumerate(zip(sizes, every_key_parts, settings, strict=True), start=1):
        cost, trained, beside = strategy.cost(stage), 0, 0
        scored, written = (of_base.read, of_base.written) if stage == 1 else (0, 0)
        if seen.first(key_parts, places[:stage]):
            tasks = [
                (sizes[task - 1], epochs) for epochs, task in zip(own.epochs, strategy.plan(stage).tasks, strict=True)
            ]
            trained, beside = _in_steps(cost, tasks, training, sizes[: stage - 1])
            before = [(other.documents, other.train_tokens) for other in sizes[: stage - 1]]
            written += at_end.written + round(cost.written_tokens(before, training.block_size))
            scored += at_end.read + (training.evaluations_per_stage - 1) * inside.read
        read = {True: 0, False: 0}
        for reading in cost.readings if stage < len(sizes) else ():
            if reading.shared_as is None or seen.first((key_parts, *reading.shared_as), places[:stage]):
                part = min(1.0, reading.documents / max(1, size.documents))
                read[reading.backward] += round(part * size.train_tokens * size.reads_per_target)
        found.append(_StageTokens(trained, beside, written, read[True], read[False], scored))
    return found


def _in_steps(
    cost: Cost, tasks: Sequence[tuple[TaskSize, int]], training: Training, past: Sequence[TaskSize]
) -> tuple[int, int]:
    """How many tokens the steps of a stage read forward and backward, and forward alone, of tasks with their epochs.

    What is drawn beside the new text is drawn by its target tokens, step by step, and a draw is of whole pieces; a
    teacher reads what is drawn, or the new text.
    """
    budgets = [(size, _budget(epochs, training.stage_tokens, size)) for size, epochs in tasks]
    new, read = sum(budget for _, budget in budgets), sum(budget * size.reads_per_target for size, budget in budgets)
    drawn = cost.tokens_per_new_token * new
    if cost.documents and drawn:
        a_step = min(new, max(training.tokens_per_step, training.block_size) * new / read)
        kept = tuple(size.kept for size in past)
        wanted = max(1, round(cost.tokens_per_new_token * a_step))
        drawn = mean_draw(kept, cost.documents, wanted, training.block_size).reads * new / a_step
    of_teacher = drawn / cost.tokens_per_new_token if cost.tokens_per_new_token else read
    return round(read + drawn), round(cost.forward_per_new_token * of_teacher)


def _budget(epochs: int, stage_tokens: int | None, size: TaskSize) -> int:
    tokens = epochs * size.train_tokens
    return tokens if stage_tokens is None else min(tokens, stage_tokens)
