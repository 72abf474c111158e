"""How fast this machine trains a model, timed while nothing else is known of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedModel

from engine.experiments.training import Training
from engine.models.likelihood import autocast, rows_per_forward, weighted_nats
from engine.models.lm_head import LOGITS_AT_ONCE
from engine.models.loading import load_base
from engine.models.machine import choose_device, choose_precision, choose_threads, computing_with
from engine.tokens.blocks import Blocks
from engine.training.optimizer import make_optimizer

AGAIN_AFTER_SECONDS = 600.0
"""What was timed while the machine was busy with something else must not stay for the life of a server."""
_BYTES = 4
_MOST_TIMED = 32


@dataclass(frozen=True)
class Speed:
    """Measurements of one model on this machine, and its sizes."""

    training_tokens_per_second: float
    fisher_tokens_per_second: float
    """One block at a time, as the Fisher information needs it."""
    parameters: int
    activation_bytes: int
    """Memory of one training step, worked out from the model's shape."""
    device: str
    vocabulary: int

    def or_faster(self, other: "Speed | None") -> "Speed":
        """This one with the higher of the two speeds: whatever else a machine does only slows it down."""
        if other is None:
            return self
        return replace(
            self,
            training_tokens_per_second=max(self.training_tokens_per_second, other.training_tokens_per_second),
            fisher_tokens_per_second=max(self.fisher_tokens_per_second, other.fisher_tokens_per_second),
        )


_Key = tuple[str, int, int, str, str, int]
_timed: dict[_Key, tuple[float, Speed]] = {}
"""When (on the monotonic clock) the speed was timed last for a model and settings, and the highest so far."""


def measure_speed(model: str, training: Training, cpus: int | None = None) -> Speed:
    """Time a few training steps of `model` on this machine, with the threads that a run of so many `cpus` computes
    with. What a process has timed is timed again after `AGAIN_AFTER_SECONDS`, and the highest speed stays.

    Raises ModelError where the model can't be loaded.
    """
    device = choose_device(training.device)
    precision = choose_precision(training.precision, device)
    threads = choose_threads(cpus)
    key = (model, training.block_size, training.tokens_per_step, device, precision, threads)
    timed_at, before = _timed.pop(key, (0.0, None))
    if before is None or time.monotonic() - timed_at >= AGAIN_AFTER_SECONDS:
        with computing_with(threads):
            before = _measure(*key).or_faster(before)
        timed_at = time.monotonic()
    _timed[key] = (timed_at, before)
    if len(_timed) > _MOST_TIMED:
        del _timed[next(iter(_timed))]
    return before


def _measure(name: str, block_size: int, tokens_per_step: int, device: str, precision: str, threads: int) -> Speed:
    base = load_base(name, device)
    model = base.model
    model.train()
    optimizer = make_optimizer(model, Training(learning_rate=1e-8))
    length = min(block_size, base.context)
    rows = rows_per_forward(model, length, model.device)
    per_step = max(1, tokens_per_step // length)
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(0)

    def step(count: int, arithmetic: str) -> None:
        tokens = torch.randint(vocabulary, (count, length), generator=generator)
        blocks = Blocks(tokens, tokens, torch.arange(length).repeat(count, 1)).to(model.device)
        weights = torch.full((count * length,), 1 / (count * length), device=model.device)
        with autocast(model.device, arithmetic):
            loss, _ = weighted_nats(model, blocks, weights, base.packed)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    # A large step is timed on its first part: the speed is the same, the wait is not.
    timed = min(per_step, rows, max(1, 2048 // length))
    return Speed(
        training_tokens_per_second=timed * length / _fastest(lambda: step(timed, precision)),
        fisher_tokens_per_second=length / _fastest(lambda: step(1, "float32")),
        parameters=model.num_parameters(),
        activation_bytes=_activation_bytes(model, min(per_step, rows) * length, length),
        device=device,
        vocabulary=int(model.config.get_text_config().vocab_size),
    )


def _fastest(work: Callable[[], None], repeats: int = 4) -> float:
    """Seconds of the fastest of `repeats`, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def _activation_bytes(model: PreTrainedModel, tokens: int, length: int) -> int:
    """Return roughly what a backward pass keeps: 17 numbers per token, layer and unit of width, the attention weights
    of the layers, and for as many tokens as are projected at once three times the logits."""
    config = model.config.get_text_config()
    layers, width = int(config.num_hidden_layers), int(config.hidden_size)
    heads = int(config.num_attention_heads)
    logits = min(tokens * int(config.vocab_size), LOGITS_AT_ONCE)
    return _BYTES * (tokens * layers * (17 * width + heads * length) + 3 * logits)
