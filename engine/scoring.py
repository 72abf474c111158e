"""Held-out text to scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from engine.blocks import EncodedDocument
from engine.encoded import EncodedDocuments
from engine.likelihood import interruptible, predictions, rows_per_forward
from engine.modes import without_dropout
from engine.packing import Rows, pack_documents
from engine.scores import Score


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A task's held-out documents, packed once: a fixed sample that curves follow, and the rest (None if empty)."""

    sample: Rows
    sample_bytes: int
    rest: Rows | None
    rest_bytes: int

    @property
    def target_tokens(self) -> int:
        return self.sample.target_tokens + (self.rest.target_tokens if self.rest is not None else 0)


def prepare(
    documents: Sequence[EncodedDocument],
    block_size: int,
    sample_tokens: int,
    together: bool = True,
    limit: int | None = None,
    generator: torch.Generator | None = None,
) -> HeldOut:
    """Pack held-out documents; the sample is every k-th of them, about `sample_tokens` target tokens in all.

    Of text with more than `limit` target tokens only so much is used, whole documents drawn with `generator`: drawn
    anew for every seed, they put the chance of the draw into an interval over seeds.
    """
    whole = EncodedDocuments.of(documents)
    if limit is not None and whole.target_tokens > limit:
        order = torch.randperm(len(whole), generator=generator).numpy()
        targets = whole.targets[order]
        before = np.cumsum(targets) - targets
        whole = whole.take(np.sort(order[before < limit]))
    every = max(1, whole.target_tokens // max(1, sample_tokens))
    sample, rest = whole[::every], whole.take(np.arange(len(whole)) % every > 0)
    return HeldOut(
        pack_documents(sample, block_size, together),
        int(sample.text_bytes.sum()),
        pack_documents(rest, block_size, together) if len(rest) else None,
        int(rest.text_bytes.sum()),
    )


@torch.no_grad()
def score(
    model: PreTrainedModel,
    blocks: Rows,
    text_bytes: int,
    check: Callable[[], None] = lambda: None,
    packed: bool = True,
) -> Score:
    """Score `blocks`, whose texts are `text_bytes` UTF-8 bytes long, in float32 with dropout off.

    `check` is called between passes and may raise. Token-weighted: the result does not depend on batching.
    """
    nats, correct = [], []
    device = model.device
    with without_dropout(model), interruptible(model, check):
        for part in blocks.split(rows_per_forward(model, blocks.width, device)):
            check()
            found, hits = predictions(model, part, packed)
            nats.append(found.sum())
            correct.append(hits.sum())
    return Score(sum(map(float, nats)), blocks.target_tokens, text_bytes, sum(map(int, correct)))
