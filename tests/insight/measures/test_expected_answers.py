"""Questions with expected answers: found in documents, marked, and compared between two models."""

from itertools import product
from math import comb

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.insight.measures.expected_answers import (
    Answered,
    Question,
    answered,
    class_accuracy,
    classes,
    mcnemar_p,
    questions,
    token_f1,
)
from engine.models.loading import load_base
from engine.tokens.blocks import EncodedDocument
from engine.tokens.encoded_documents import EncodedDocuments
from tests.builders import document


def chat(tokens: list[int], learnt: list[int]) -> EncodedDocument:
    mask = torch.tensor([place in learnt for place in range(len(tokens))])
    return EncodedDocument(torch.tensor(tokens, dtype=torch.int32), min(learnt), 3, mask)


def test_a_question_is_what_stands_before_the_first_answer_and_plain_texts_ask_none() -> None:
    pair = document([0, 5, 6, 7, 8, 0], first_target=3)
    plain = document([0, 5, 6, 0])
    two_turns = chat([0, 1, 2, 9, 9, 3, 1, 9, 3], learnt=[3, 4, 5, 7, 8])
    found, _ = questions(EncodedDocuments.of([plain, pair]), ends=[0, 3], context=64)
    assert [(each.document, each.prompt.tolist(), each.answer.tolist()) for each in found] == [(1, [0, 5, 6], [7, 8])]
    ((turn,), _) = questions(EncodedDocuments.of([two_turns]), ends=[0, 3], context=64)
    assert (turn.prompt.tolist(), turn.answer.tolist()) == ([0, 1, 2], [9, 9])
    assert len(questions(EncodedDocuments.of([pair] * 5), [0], context=64, most=2)[0]) == 2
    assert questions(EncodedDocuments.of([document([0, 5, 6, 0], first_target=3)]), [0], context=64) == ([], 0)


def test_a_prompt_that_leaves_no_room_for_an_answer_is_left_out_and_counted() -> None:
    short, long = document([0, 5, 7, 8, 0], first_target=2), document([0, *[5] * 9, 7, 0], first_target=10)
    found, left_out = questions(EncodedDocuments.of([short, long]), [0], context=10 + 2 * 2 + 8 - 1)
    assert ([each.document for each in found], left_out) == ([0], 1)
    assert questions(EncodedDocuments.of([short, long]), [0], context=10 + 2 * 2 + 8)[1] == 0


def test_token_f1_by_hand() -> None:
    assert token_f1("the cat sat", "The cat") == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))
    assert token_f1("a a b", "a b b") == pytest.approx(2 / 3)
    assert token_f1("x", "y") == 0
    assert (token_f1("", ""), token_f1("x", ""), token_f1("", "x")) == (1, 0, 0)


@given(st.text(), st.text())
def test_token_f1_is_even_handed_and_one_for_equal_texts(one: str, other: str) -> None:
    assert token_f1(one, other) == token_f1(other, one)
    assert token_f1(one, one) == 1
    assert 0 <= token_f1(one, other) <= 1


def test_mcnemars_p_is_that_of_counting_all_ways_in_which_answers_turn() -> None:
    for lost, gained in product(range(7), repeat=2):
        turned = lost + gained
        tail = sum(comb(turned, k) for k in range(min(lost, gained) + 1)) / 2**turned
        assert mcnemar_p(lost, gained) == pytest.approx(min(1.0, 2 * tail))


def test_classes_are_answers_that_come_again_and_again() -> None:
    expected = ["Yes", "no", "YES ", "no", "yes"]
    assert classes(expected) == ["yes", "no"]
    assert classes(["a", "b", "c"]) == []
    assert classes(["a", "a", "a"]) == []
    found = [Answered("", exact, 0.0) for exact in (True, False, True, True, False)]
    assert class_accuracy(expected, found) == {"yes": (3, pytest.approx(2 / 3)), "no": (2, 0.5)}


def test_answers_are_greedy_whatever_stands_beside_them_and_marked_against_what_is_expected() -> None:
    base = load_base("tiny-gpt2")
    encode = base.tokenizer.encode
    prompts = ["The President of the United", "In the year", "Call me", "We"] * 10
    plain = []
    for prompt in prompts[:4]:
        ids = torch.tensor([[base.bos, *encode(prompt)]])
        written = base.model.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=base.eos)
        plain.append(base.tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True))
    expected = [plain[0], plain[1].upper(), plain[2].split()[0], "nobody says this"] * 10
    asked = [
        Question(number, torch.tensor([base.bos, *encode(prompt)]), torch.tensor(encode(wanted)))
        for number, (prompt, wanted) in enumerate(zip(prompts, expected, strict=True))
    ]
    told: list[tuple[int, int]] = []
    found = answered(base, asked, [base.eos], 6, lambda done, of: told.append((done, of)))
    assert told[-1] == (40, 40)
    assert [answer.text for answer in found] == plain * 10
    assert [answer.exact for answer in found] == [True, True, False, False] * 10
    words = len(plain[2].split())
    assert [answer.f1 for answer in found[:4]] == pytest.approx([1, 1, 2 / (1 + words), 0])
