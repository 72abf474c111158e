"""What a model makes of the items of a probe: which choice it finds likeliest, and what it writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.common.errors import ConfigError
from engine.guards.guard import normalised
from engine.insight.measures.answers import ends_of
from engine.insight.measures.expected_answers import text_of
from engine.insight.measures.generation import continuations
from engine.insight.measures.probe_items import Item, items_of
from engine.insight.measures.probes import Probe
from engine.models.eval_mode import without_dropout
from engine.models.likelihood import interruptible, nats_at, rows_per_forward
from engine.models.loading import LoadedModel
from engine.tokens.blocks import EncodedDocument
from engine.tokens.encoded_documents import EncodedDocuments
from engine.tokens.packing import pack_documents
from engine.tokens.tokenisation import Encode, make_encoder

Progress = Callable[[int], None]
"""Is told how many items are read and written; it may raise."""
_MORE_TOKENS = 4
"""That an answer may have beyond those of the right one, so that a longer one is seen to be longer."""


@dataclass(frozen=True)
class Probed:
    """Item by item, what a model made of a probe."""

    right: tuple[bool, ...]
    """Whether the right choice was the likeliest."""
    written: tuple[bool, ...] | None
    """Whether the greedy answer, up to its first line break, equals the right one; None where none is asked for."""


def probed(base: LoadedModel, probe: Probe, progress: Progress = lambda done: None) -> Probed:
    """A choice is the likeliest by Σ log p(token | prompt, tokens before it), in float32 with dropout off; of equally
    likely ones it is the first, and the right one stands in every place equally often.

    Raises ConfigError where an item is longer than the model's context.
    """
    items = items_of(probe)
    chosen = [int(nats.argmin()) for nats in choice_nats(base, probe, items, progress)]
    right = tuple(choice == item.right for choice, item in zip(chosen, items, strict=True))
    if not probe.is_written:
        return Probed(right, None)
    return Probed(right, _written(base, probe, items, lambda done: progress(len(items) + done)))


def choice_nats(
    base: LoadedModel, probe: Probe, items: Sequence[Item], progress: Progress = lambda done: None
) -> list[NDArray[np.float64]]:
    """For each item −Σ log p of its choices, [k] each, in nats.

    Choices that differ in their last token alone share one reading of the prompt: what is before that token is equal.
    """
    encode = make_encoder(base.tokenizer)
    readings = [reading for number, item in enumerate(items) for reading in _readings(base, encode, number, item)]
    _check_room(base, probe, max(len(reading.document.token_ids) for reading in readings))
    found = [np.zeros(len(item.choices)) for item in items]
    rows = pack_documents(EncodedDocuments.of([reading.document for reading in readings]), base.context, together=False)
    order, done = np.argsort(rows.lengths, kind="stable"), 0
    at_once = rows_per_forward(base.model, int(rows.lengths.max()), base.model.device)
    with without_dropout(base.model), interruptible(base.model, lambda: progress(done * len(items) // len(order))):
        for start in range(0, len(order), at_once):
            chosen = order[start : start + at_once]
            blocks = rows.select(torch.from_numpy(chosen))
            own = [readings[number] for number in chosen]
            places = torch.cat([row * blocks.width + reading.places for row, reading in enumerate(own)])
            tokens = torch.cat([reading.tokens for reading in own])
            nats = nats_at(base.model, blocks, places, tokens, base.packed).cpu().double().numpy()
            items_and_choices = np.concatenate([reading.owners for reading in own])
            for (item, choice), value in zip(items_and_choices.tolist(), nats.tolist(), strict=True):
                found[item][choice] += value
            done += len(chosen)
    return found


@dataclass(frozen=True, eq=False)
class _Reading:
    """A prompt with all but the last token of one choice or several, and what their n tokens are looked up by."""

    document: EncodedDocument
    places: Tensor
    """int64 [n]: where in the row each token is predicted."""
    tokens: Tensor
    """int64 [n]."""
    owners: NDArray[np.int64]
    """[n, 2]: the item and the choice that each token belongs to."""


def _readings(base: LoadedModel, encode: Encode, number: int, item: Item) -> list[_Reading]:
    ids, counts = encode([item.prompt, *item.choices])
    prompt, *choices = np.split(ids, np.cumsum(counts)[:-1])
    before = [base.bos, *prompt.tolist()]
    by_beginning: dict[tuple[int, ...], list[int]] = {}
    for place, choice in enumerate(choices):
        by_beginning.setdefault(tuple(choice[:-1].tolist()), []).append(place)
    found = []
    for beginning, places in by_beginning.items():
        last = int(choices[places[0]][-1])
        document = EncodedDocument(torch.tensor([*before, *beginning, last], dtype=torch.int32), len(before), 0)
        at = len(before) - 1 + torch.arange(len(beginning) + 1)
        tokens = torch.from_numpy(np.concatenate([choices[place] for place in places])).long()
        owners = np.array([(number, place) for place in places for _ in range(len(at))], np.int64)
        found.append(_Reading(document, at.repeat(len(places)), tokens, owners))
    return found


def _written(base: LoadedModel, probe: Probe, items: Sequence[Item], progress: Progress) -> tuple[bool, ...]:
    encode = make_encoder(base.tokenizer)
    prompts = [torch.tensor([base.bos, *encode([item.prompt])[0].tolist()]) for item in items]
    _, counts = encode([item.answer for item in items])
    most = int(counts.max()) + _MORE_TOKENS
    _check_room(base, probe, max(map(len, prompts)) + most)

    def seen(written: Sequence[Tensor]) -> None:
        progress(sum(len(tokens) > 0 for tokens in written))

    found = continuations(base.model, prompts, most, ends_of(base), seen=seen)
    texts = [text_of(base.tokenizer, tokens).partition("\n")[0] for tokens in found]
    return tuple(normalised(text) == normalised(item.answer) for text, item in zip(texts, items, strict=True))


def _check_room(base: LoadedModel, probe: Probe, tokens: int) -> None:
    if tokens > base.context:
        raise ConfigError(
            f"The probe {probe.title} has items of {tokens:,} tokens, more than the {base.context:,} that this model "
            "reads at once; it can't take part."
        )
