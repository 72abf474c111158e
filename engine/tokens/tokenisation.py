"""Texts to token ids, fast, with exactly the tokens that the tokenizer gives.

Words recur: a text is cut into pieces, known ones are looked up, and only new ones go through the tokenizer. That
needs a tokenizer whose tokens never cross the cut. GPT-2's do not: in its pattern white space is matched only at the
start of a match, so each passage from a character that is none to one that is begins a new match, whatever stands
before or after. Other tokenizers get whole texts. Either way the work is spread over the processor's cores.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerBase

from engine.common.foreign_errors import model_errors
from engine.common.ranges import ranges, sums

TOKENISATION_VERSION = 1
"""Changed with every change that changes tokens: what was kept before is made again."""

_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What `\\s` matches in the tokenizers' own patterns; Python's `\\s` has four more."""
_PIECE = re.compile(f"[{_SPACE}]*[^{_SPACE}]+|[{_SPACE}]+")
_BEGINS_AND_ENDS_AT_A_CUT = re.compile(f"[{_SPACE}].*[^{_SPACE}]", re.DOTALL)
_CUT = re.compile(f"(?<=[^{_SPACE}])[{_SPACE}]")
_SEGMENT = 1_000_000
"""Characters that are worked on at a time."""
_REQUEST = 8_192
"""Characters of new pieces that one core takes at a time."""
_KNOWN_PIECES = 200_000
"""Beyond them the pieces are learnt anew: about 40 MB."""

Ids = NDArray[np.int32]
Counts = NDArray[np.int64]
Encode = Callable[[Sequence[str]], tuple[Ids, Counts]]
"""Texts to their token ids, one text after the other, and how many each has."""


def make_encoder(tokenizer: PreTrainedTokenizerBase) -> Encode:
    """The fastest way to the tokenizer's own tokens. Special tokens spelled out in a text stay text; none is added.

    It raises ModelError where the tokenizer fails.
    """
    trouble = "The model's tokenizer can't encode these texts; choose another model"
    with model_errors(trouble):
        fastest = _fastest(tokenizer)

    def encode(texts: Sequence[str]) -> tuple[Ids, Counts]:
        with model_errors(trouble):
            return fastest(texts)

    return encode


def _fastest(tokenizer: PreTrainedTokenizerBase) -> Encode:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        return lambda texts: _flat(_by_transformers(tokenizer, texts))
    own = Tokenizer.from_str(backend.to_str())  # other threads may set the shared one otherwise
    own.encode_special_tokens = True
    own.no_truncation()
    own.no_padding()
    return _PieceEncoder(own) if _keeps_to_cuts(own) else lambda texts: _whole(own, texts)


def _by_transformers(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    if not any(texts):
        return [[] for _ in texts]
    found: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False)[
        "input_ids"
    ]
    return found


def _whole(backend: Tokenizer, texts: Sequence[str]) -> tuple[Ids, Counts]:
    return _flat([encoding.ids for encoding in backend.encode_batch_fast(list(texts), add_special_tokens=False)])


def _flat(ids: Sequence[Sequence[int]]) -> tuple[Ids, Counts]:
    counts = np.fromiter(map(len, ids), np.int64, len(ids))
    return np.fromiter(chain.from_iterable(ids), np.int32, int(counts.sum())), counts


def _keeps_to_cuts(backend: Tokenizer) -> bool:
    """Whether this is byte-level BPE with GPT-2's pattern and nothing around it that reads across a cut."""
    about: dict[str, Any] = json.loads(backend.to_str())
    model, before = about["model"], about["pre_tokenizer"] or {}
    return (
        model["type"] == "BPE"
        and not any(model.get(name) for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"))
        and set(ByteLevel.alphabet()) <= model["vocab"].keys()
        and before.get("type") == "ByteLevel"
        and before.get("use_regex", True)
        and not before["add_prefix_space"]
        and about["normalizer"] is None
        and all(token["special"] for token in about["added_tokens"])
    )


class _Numbers(dict[str, int]):
    """Numbers pieces as they are asked for; `new` lists those that were not known."""

    def __init__(self) -> None:
        self.new: list[str] = []

    def __missing__(self, piece: str) -> int:
        self[piece] = number = len(self)
        self.new.append(piece)
        return number


class _PieceEncoder:
    """Looks pieces up and learns new ones."""

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        vocabulary: dict[str, int] = backend.get_vocab(with_added_tokens=False)
        self._token_bytes = np.zeros(max(vocabulary.values()) + 1, np.int64)
        for token, number in vocabulary.items():
            self._token_bytes[number] = len(token)  # a byte-level vocabulary writes a byte as a character
        self._forget()

    def _forget(self) -> None:
        self._numbers = _Numbers()
        self._ids: Ids = np.zeros(0, np.int32)
        self._counts: Counts = np.zeros(0, np.int64)

    def __call__(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        per_text: Counts = np.zeros(len(texts), np.int64)
        found: list[Ids] = []
        for owners, segments in _segments(texts):
            ids, counts = self._encode(segments)
            np.add.at(per_text, owners, counts)
            found.append(ids)
        return np.concatenate([np.zeros(0, np.int32), *found]), per_text

    def _encode(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        if len(self._numbers) > _KNOWN_PIECES:
            self._forget()
        pieces = [_PIECE.findall(text) for text in texts]
        per_text = np.fromiter(map(len, pieces), np.int64, len(pieces))
        flat = map(self._numbers.__getitem__, chain.from_iterable(pieces))
        numbers = np.fromiter(flat, np.int64, int(per_text.sum()))
        self._learn()
        counts = self._counts[numbers]
        starts = (np.cumsum(self._counts) - self._counts)[numbers]
        return self._ids[ranges(starts, counts)], sums(counts, per_text)

    def _learn(self) -> None:
        new, self._numbers.new = self._numbers.new, []
        requests = list(_joined(new))
        ids, _ = _whole(self._backend, ["".join(request) for request in requests])
        sizes = np.fromiter((len(piece.encode()) for piece in new), np.int64, len(new))
        ends = np.searchsorted(np.cumsum(self._token_bytes[ids]), np.cumsum(sizes)) + 1
        own = np.diff(ends, prepend=0)
        if int(own.sum()) != len(ids) or not np.array_equal(sums(self._token_bytes[ids], own), sizes):
            raise AssertionError("a token crosses a cut")
        self._ids = np.concatenate([self._ids, ids])
        self._counts = np.concatenate([self._counts, own])


def _joined(pieces: Sequence[str]) -> Iterator[list[str]]:
    """Pieces that may follow one another in a text without changing each other, some thousand characters together."""
    together: list[str] = []
    size = 0
    for piece in pieces:
        joins = _BEGINS_AND_ENDS_AT_A_CUT.fullmatch(piece) is not None
        if together and (not joins or size > _REQUEST):
            yield together
            together, size = [], 0
        if joins:
            together.append(piece)
            size += len(piece)
        else:
            yield [piece]
    if together:
        yield together


def _segments(texts: Sequence[str]) -> Iterator[tuple[list[int], list[str]]]:
    """About `_SEGMENT` characters at a time, with the numbers of the texts they are of; long texts are cut."""
    owners: list[int] = []
    segments: list[str] = []
    size = 0
    for number, text in enumerate(texts):
        for segment in _cut(text):
            owners.append(number)
            segments.append(segment)
            size += len(segment)
            if size >= _SEGMENT:
                yield owners, segments
                owners, segments, size = [], [], 0
    if owners:
        yield owners, segments


def _cut(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _SEGMENT:
        found = _CUT.search(text, start + _SEGMENT)
        if found is None:
            break
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]
