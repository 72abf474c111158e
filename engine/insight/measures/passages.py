"""What was lost between two models on held-out documents: which documents, and which of their tokens."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from engine.insight.measures.token_scores import TokenScores
from engine.tokens.blocks import EncodedDocument
from engine.tokens.encoded_documents import EncodedDocuments

_LONGEST_CHARACTER = 8
"""Tokens: that many may stand for parts of one character."""
_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
COLUMNS = ("document", "target_tokens", "text_bytes", "before", "after", "lost", "lost_nats")


def passages(documents: EncodedDocuments, before: TokenScores, after: TokenScores) -> pd.DataFrame:
    """The documents with what each lost, the greatest loss first: `before` and `after` in bits per byte, `lost` their
    difference, `lost_nats` in nats over the whole document. `document` is the number among `documents`, from 0."""
    ends = np.cumsum(documents.targets)
    bits = documents.text_bytes.clip(1) * math.log(2)
    sums = [_sums(scores.nats, ends) for scores in (before, after)]
    frame = pd.DataFrame(
        {
            "document": np.arange(len(documents)),
            "target_tokens": documents.targets,
            "text_bytes": documents.text_bytes,
            "before": sums[0] / bits,
            "after": sums[1] / bits,
            "lost": (sums[1] - sums[0]) / bits,
            "lost_nats": sums[1] - sums[0],
        },
        columns=list(COLUMNS),
    )
    return frame.sort_values(["lost", "document"], ascending=[False, True], ignore_index=True)


def _sums(values: NDArray[np.float32], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    totals = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.asarray(np.diff(totals[np.concatenate([[0], ends])]))


@dataclass(frozen=True)
class Piece:
    """A stretch of a document that is shown as one: a token, or those tokens that make up a character together."""

    text: str
    is_target: bool
    change: float
    """log p after − log p before, in nats, the sum over its tokens; below 0 where the later model expects it less."""
    before: float
    """p(piece | what is before it)."""
    after: float
    instead: str
    """What the later model would have written, where that is something else."""


def opened(
    tokenizer: PreTrainedTokenizerBase, document: EncodedDocument, before: TokenScores, after: TokenScores
) -> list[Piece]:
    """A document in pieces; the scores are of its own target tokens."""
    ids, is_target = document.token_ids.tolist(), document.mask.tolist()
    nats = np.zeros((2, len(ids)))
    likeliest = np.zeros(len(ids), np.int64)
    marked = np.array(is_target)
    nats[:, marked] = np.stack([before.nats, after.nats])
    likeliest[marked] = after.likeliest
    found = []
    for start, end, text in whole_characters(_decoder(tokenizer), ids):
        stretch = slice(start, end)
        wrong = any(is_target[i] and likeliest[i] != ids[i] for i in range(start, end))
        instead = _instead(tokenizer, ids, likeliest, start, end) if wrong else ""
        first, second = nats[:, stretch].sum(1).tolist()
        found.append(Piece(text, any(is_target[stretch]), first - second, math.exp(-first), math.exp(-second), instead))
    return found


def _instead(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], likeliest: NDArray[np.int64], start: int, end: int
) -> str:
    """What stands in the place of the first token of a stretch that the later model would have written otherwise, with
    the tokens of the stretch before it."""
    at = next(i for i in range(start, end) if likeliest[i] != ids[i])
    decode = _decoder(tokenizer)
    return _added(decode, ids[max(0, start - 1) : start], [*ids[start:at], int(likeliest[at])])


Decode = Callable[[Sequence[int]], str]


def _decoder(tokenizer: PreTrainedTokenizerBase) -> Decode:
    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    return decode


def whole_characters(decode: Decode, ids: Sequence[int]) -> list[tuple[int, int, str]]:
    """Stretches (start, end, text) of the tokens, as short as can be, whose texts hold whole characters and joined are
    the whole text: a tokenizer may give a character that it has no token for several, none of which is text alone."""
    found, start, before = [], 0, 0
    while start < len(ids):
        for end in range(start + 1, min(start + _LONGEST_CHARACTER, len(ids)) + 1):
            text = _added(decode, ids[before:start], ids[start:end])
            if not text.endswith(_UNFINISHED):
                break
        found.append((start, end, text))
        before, start = start, end
    return found


def _added(decode: Decode, context: Sequence[int], ids: Sequence[int]) -> str:
    """The text that tokens add after others: some tokenizers leave out the space that begins a text."""
    return decode([*context, *ids])[len(decode(context)) :] if context else decode(ids)
