"""The fast way to tokens gives the tokenizer's own, whatever the text."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from engine.models.loading import load_tokenizer
from engine.tasks import load_task, samples
from engine.tokens import tokenisation
from engine.tokens.tokenisation import Encode, make_encoder

GPT2 = load_tokenizer("tiny-gpt2")
ENCODE = make_encoder(GPT2)
SPACES = " \n\t\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u180e\u2003\u2028\u202f\u3000\u200b\ufeff"
ODD = [*SPACES, "  ", "\n\n", "a", "Z", "don't", "'s", " 's", "7", "12", ".", ",\n", "é", "e\u0301", "中文", "。", "🙂",
       "<|endoftext|>", "\x00"]  # fmt: skip
TEXTS = st.lists(st.lists(st.sampled_from(ODD) | st.text(max_size=3), max_size=20).map("".join), max_size=4)


def by_tokenizer(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """One text at a time, as transformers gives it."""
    return [
        tokenizer(t, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"] for t in texts
    ]


def by_encoder(encode: Encode, texts: Sequence[str]) -> list[list[int]]:
    ids, counts = encode(texts)
    assert len(counts) == len(texts)
    return [part.tolist() for part in np.split(ids, np.cumsum(counts))[:-1]] if texts else []


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_tokens_are_those_of_the_tokenizer(texts: list[str]) -> None:
    assert by_encoder(ENCODE, texts) == by_tokenizer(GPT2, texts)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(1, 12), st.integers(0, 5))
def test_neither_cutting_long_texts_nor_forgetting_pieces_changes_a_token(
    texts: list[str], segment: int, known: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tokenisation, "_SEGMENT", segment)
        patched.setattr(tokenisation, "_REQUEST", segment)
        patched.setattr(tokenisation, "_KNOWN_PIECES", known)
        encode = make_encoder(GPT2)
        for _ in range(2):
            assert by_encoder(encode, texts) == by_tokenizer(GPT2, texts)


def test_every_character_is_space_here_where_it_is_in_the_tokenizer() -> None:
    """A cut before a character that is no space to the tokenizer would show in one of these."""
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    spaces = [c for c in characters if tokenisation._PIECE.findall(f"!{c}!") == ["!", f"{c}!"]]
    assert {" ", "\n", "\xa0", "\u3000"} <= set(spaces)
    assert len(spaces) == 25
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    found = [c for c in characters if c.isspace() or c in SPACES]
    for c in found:  # "!" is of the class that swallows everything but letters, digits and spaces
        together = len(split(f"!{c}!")) == 1
        assert together == (c not in spaces), repr(c)


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_real_texts_have_the_tokens_of_the_tokenizer(sample: object) -> None:
    texts = [document.text for document in load_task(sample.spec).train[:300]]  # type: ignore[attr-defined]
    assert by_encoder(make_encoder(GPT2), texts) == by_tokenizer(GPT2, texts)


def byte_level(**around: object) -> PreTrainedTokenizerFast:
    """Byte-level BPE whose one merge joins a full stop and a line end."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate([*alphabet, ".Ċ"])}, merges=[(".", "Ċ")]))
    tokenizer.pre_tokenizer = around.get("pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=False))  # type: ignore[assignment]
    if "normalizer" in around:
        tokenizer.normalizer = around["normalizer"]  # type: ignore[assignment]
    if "added" in around:
        tokenizer.add_tokens([around["added"]])  # type: ignore[list-item]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


OTHERS = {
    "a pattern that joins full stops and line ends": byte_level(
        pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    ),
    "a space put before every text": byte_level(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "a normalizer": byte_level(normalizer=normalizers.Replace("a b", "c")),
    "an added token with a space in it": byte_level(added="a b"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_tokenizer_that_reads_across_cuts_gets_whole_texts(what: str) -> None:
    texts = ["One.\nTwo a b", "", " a b.\n"]
    assert by_encoder(make_encoder(OTHERS[what]), texts) == by_tokenizer(OTHERS[what], texts)
    assert not tokenisation._keeps_to_cuts(OTHERS[what].backend_tokenizer)


def test_the_cut_would_change_their_tokens() -> None:
    """What the test above guards against is real."""
    pieces = tokenisation._PieceEncoder(OTHERS["a pattern that joins full stops and line ends"].backend_tokenizer)
    tokenizer = OTHERS["a pattern that joins full stops and line ends"]
    assert by_encoder(pieces, ["One.\nTwo"]) != by_tokenizer(tokenizer, ["One.\nTwo"])


def test_a_tokenizer_without_rust_is_asked_itself() -> None:
    class Plain:
        def __call__(self, texts: list[str], **options: object) -> dict[str, list[list[int]]]:
            assert options == {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
            return {"input_ids": [list(map(ord, text)) for text in texts]}

    encode = make_encoder(Plain())  # type: ignore[arg-type]
    assert by_encoder(encode, ["ab", "", "c"]) == [[97, 98], [], [99]]
    assert by_encoder(encode, ["", ""]) == [[], []]


def test_the_shared_tokenizer_is_left_as_it_is(tmp_path: Path) -> None:
    before = GPT2.backend_tokenizer.encode_special_tokens
    by_encoder(make_encoder(GPT2), ["<|endoftext|>"])
    assert GPT2.backend_tokenizer.encode_special_tokens == before
