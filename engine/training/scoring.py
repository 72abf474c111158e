"""Held-out text to scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from engine.common.device_transfers import sent
from engine.events.scores import DocumentSums, Score
from engine.models.eval_mode import without_dropout
from engine.models.likelihood import interruptible, predictions, rows_per_forward
from engine.tokens.blocks import IGNORED, EncodedDocument
from engine.tokens.encoded_documents import EncodedDocuments
from engine.tokens.packing import PackedRows, Rows, pack_documents

LEAST_DOCUMENTS, MOST_TIMES, FEWEST_DOCUMENTS = 8, 4, 3
"""A sample has at least 8 documents, unless they hold more than four times the tokens that were asked for: of such long
ones it has as many as those four times hold, and 3 at least. With fewer there would be no error to speak of."""
MOST_UNITS = 512
"""Of larger samples the sums of groups are kept, each of documents drawn by chance, not those of single documents."""
_DRAW = 20_240_607
"""Seeds the draw of the sample: the same documents for every run, so that row 0 and stages can be shared."""


@dataclass(frozen=True, eq=False)
class Units:
    """Which document of a sample, or which group of them, every target token belongs to."""

    owners: NDArray[np.int64]
    """Per target token of the sample's rows, in their order."""
    text_bytes: tuple[int, ...]
    """Per unit."""
    documents: int
    out_of: int


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A task's held-out documents, packed once: a fixed sample that curves follow, and the rest (None if empty)."""

    sample: Rows
    sample_bytes: int
    rest: Rows | None
    rest_bytes: int
    units: Units

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
    """Pack held-out documents; the sample is `sample_size` of them for about `sample_tokens` tokens, drawn without
    replacement and each set of them as likely as any other: what the error of a curve rests on (`paired.py`).

    Of text with more than `limit` target tokens only so much is used, whole documents drawn with `generator`: drawn
    anew for every seed, they put the chance of the draw into an interval over seeds.
    """
    whole = scored(documents, limit, generator)
    drawn = torch.randperm(len(whole), generator=torch.Generator().manual_seed(_DRAW)).numpy()
    size = sample_size(len(whole), whole.target_tokens, sample_tokens)
    sample, rest = whole.take(drawn[:size]), whole.take(np.sort(drawn[size:]))
    rows = pack_documents(sample, block_size, together)
    return HeldOut(
        rows,
        int(sample.text_bytes.sum()),
        pack_documents(rest, block_size, together) if len(rest) else None,
        int(rest.text_bytes.sum()),
        _units(rows, sample, len(whole)),
    )


def scored(
    documents: Sequence[EncodedDocument], limit: int | None, generator: torch.Generator | None
) -> EncodedDocuments:
    """The held-out documents that are scored, in their order: all, or of more than `limit` target tokens only so much,
    whole documents drawn with `generator`."""
    whole = EncodedDocuments.of(documents)
    if limit is None or whole.target_tokens <= limit:
        return whole
    order = torch.randperm(len(whole), generator=generator).numpy()
    targets = whole.targets[order]
    before = np.cumsum(targets) - targets
    return whole.take(np.sort(order[before < limit]))


def sample_size(documents: int, target_tokens: int, sample_tokens: int) -> int:
    """How many of `documents`, with `target_tokens` in all, a sample of about `sample_tokens` has."""
    mean = max(1.0, target_tokens / max(1, documents))
    least = max(FEWEST_DOCUMENTS, min(LEAST_DOCUMENTS, round(MOST_TIMES * sample_tokens / mean)))
    return min(documents, max(least, round(sample_tokens / mean)))


def _units(rows: PackedRows, sample: EncodedDocuments, out_of: int) -> Units:
    """Whose the target tokens of `rows` are; documents are dealt out to at most `MOST_UNITS` units in turn."""
    order = np.argsort(sample.starts, kind="stable")
    piece_owners = order[np.searchsorted(sample.starts[order], rows.starts, side="right") - 1]
    found = [np.zeros(0, np.int64)]
    for row in range(len(rows)):
        pieces = slice(int(rows.first_pieces[row]), int(rows.first_pieces[row + 1]))
        owners = np.repeat(piece_owners[pieces], rows.lengths[pieces])
        targets = rows.select(torch.tensor([row])).targets[0].numpy()[: len(owners)]
        found.append(owners[targets != IGNORED])
    count = min(len(sample), MOST_UNITS)
    text_bytes = np.bincount(np.arange(len(sample)) % max(1, count), sample.text_bytes, count)
    return Units(np.concatenate(found) % max(1, count), tuple(map(int, text_bytes)), len(sample), out_of)


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
    nats, correct = _predictions(model, blocks, check, packed)
    return Score(sum(float(part.sum()) for part in nats), blocks.target_tokens, text_bytes, _count(correct))


def score_sample(
    model: PreTrainedModel, held_out: HeldOut, check: Callable[[], None] = lambda: None, packed: bool = True
) -> tuple[Score, DocumentSums]:
    """As `score`, of the sample, with the sums of every document in it."""
    nats, correct = _predictions(model, held_out.sample, check, packed)
    units, count = held_out.units, len(held_out.units.text_bytes)
    of_unit = np.bincount(units.owners, torch.cat(nats).cpu().double().numpy(), count)
    hits = np.bincount(units.owners, torch.cat(correct).cpu().double().numpy(), count)
    tokens = np.bincount(units.owners, minlength=count)
    sums = DocumentSums(
        tuple(of_unit.astype(np.float32).tolist()),
        tuple(tokens.tolist()),
        units.text_bytes,
        tuple(map(int, hits)),
        units.documents,
        units.out_of,
    )
    total = sum(float(part.sum()) for part in nats)
    return Score(total, held_out.sample.target_tokens, held_out.sample_bytes, _count(correct)), sums


@torch.no_grad()
def _predictions(
    model: PreTrainedModel, blocks: Rows, check: Callable[[], None], packed: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Pass by pass the nats of every target token, and whether the model's first choice was right."""
    nats, correct = [], []
    with without_dropout(model), interruptible(model, check):
        for part in blocks.split(rows_per_forward(model, blocks.width, model.device)):
            check()
            found, likeliest = predictions(model, part, packed)
            nats.append(found)
            correct.append(likeliest == sent(part.targets[part.targets != IGNORED], likeliest.device))
    return nats, correct


def _count(correct: Sequence[Tensor]) -> int:
    return sum(int(part.sum()) for part in correct)
