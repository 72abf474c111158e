"""Texts that a model writes itself, to be remembered by: drawn from its own next-token distributions."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from engine.common.random_streams import Streams
from engine.models.eval_mode import without_dropout
from engine.models.likelihood import autocast
from engine.strategies.base import StageView
from engine.strategies.tools.memory import Memory
from engine.tokens.blocks import EncodedDocument

AT_ONCE = 64
"""How many texts are written side by side: fixed, so that the same texts come out whatever is interrupted."""
_WORK = "samples"


@torch.no_grad()
def write(
    view: StageView, owner: str, beginnings: Sequence[EncodedDocument], temperature: float, random: Streams
) -> tuple[EncodedDocument, ...]:
    """Go on with every one of `beginnings` (bos alone, or the first tokens of a text) until the model ends the text or
    it is `block_size` tokens longer than bos: token i is drawn from softmax(logits_i / temperature).

    A text's own targets are those of its beginning: from its `first_target` on. What is drawn depends on the model, the
    beginnings and the stream "OWNER samples" of the stage alone. Texts that were written before an interruption are
    taken from `view.work`. Dropout is off.
    """
    kept = view.work.kept(_WORK)
    found = _texts(kept.tensors) if kept is not None else []
    batches = list(_batches(beginnings))
    done = kept.done if kept is not None else 0
    with without_dropout(view.model):
        for number, batch in enumerate(batches[done:], start=done):
            generator = random.generator(f"{owner} samples", view.stage, number)
            written = _continued(view, [beginnings[i].token_ids for i in batch], temperature, generator)
            found += [(i, tokens) for i, tokens in zip(batch, written, strict=True)]
            view.work.keep(_WORK, number + 1, partial(_flat, found))
    texts = sorted(found, key=lambda each: each[0])
    return tuple(EncodedDocument(tokens, beginnings[i].first_target, 0) for i, tokens in texts)


def _batches(beginnings: Sequence[EncodedDocument]) -> Iterator[list[int]]:
    """The numbers of beginnings of one length, at most `AT_ONCE` together."""
    by_length: dict[int, list[int]] = {}
    for number, beginning in enumerate(beginnings):
        by_length.setdefault(len(beginning.token_ids), []).append(number)
    for _, numbers in sorted(by_length.items()):
        for start in range(0, len(numbers), AT_ONCE):
            yield numbers[start : start + AT_ONCE]


def _continued(
    view: StageView, beginnings: Sequence[Tensor], temperature: float, generator: torch.Generator
) -> list[Tensor]:
    """The texts, int32, of beginnings of one length, written side by side."""
    model = view.model
    tokens = torch.stack(list(beginnings)).long()
    length = tokens.shape[1]
    is_open = torch.ones(len(tokens), dtype=torch.bool)
    past = None
    fed = tokens
    while bool(is_open.any()) and tokens.shape[1] <= view.block_size:
        view.check()
        with autocast(model.device, view.precision):
            cache: dict[str, Any] = {} if past is None else {"past_key_values": past}
            seen = model(input_ids=fed.to(model.device), use_cache=True, **cache)
        past = getattr(seen, "past_key_values", None)  # a model without one reads everything at each token
        # Drawn on the CPU, where the run's own random streams live.
        chances = (seen.logits[:, -1].float() / temperature).softmax(-1).cpu()
        drawn = torch.multinomial(chances, 1, generator=generator)
        tokens = torch.cat([tokens, drawn], 1)
        fed = tokens if past is None else drawn
        is_open &= drawn.squeeze(1) != view.eos
    return [_until_end(row, length, view.eos) for row in tokens]


def _until_end(tokens: Tensor, written_from: int, eos: int) -> Tensor:
    """A text up to and with the first sign of its end among what was written."""
    ends = (tokens[written_from:] == eos).nonzero()
    return tokens[: written_from + int(ends[0]) + 1].int() if len(ends) else tokens.int()


def _flat(texts: Sequence[tuple[int, Tensor]]) -> dict[str, Tensor]:
    return {
        "numbers": torch.tensor([number for number, _ in texts]),
        "lengths": torch.tensor([len(tokens) for _, tokens in texts]),
        "tokens": torch.cat([tokens for _, tokens in texts]),
    }


def _texts(tensors: dict[str, Tensor]) -> list[tuple[int, Tensor]]:
    parts = tensors["tokens"].split(tensors["lengths"].tolist())
    return list(zip(tensors["numbers"].tolist(), parts, strict=True))


def written_memory(
    view: StageView,
    owner: str,
    count: int,
    random: Streams,
    temperature: float = 1.0,
    beginnings: Sequence[Sequence[EncodedDocument]] = (),
) -> Memory:
    """A memory of `count` texts that the model has written: from bos, or from the `beginnings` of past tasks, each task
    as often as any other and its beginnings in turn."""
    tasks = [task for task in beginnings if task] or [
        [EncodedDocument(torch.tensor([view.bos], dtype=torch.int32), 1, 0)]
    ]
    chosen = [tasks[n % len(tasks)][(n // len(tasks)) % len(tasks[n % len(tasks)])] for n in range(count)]
    return Memory(count, (write(view, owner, chosen, temperature, random),))


def beginnings_of(documents: Sequence[EncodedDocument], tokens: int, block_size: int) -> list[EncodedDocument]:
    """Bos and the first `tokens` tokens of each document, or all of its prompt; at most as much as leaves a block room
    for a token more. Documents that end before are left out."""
    found = []
    for document in documents:
        is_chat = document.learnt is not None  # what follows the first answer's beginning is not all the model's to say
        length = document.first_target if is_chat else max(tokens + 1, document.first_target)
        if length <= block_size and length < len(document.token_ids):
            found.append(EncodedDocument(document.token_ids[:length], document.first_target, 0))
    return found


def counted(documents: Sequence[EncodedDocument], vocabulary: int) -> Tensor:
    """How often each token is a target in the documents, int64 [V]."""
    targets = [document.token_ids[document.mask].long() for document in documents]
    return torch.bincount(torch.cat([*targets, torch.zeros(0, dtype=torch.int64)]), minlength=vocabulary)


def likenesses(texts: Sequence[EncodedDocument], token_counts: Sequence[Tensor]) -> str:
    """How many texts there are, how long, and which of several past tasks they look like, as a sentence: each goes to
    the task under whose frequencies of tokens (counts plus one) it is likeliest."""
    mean = sum(len(text.token_ids) - 1 for text in texts) / len(texts)
    said = f"The model wrote {len(texts)} texts of {mean:.0f} tokens on average"
    if len(token_counts) < 2:
        return f"{said}."
    law = torch.stack([(counts + 1).log() - (counts + 1).sum().log() for counts in token_counts])
    found = [0] * len(token_counts)
    for text in texts:
        found[int(law[:, text.token_ids[text.mask].long()].sum(1).argmax())] += 1
    parts = [f"{number} like task {task}" for task, number in enumerate(found, 1)]
    return f"{said}: by their words {', '.join(parts)}."
