"""What an experiment will cost, said before it starts: tokens by strategy, time on this machine, memory, disk."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from transformers import PreTrainedModel

from engine import strategies
from engine.blocks import Blocks
from engine.execute import choose_device
from engine.experiment import Experiment, StrategySpec, Training
from engine.likelihood import logits_of, rows_per_forward, summed_nats
from engine.models import load_base
from engine.optimization import make_optimizer
from engine.strategies.base import Strategy

_BYTES = 4
"""Weights, gradients and optimiser state are kept in float32 whatever the arithmetic."""
_PROCESS_BYTES = 450_000_000
"""Python with torch and transformers loaded, before any model."""
_FORWARD_SHARE = 1 / 3
"""A forward pass beside a forward and a backward pass."""


@dataclass(frozen=True)
class TaskSize:
    """A task under one tokenizer, in target tokens."""

    name: str
    documents: int
    """On the training side."""
    train_tokens: int
    held_out_tokens: int


@dataclass(frozen=True)
class Speed:
    """What was measured of one model on this machine, and its sizes."""

    training_tokens_per_second: float
    fisher_tokens_per_second: float
    """One block at a time, as the Fisher information needs it."""
    parameters: int
    activation_bytes: int
    """Of one training step, worked out from the model's shape."""
    device: str


@dataclass(frozen=True)
class RunCost:
    """One run of one strategy."""

    label: str
    training_tokens: int
    """Read by training steps, replayed ones included."""
    fisher_tokens: int
    scoring_tokens: int
    seconds: float
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Estimate:
    """The whole experiment; runs go one after the other."""

    runs: tuple[RunCost, ...]
    """One seed's."""
    seeds: int

    @property
    def seconds(self) -> float:
        """Of all runs, one after the other."""
        return self.seeds * sum(run.seconds for run in self.runs)

    @property
    def memory_bytes(self) -> int:
        """Of the run that needs most."""
        return max(run.memory_bytes for run in self.runs)

    @property
    def disk_bytes(self) -> int:
        """Of every run's checkpoints together."""
        return self.seeds * sum(run.disk_bytes for run in self.runs)


def estimate(experiment: Experiment, sizes: Sequence[TaskSize], speed: Speed) -> Estimate:
    """Cost of every run of `experiment`; `sizes` has its tasks in order."""
    labels = [run.label for run in experiment.runs()]
    specs = experiment.runs_of_one_seed()
    costs = [
        _run_cost(label, spec, experiment.training, sizes, speed) for label, spec in zip(labels, specs, strict=False)
    ]
    return Estimate(tuple(costs), len(experiment.seeds))


def _run_cost(label: str, spec: StrategySpec, training: Training, sizes: Sequence[TaskSize], speed: Speed) -> RunCost:
    strategy = strategies.build(spec.name, spec.parameters)
    training_tokens, fisher_tokens = _tokens(strategy, training, sizes)
    scoring_tokens = _scoring_tokens(training, sizes)
    seconds = training_tokens / speed.training_tokens_per_second + fisher_tokens / speed.fisher_tokens_per_second
    seconds += scoring_tokens * _FORWARD_SHARE / speed.training_tokens_per_second
    tensors = _penalty_tensors(strategy)
    weights = speed.parameters * _BYTES
    # Weights, gradients, two moments of AdamW, and what the penalty remembers.
    memory = _PROCESS_BYTES + weights * (4 + tensors) + speed.activation_bytes
    disk = len(sizes) * weights * (1 + tensors + (2 if training.optimizer_state == "keep" else 0))
    return RunCost(label, training_tokens, fisher_tokens, scoring_tokens, seconds, memory, disk)


def _tokens(strategy: Strategy, training: Training, sizes: Sequence[TaskSize]) -> tuple[int, int]:
    """Tokens that all stages train on, and that the Fisher information reads."""
    trained = fisher = 0
    given = strategy.parameters
    replayed = given.get("replay_ratio", 1.0) if given.get("replay_weight") and given.get("memory_size", 1) else 0.0
    penalised = _penalty_tensors(strategy) > 0
    for stage, size in enumerate(sizes, start=1):
        new = sum(_budget(training, sizes[task - 1]) for task in strategy.plan(stage).tasks)
        trained += round(new * (1 + (replayed if stage > 1 else 0)))
        if penalised and stage < len(sizes):
            share = min(1.0, given.get("fisher_documents", size.documents) / max(1, size.documents))
            fisher += round(share * size.train_tokens)
    return trained, fisher


def _budget(training: Training, size: TaskSize) -> int:
    tokens = training.epochs * size.train_tokens
    return tokens if training.stage_tokens is None else min(tokens, training.stage_tokens)


def _scoring_tokens(training: Training, sizes: Sequence[TaskSize]) -> int:
    whole = sum(size.held_out_tokens for size in sizes)
    sample = sum(min(size.held_out_tokens, training.evaluation_tokens) for size in sizes)
    return (len(sizes) + 1) * whole + len(sizes) * training.evaluations_per_stage * sample


def _penalty_tensors(strategy: Strategy) -> int:
    """How many tensors of the weights' size the strategy remembers: A and μ of the elastic penalty."""
    return 2 if strategy.parameters.get("ewc_lambda") else 0


def measure_speed(model: str, training: Training) -> Speed:
    """Time a few training steps of `model` on this machine; remembered for the life of the process.

    Raises ModelError where the model can't be loaded.
    """
    return _measure(model, training.block_size, training.tokens_per_step, choose_device(training.device))


@lru_cache(maxsize=32)
def _measure(name: str, block_size: int, tokens_per_step: int, device: str) -> Speed:
    base = load_base(name, device)
    model = base.model
    model.train()
    optimizer = make_optimizer(model, Training(learning_rate=1e-8))
    length = min(block_size, base.context)
    rows = rows_per_forward(model, length, model.device)
    per_step = max(1, tokens_per_step // length)
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)

    def step(count: int) -> None:
        tokens = torch.randint(vocabulary, (count, length), generator=generator)
        blocks = Blocks(tokens, tokens, torch.arange(length).repeat(count, 1)).to(model.device)
        (summed_nats(logits_of(model, blocks, base.packed), blocks.targets) / blocks.target_tokens).backward()
        optimizer.step()
        optimizer.zero_grad()

    # A large step is timed on its first part: the speed is the same, the wait is not.
    timed = min(per_step, rows, max(1, 2048 // length))
    return Speed(
        training_tokens_per_second=timed * length / _fastest(lambda: step(timed)),
        fisher_tokens_per_second=length / _fastest(lambda: step(1)),
        parameters=model.num_parameters(),
        activation_bytes=_activation_bytes(model, min(per_step, rows) * length, length),
        device=device,
    )


def _fastest(work: Callable[[], None], repeats: int = 2) -> float:
    """Seconds of the fastest of `repeats`, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def _activation_bytes(model: PreTrainedModel, tokens: int, length: int) -> int:
    """What a backward pass keeps, roughly: 17 numbers per token, layer and unit of width, the attention weights of
    the layers, and three times the logits (themselves, their softmax, their gradient)."""
    config = model.config.get_text_config()
    layers, width = int(config.num_hidden_layers), int(config.hidden_size)
    heads = int(config.num_attention_heads)
    return tokens * _BYTES * (layers * (17 * width + heads * length) + 3 * int(config.vocab_size))
