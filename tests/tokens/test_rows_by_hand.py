"""Tokens, rows and their targets, each written out by hand."""

from dataclasses import replace

import numpy as np
import torch

from engine.models.loading import load_tokenizer
from engine.tasks.documents import Document
from engine.tokens.blocks import IGNORED, best_fit, cut, pack
from engine.tokens.document_encoding import PairEncoder
from engine.tokens.encoded_documents import EncodedDocuments, encode_with
from engine.tokens.packing import pack_documents
from engine.tokens.tokenisation import Ids, make_encoder
from tests.builders import document


def test_rows_by_hand_hold_inputs_targets_and_positions_of_every_kind_of_document() -> None:
    text = document([0, 1, 2, 3, 4, 5, 6, 7])  # seven inputs: a full row of five and two more
    pair = document([0, 11, 12, 13], first_target=3)  # two of prompt, one of answer
    talk = replace(document([0, 21, 22, 23, 24, 25], first_target=2),
                   learnt=torch.tensor([False, False, True, False, False, True]))  # fmt: skip
    off = IGNORED
    rows = {
        ((0, 1, 2, 3, 4), (1, 2, 3, 4, 5), (0, 1, 2, 3, 4)),
        ((0, 21, 22, 23, 24), (off, 22, off, off, 25), (0, 1, 2, 3, 4)),
        ((0, 11, 12, 5, 6), (off, off, 13, 6, 7), (0, 1, 2, 0, 1)),
    }
    documents = [text, pair, talk]
    held = pack([piece for one in documents for piece in cut(one, 5)], 5)
    lazy = pack_documents(EncodedDocuments.of(documents), 5)
    for blocks in (held, lazy.select(torch.arange(len(lazy)))):
        columns = (blocks.input_ids, blocks.targets, blocks.position_ids)
        found = {tuple(tuple(each[i].tolist()) for each in columns) for i in range(len(blocks))}
        assert found == rows
        assert blocks.target_tokens == 10
    assert sorted(lazy.row_targets.tolist()) == [2, 3, 5]
    assert EncodedDocuments.of(documents).targets.tolist() == [7, 1, 2]
    without_talk = EncodedDocuments.of(documents[:2])
    assert without_talk.targets.tolist() == [7, 1]
    two = pack_documents(without_talk, 5)
    assert sorted(two.row_targets.tolist()) == [3, 5]
    assert sorted(two.select(torch.arange(2)).targets.tolist()) == [[off, off, 13, 6, 7], [1, 2, 3, 4, 5]]


def test_best_fit_decreasing_of_a_hand_made_list() -> None:
    # Of 10: the 7, then the 5, which fits nowhere, then the 3 with the 7 (the fullest), the 2 and the 2 with the 5.
    order, counts = best_fit(np.array([2, 5, 3, 7, 2, 10]), 10)
    rows = [sorted(part.tolist()) for part in np.split(order, np.cumsum(counts)[:-1])]
    assert rows == [[5], [2, 3], [0, 1, 4]]
    # 6, 5, 3, 3, 2 into rows of 10: 6 + 3 leaves 1, 5 + 3 leaves 2, and the 2 goes there; in their order 2 + 3 + 5.
    order, counts = best_fit(np.array([2, 3, 6, 3, 5]), 10)
    rows = [sorted(part.tolist()) for part in np.split(order, np.cumsum(counts)[:-1])]
    assert rows == [[1, 2], [0, 3, 4]]
    # 6, 4 and 3: the 4 fills the first row, and the 3 has one to itself; the emptier row would be another
    order, counts = best_fit(np.array([8, 6, 2]), 10)
    assert [part.tolist() for part in np.split(order, np.cumsum(counts)[:-1])] == [[0, 2], [1]]


def letters(texts: list[str]) -> tuple[Ids, np.ndarray]:
    """A token a character."""
    counts = np.array([len(text) for text in texts], np.int64)
    return np.array([ord(c) for text in texts for c in text], np.int32), counts


def spelt(encoder: PairEncoder, *documents: Document) -> list[tuple[str, int, int]]:
    """Each as written, with its first target and its bytes; < is bos, > is eos."""
    found = encode_with(encoder, documents)
    return [("".join(map(chr, one.token_ids.tolist())), one.first_target, one.text_bytes) for one in found]


def test_a_pair_is_bos_prompt_separator_text_eos_and_counts_the_bytes_of_its_text() -> None:
    encoder = PairEncoder(letters, ord("<"), ord(">"), "|")  # type: ignore[arg-type]
    found = spelt(encoder, Document("yes", "why?"), Document("é", ""), Document("no"))
    assert found == [("<why?|yes>", 6, 3), ("<é>", 1, 2), ("<no>", 1, 2)]


def test_a_pair_too_long_by_hand_keeps_the_end_of_its_prompt() -> None:
    encoder = PairEncoder(letters, ord("<"), ord(">"), "|", 9, len)  # type: ignore[arg-type]
    # Nine in all: bos, at least four of the prompt with its separator, and of the completion with eos what is left.
    assert spelt(encoder, Document("ok", "abcde")) == [("<bcde|ok>", 6, 2)]
    assert spelt(encoder, Document("ok", "bcde")) == [("<bcde|ok>", 6, 2)]
    assert encoder.counts == {"prompt": 1, "completion": 0}
    assert spelt(encoder, Document("012345", "abcde")) == [("<cde|0123", 5, 4)]
    assert encoder.counts == {"prompt": 2, "completion": 1}
    assert spelt(encoder, Document("0123456789")) == [("<0123456789>", 1, 10)]


def test_tokens_of_odd_texts_are_the_tokenizers_own() -> None:
    tokenizer = load_tokenizer("tiny-gpt2")
    encode = make_encoder(tokenizer)
    for text in (
        "a  b\n\n c",
        "one <|endoftext|> two",
        " \t don't\r\nstop",
        "line\n\nline\x0bend ",
        "中文。 é",
        "a b a b",
    ):
        ids, counts = encode([text, text])
        own = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert ids.tolist() == own + own
        assert counts.tolist() == [len(own)] * 2
