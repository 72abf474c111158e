import math
from collections import Counter

import pytest

from engine.forecast.task_overlap import base_score, shared_documents, token_counts, vocabulary_overlap
from engine.models.loading import load_base
from engine.tasks.documents import Document, Task
from engine.tokens.encoded_documents import encode


def task(name: str, train: list[str], held_out: list[str]) -> Task:
    return Task(name, tuple(map(Document, train)), tuple(map(Document, held_out)))


def test_overlap_is_the_shared_mass_of_the_two_token_distributions() -> None:
    first, second = Counter({1: 3, 2: 1}), Counter({1: 1, 3: 1})
    overlap = vocabulary_overlap([first, second], ["a", "b"])
    # Σ min(p, q) = min(3/4, 1/2) by hand.
    assert overlap.loc["a", "b"] == pytest.approx(0.5)
    assert overlap.loc["b", "a"] == pytest.approx(0.5)


def test_a_task_overlaps_wholly_with_itself_and_not_at_all_with_a_foreign_one() -> None:
    overlap = vocabulary_overlap([Counter({1: 7, 5: 2}), Counter({2: 1})], ["a", "b"])
    assert overlap.to_numpy().tolist() == [[pytest.approx(1.0), 0.0], [0.0, pytest.approx(1.0)]]


def test_an_empty_side_gives_zero_and_no_error() -> None:
    assert vocabulary_overlap([Counter(), Counter({1: 1})], ["a", "b"]).loc["a", "b"] == 0.0


def test_documents_in_one_place_only_are_not_reported() -> None:
    assert shared_documents([task("a", ["x", "y"], ["z"]), task("b", ["v"], ["w"])]) == ()


def test_a_document_in_two_tasks_is_found_whatever_its_white_space() -> None:
    (found,) = shared_documents([task("a", ["one  two\n"], []), task("b", ["one two"], [])])
    assert found.places == (("a", "train"), ("b", "train"))
    assert not found.leaks


def test_text_that_one_task_learns_and_another_holds_out_leaks_and_comes_first() -> None:
    found = shared_documents([task("a", ["same", "known"], []), task("b", ["same"], ["known"])])
    assert [shared.leaks for shared in found] == [True, False]
    assert found[0].places == (("a", "train"), ("b", "held-out"))


def test_prompts_tell_documents_apart() -> None:
    first = Task("a", (Document("yes", prompt="Is it open?"),), ())
    second = Task("b", (Document("yes", prompt="Is it far?"),), ())
    assert shared_documents([first, second]) == ()


def test_long_documents_are_shown_in_excerpt() -> None:
    (found,) = shared_documents([task("a", ["word " * 100], []), task("b", ["word " * 100], [])])
    assert len(found.excerpt) == 120


def test_the_base_model_is_scored_on_the_held_out_text() -> None:
    base = load_base("tiny-gpt2")
    documents = encode(
        base.tokenizer, [Document("The sun rose over the hill."), Document("It was late.")], base.bos, base.eos
    )
    scored = base_score(base, documents, block_size=32)
    assert scored.target_tokens == documents.target_tokens == sum(document.target_tokens for document in documents)
    # Better than guessing among all tokens.
    assert scored.nats_per_token < math.log(len(base.tokenizer))


def test_tokens_are_counted_in_texts_alone_and_special_ones_spelled_out_are_text() -> None:
    tokenizer = load_base("tiny-gpt2").tokenizer
    eos = tokenizer.eos_token_id
    counts = token_counts(encode(tokenizer, [Document("<|endoftext|>"), Document("yes", prompt="Is it?")], eos, eos))
    by_hand = Counter(
        token for text in ("<|endoftext|>", "yes")
        for token in tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    )  # fmt: skip
    assert eos not in counts
    assert counts == by_hand
