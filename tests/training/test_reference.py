"""What the steps of a stage may draw from of a reference text, small or large."""

import pytest
import torch

from engine.common.random_streams import Streams
from engine.tokens.encoded_documents import EncodedDocuments
from engine.training import reference
from engine.training.reference import EncodedReference
from tests.builders import document


def numbers(text: EncodedReference, stage: int, seed: int = 0) -> list[int]:
    """The documents that a stage draws from, by their first token."""
    (documents,) = text.memory(stage, Streams(seed)).tasks
    return [int(each.token_ids[1]) for each in documents]


def text_of(count: int, tokens: int = 3) -> EncodedReference:
    found = [document([0, *[n] * (tokens - 1)]) for n in range(1, count + 1)]
    return EncodedReference(EncodedDocuments.of(found), "a text")


def test_all_documents_of_a_text_are_there_in_their_order_and_are_packed_once() -> None:
    text = text_of(30)
    assert numbers(text, 2) == numbers(text, 3) == list(range(1, 31))
    memory = text.memory(3, Streams(0))
    assert memory is text.memory(3, Streams(0))
    assert memory.packed(16) is text.memory(3, Streams(0)).packed(16)


def test_each_stage_has_its_own_part_of_a_large_text_and_finds_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "MOST_DOCUMENTS", 10)
    text = text_of(1000)
    second, third, other_seed = numbers(text, 2), numbers(text, 3), numbers(text, 2, seed=1)
    assert len(set(second)) == len(set(third)) == 10
    assert len(set(second) & set(third)) < 3
    assert set(second) != set(other_seed)
    assert second == numbers(text, 2) == numbers(text_of(1000), 2)


def test_every_document_of_a_large_text_is_as_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 of 20 documents in each of 400 stages: 200 times each, with a deviation of √(400 / 4) = 10."""
    monkeypatch.setattr(reference, "MOST_DOCUMENTS", 10)
    text, counts = text_of(20), torch.zeros(21)
    for stage in range(400):
        counts[numbers(text, stage)] += 1
    assert float((counts[1:] - 200).abs().max()) < 40


def test_of_long_documents_as_many_are_taken_as_the_tokens_allow_and_one_at_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reference, "MOST_TOKENS", 100)
    assert len(numbers(text_of(33, tokens=3), 2)) == 33
    assert len(numbers(text_of(34, tokens=3), 2)) == 33
    assert len(numbers(text_of(5, tokens=200), 2)) == 1
