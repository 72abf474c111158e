"""Held-out text to scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from engine.blocks import Blocks, EncodedDocument, cut, pack
from engine.likelihood import interruptible, predictions, rows_per_forward, without_dropout
from engine.scores import Score


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A task's held-out documents, packed once: a fixed sample that curves follow, and the rest (None if empty)."""

    sample: Blocks
    sample_bytes: int
    rest: Blocks | None
    rest_bytes: int


def prepare(
    documents: Sequence[EncodedDocument], block_size: int, sample_tokens: int, together: bool = True
) -> HeldOut:
    """Pack held-out documents; the sample is every k-th of them, about `sample_tokens` target tokens in all."""
    total = sum(d.target_tokens for d in documents)
    every = max(1, total // sample_tokens)
    sample = documents[::every]
    rest = [d for i, d in enumerate(documents) if i % every]

    def packed(part: Sequence[EncodedDocument]) -> Blocks:
        return pack([piece for d in part for piece in cut(d, block_size)], block_size, together)

    return HeldOut(
        packed(sample),
        sum(d.text_bytes for d in sample),
        packed(rest) if rest else None,
        sum(d.text_bytes for d in rest),
    )


@torch.no_grad()
def score(
    model: PreTrainedModel,
    blocks: Blocks,
    text_bytes: int,
    check: Callable[[], None] = lambda: None,
    packed: bool = True,
) -> Score:
    """Score `blocks`, whose texts are `text_bytes` UTF-8 bytes long, in float32 with dropout off.

    `check` is called between passes and may raise. Token-weighted: the result does not depend on batching.
    """
    nats, correct = 0.0, 0
    device = model.device
    with without_dropout(model), interruptible(model, check):
        for part in blocks.split(rows_per_forward(model, blocks.input_ids.shape[1], device)):
            check()
            found, hits = predictions(model, part, packed)
            nats += found.sum().item()
            correct += int(hits.sum())
    return Score(nats, blocks.target_tokens, text_bytes, correct)
