"""A tokenizer is checked here before anything is computed with it: transformers makes one up where there is none, and a
vocabulary of other texts turns words into the same unknown token. Either would end in numbers that mean nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

from engine.common.errors import ModelError, TaskError
from engine.common.foreign_errors import model_errors
from engine.models.folder_checks import read_description
from engine.tokens.tokenisation import make_encoder

_VOCABULARIES = ("tokenizer.json", "tokenizer.*.json", "vocab.*", "vocab-*.json", "merges.txt", "bpe.codes", "dict.txt",
                 "*.model", "*.spm", "tekken.json", "byte_maps.json", "*.tiktoken", "entity_vocab.json",
                 "prophetnet.tokenizer")  # fmt: skip
"""The files from which the tokenizer classes of transformers read their tokens. Its descriptions of a tokenizer
(tokenizer_config.json, special_tokens_map.json, added_tokens.json) are none of them."""
_FILES = "tokenizer.json, or vocab.json and merges.txt, or tokenizer.model"
_FEWEST_TOKENS = 5
"""Without special tokens: the four letters of a genome and one for what is none of them is the least that is used."""
_ORDINARY = (
    "The quick brown fox jumps over the lazy dog, and it is 10:45 on a Monday. "
    "a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T U V W X Y Z "
    "0 1 2 3 4 5 6 7 8 9 ACGT for if ( ) { } = + "
    "Это обычный текст. 图书馆周一闭馆。 これは文です。 이것은 문장입니다. "
    "هذا نص عادي. यह एक वाक्य है। Αυτό είναι κείμενο."
)
"""Letters, words and numbers of many scripts: a tokenizer that knows none of this has no use here."""

SAMPLE_DOCUMENTS, SAMPLE_CHARACTERS = 200, 200_000
"""The part of a task's texts that is looked at."""
REMARKED_SHARE, REFUSED_SHARE = 0.03, 0.30
"""Shares of unknown tokens. A few rare characters are in any text, and models were trained with about one in a hundred
of them; above three in a hundred what is lost is worth knowing. With a third of all tokens unknown the model learns,
and is scored on, where gaps stand more than on words: the unknown token is easily predicted, so the scores look
good."""


def has_tokenizer(folder: Path, name: str) -> bool:
    """Whether a folder holds a tokenizer's tokens, or a tokenizer that needs none."""
    return any(any(folder.glob(pattern)) for pattern in _VOCABULARIES) or _needs_no_files(folder, name)


def check_tokenizer_files(folder: Path, name: str) -> None:
    """Raises ModelError where a model folder holds no tokens: the library would make up a tokenizer of one token."""
    if has_tokenizer(folder, name):
        return
    raise ModelError(
        f"{name}: there is no tokenizer {_where(folder, name)}; put its files there ({_FILES}). The tokenizer's own "
        "save_pretrained() writes them."
    )


def _needs_no_files(folder: Path, name: str) -> bool:
    """Whether the folder names a class of tokenizers that has no vocabulary, such as one of bytes."""
    if not (folder / "tokenizer_config.json").is_file():
        return False
    named: object = read_description(folder / "tokenizer_config.json", name).get("tokenizer_class")
    with model_errors(f"{name}: its tokenizer can't be loaded"):
        found = tokenizer_class_from_name(named) if isinstance(named, str) else None
    reads = getattr(found, "vocab_files_names", None)
    return found is not None and not reads and "Backend" not in found.__name__


def loading_failed(folder: Path, name: str) -> str:
    """The sentence before the library's own reason where it can't load the tokenizer in a folder."""
    trouble = f"{name}: its tokenizer can't be loaded"
    if (folder / "tokenizer.json").is_file():
        return trouble
    pair = [file for file in ("vocab.json", "merges.txt") if (folder / file).is_file()]
    if len(pair) == 1:
        other = "merges.txt" if pair == ["vocab.json"] else "vocab.json"
        return f"{trouble}; {pair[0]} is there but {other}, which belongs to it, is not: put it there"
    if any(folder.glob("*.model")):
        return (
            f"{trouble}; it is a SentencePiece file, which may need the package sentencepiece: install that, or put "
            "the tokenizer's tokenizer.json there"
        )
    return trouble


