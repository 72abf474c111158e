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
    nats, correct, _ = _predictions(model, blocks, check, packed)
    return Score(sum(float(part.sum()) for part in nats), blocks.target_tokens, text_bytes, _count(correct))


@dataclass(frozen=True, eq=False)
class SampleScores:
    """The scores of a sample, and the distributions that were asked for."""

    score: Score
    documents: DocumentSums
    """The sums of every document in it."""
    log_probabilities: Tensor
    """float32 [n, V]"""


def score_sample(
    model: PreTrainedModel,
    held_out: HeldOut,
    check: Callable[[], None] = lambda: None,
    packed: bool = True,
    places: Tensor | None = None,
) -> SampleScores:
    """As `score`, of the sample; and the log-probabilities of the whole vocabulary in some `places`, int64 [n]: the
    numbers of target tokens, ascending."""
    nats, correct, log_probabilities = _predictions(model, held_out.sample, check, packed, places)
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
    scored = Score(total, held_out.sample.target_tokens, held_out.sample_bytes, _count(correct))
    return SampleScores(scored, sums, torch.cat(log_probabilities))


def _predictions(
    model: PreTrainedModel, blocks: Rows, check: Callable[[], None], packed: bool, places: Tensor | None = None
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Pass by pass the nats of every target token, whether the model's first choice was right, and the distributions in
    `places`."""
    nats, correct, distributions, before = list[Tensor](), list[Tensor](), list[Tensor](), 0
    wanted = torch.zeros(0, dtype=torch.int64) if places is None else places
    with without_dropout(model), interruptible(model, check):
        for part in blocks.split(rows_per_forward(model, blocks.width, model.device)):
            check()
            targets = part.targets[part.targets != IGNORED]
            own = wanted[(wanted >= before) & (wanted < before + len(targets))] - before
            found = predictions(model, part, packed, own)
            nats.append(found.nats)
            correct.append(found.likeliest == sent(targets, found.likeliest.device))
            distributions.append(found.log_probabilities)
            before += len(targets)
    return nats, correct, distributions


def _count(correct: Sequence[Tensor]) -> int:
    return sum(int(part.sum()) for part in correct)
