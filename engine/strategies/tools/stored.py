"""The likeliest tokens of a model's distributions on documents, to be compared with later."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.models.distributions import StoredDistributions
from engine.models.eval_mode import without_dropout
from engine.models.likelihood import interruptible, logits_of, rows_with_logits
from engine.strategies.base import StageView
from engine.strategies.tools.memory import Memory, Place
from engine.tokens.blocks import IGNORED, EncodedDocument, cut, pack


@dataclass(frozen=True, eq=False)
class Stored:
    """The distributions of one document's N target tokens."""

    tokens: Tensor
    """int32 [N, k], the likeliest first."""
    log_probabilities: Tensor
    """Float32 [N, k + 1], the last that of all other tokens together."""


@torch.no_grad()
def store(view: StageView, documents: Sequence[EncodedDocument], top_k: int) -> tuple[Stored, ...]:
    """The `top_k` likeliest tokens for every target token of each document, in float32, dropout off. Documents are read
    in pieces as long as a block, as in training."""
    found = []
    with without_dropout(view.model), interruptible(view.model, view.check):
        for document in documents:
            rows = pack(cut(document, view.block_size), view.block_size, together=False)
            parts = []
            for part in rows.split(rows_with_logits(view.model, rows.width)):
                logits = logits_of(view.model, part.to(view.model.device), view.packed)
                parts.append(_top(logits[(part.targets != IGNORED).to(logits.device)], top_k))
            found.append(Stored(*(torch.cat(each) for each in zip(*parts, strict=True))))
    return tuple(found)


def _top(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Tokens int32 [N, k] in main memory and log-probabilities [N, k + 1] of logits [N, V]."""
    log_p = logits.float().log_softmax(-1)
    likeliest = log_p.topk(min(top_k, log_p.shape[1]), dim=1)
    rest = log_p.scatter(1, likeliest.indices, -torch.inf).logsumexp(1, keepdim=True)
    return likeliest.indices.int().cpu(), torch.cat([likeliest.values, rest], 1)


def of_places(
    memory: Memory, stored: Sequence[Sequence[Stored]], places: Sequence[Sequence[Place]], block_size: int, packed: bool
) -> StoredDistributions:
    """What is `stored` of the documents of `memory`, for the target tokens of the drawn pieces, in the order of
    `memory.blocks`."""
    tasks = memory.packed(block_size, packed)
    tokens, log_probabilities = [], []
    for task, piece in (place for row in places for place in row):
        own = tasks[task]
        document, start = own.place_of[piece]
        part = slice(start, start + own.targets[piece])
        tokens.append(stored[task][document].tokens[part])
        log_probabilities.append(stored[task][document].log_probabilities[part])
    return StoredDistributions(torch.cat(tokens), torch.cat(log_probabilities))
