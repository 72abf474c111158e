"""Encoded documents as text again: what a model reads and what it learns, for whoever looks before a start."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from engine.tokens.blocks import EncodedDocument


@dataclass(frozen=True)
class Segment:
    """A stretch of a document, special tokens spelled out."""

    text: str
    learnt: bool


def segments(tokenizer: PreTrainedTokenizerBase, document: EncodedDocument) -> tuple[Segment, ...]:
    """The document in stretches that are read alone or learnt, in order."""
    marked = zip(document.token_ids.tolist(), document.mask.tolist(), strict=True)
    return tuple(
        Segment(_decoded(tokenizer, [token for token, _ in part]), learnt)
        for learnt, part in groupby(marked, key=lambda pair: pair[1])
    )


def read_and_learnt(tokenizer: PreTrainedTokenizerBase, document: EncodedDocument) -> tuple[str, str]:
    """What is only read, and what is learnt, several stretches of it joined by line breaks; the special tokens that
    begin a document and end what is learnt are left out."""
    read, learnt = [], []
    marked = list(zip(document.token_ids.tolist(), document.mask.tolist(), strict=True))
    if marked[0] in ((tokenizer.bos_token_id, False), (tokenizer.eos_token_id, False)):
        marked.pop(0)
    for is_learnt, part in groupby(marked, key=lambda pair: pair[1]):
        ids = [token for token, _ in part]
        if is_learnt:
            learnt.append(_decoded(tokenizer, _without_end(tokenizer, ids)))
        else:
            read.append(_decoded(tokenizer, ids))
    return "".join(read), "\n".join(learnt)


def _without_end(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    """Up to the special token that ends a turn, with whatever white space follows it."""
    special = set(tokenizer.all_special_ids)
    last = next((at for at in range(len(ids) - 1, -1, -1) if ids[at] in special), None)
    if last is None or _decoded(tokenizer, ids[last + 1 :]).strip():
        return ids
    return ids[:last]


def _decoded(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