def _where(folder: Path, name: str) -> str:
    return "in this folder" if Path(name).expanduser().is_dir() else f"in {folder}"


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, name: str, folder: Path) -> None:
    """Raises ModelError for a tokenizer that has hardly any tokens, or makes nothing of ordinary text."""
    own = int(tokenizer.vocab_size)
    if own < _FEWEST_TOKENS:
        raise ModelError(
            f"{name}: the tokenizer {_where(folder, name)} has {own} tokens beside the special ones, so its vocabulary "
            f"is missing; put the tokenizer's files there ({_FILES})."
        )
    ids, _ = make_encoder(tokenizer)([_ORDINARY])
    unknown = _unknown_id(tokenizer)
    if not len(ids) or (unknown is not None and bool(np.all(ids == unknown))):
        what = "no token at all" if not len(ids) else "nothing but unknown tokens"
        raise ModelError(
            f"{name}: the tokenizer {_where(folder, name)} turns ordinary text into {what}, so it is damaged or "
            "not the one of a language model; put the tokenizer's files there again."
        )


def check_tokens(tokenizer: PreTrainedTokenizerBase, called: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Look at the tokens of some texts: what is worth saying about them, a sentence each, which begins with what they
    are `called`.

    Raises TaskError where they come to no tokens, or mostly to unknown ones; ModelError where the tokenizer fails.
    """
    sample = list(_sample(texts))
    counted = count_tokens(tokenizer, sample)
    if any(text.strip() for text in sample) and not counted.tokens:
        raise TaskError(
            f"{called}: the model's tokenizer turns its texts into no tokens at all, so nothing could be learnt "
            "or scored; choose a model whose tokenizer knows this script, or look at the files of its tokenizer."
        )
    share = counted.unknown_share
    if share <= REMARKED_SHARE:
        return ()
    finding = f"{called}: {share:.0%} of the tokens are unknown to the model's tokenizer ({_written(tokenizer)})"
    if share > REFUSED_SHARE:
        raise TaskError(
            f"{finding}, so the model would hardly see these texts and the scores would mean nothing; choose a model "
            "whose tokenizer knows this script."
        )
    return (
        f"{finding}: the model can't tell what stood there, and scores on such text look better than they are. "
        "A model with a byte-level tokenizer knows every text.",
    )


def _sample(texts: Sequence[str]) -> Iterator[str]:
    """Documents from all over the task, since the first ones are often of one kind."""
    step, left = max(1, len(texts) // SAMPLE_DOCUMENTS), SAMPLE_CHARACTERS
    for text in islice(texts, 0, None, step):
        if left <= 0:
            return
        yield text[:left]
        left -= len(text)


@dataclass(frozen=True)
class TokenCount:
    """The tokens of some texts, those among them that are the unknown token, and the characters that are left out."""

    tokens: int
    unknown: int
    left_out: int

    @property
    def unknown_share(self) -> float:
        """The share of unknown tokens, in [0, 1]; a character that is left out counts as one. It is 0 without tokens.

        Byte-level tokenizers and ones that fall back to bytes know every text.
        """
        every = self.tokens + self.left_out
        return (self.unknown + self.left_out) / every if every else 0.0


def count_tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> TokenCount:
    """Count the tokens of texts, and what the tokenizer does not know of them. Raises ModelError."""
    ids, _ = make_encoder(tokenizer)(list(texts))
    unknown = _unknown_id(tokenizer)
    found = int(np.count_nonzero(ids == unknown)) if unknown is not None else 0
    return TokenCount(len(ids), found, _left_out(tokenizer, texts))


def _left_out(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> int:
    """Characters that no token stands for: without an unknown token some tokenizers drop them.

    At least so many: behind a dropped character the tokenizer's positions are shifted, so that only how many
    characters the tokens stand for can be told, white space among them.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer) or getattr(backend.model, "unk_token", None):
        return 0
    own = Tokenizer.from_str(backend.to_str())  # as in `make_encoder`: other threads may set the shared one otherwise
    own.no_truncation()
    own.no_padding()
    left_out = 0
    for text, encoding in zip(texts, own.encode_batch(list(texts), add_special_tokens=False), strict=True):
        stands = bytearray(len(text))
        for start, end in encoding.offsets:
            stands[start:end] = b"\1" * (end - start)
        left_out += max(0, sum(not character.isspace() for character in text) - sum(stands))
    return left_out


def _unknown_id(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The token for what the vocabulary lacks. A byte-level tokenizer has none, whatever its description says: GPT-2's
    names its end-of-text token, which texts never come to."""
    found = getattr(tokenizer, "unk_token_id", None)
    return None if found is None else int(found)


def _written(tokenizer: PreTrainedTokenizerBase) -> str:
    unknown = getattr(tokenizer, "unk_token", None)
    return f"written as {unknown}" if unknown else "left out without a trace"
