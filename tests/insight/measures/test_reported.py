"""What a report shows of a task, by hand."""

from typing import Any

import numpy as np

from engine.insight.measures.reported import MOST_ANSWERS, MOST_PASSAGES, worse_answers, worst_passages
from engine.insight.measures.token_scores import TokenScores
from engine.models.loading import load_tokenizer
from engine.tokens.encoded_documents import EncodedDocuments
from tests.builders import document

TOKENIZER = load_tokenizer("tiny-gpt2")
DOCUMENTS = EncodedDocuments.of([document([0, n, n + 1]) for n in (300, 400, 500, 600)])


def scores(*nats: float) -> TokenScores:
    """Both tokens of each document with the same nats."""
    return TokenScores(np.repeat(np.array(nats, np.float32), 2), np.zeros(2 * len(nats), np.int32))


def test_the_first_span_chooses_the_passages_and_the_other_is_shown_on_them() -> None:
    before = scores(1, 1, 1, 1)
    found = worst_passages(TOKENIZER, DOCUMENTS, [(before, scores(2, 0.5, 4, 3)), (before, scores(9, 9, 1, 0.5))])
    assert (found["documents"], found["worse"]) == (4, 3)
    assert [each["document"] for each in found["passages"]] == [2, 3]
    assert len(found["passages"]) == MOST_PASSAGES
    first, second = found["passages"][0]["spans"]
    assert (first["lost"] > 0, second["lost"]) == (True, 0)
    assert [piece["change"] for piece in first["pieces"] if piece["is_target"]] == [-3, -3]
    assert [piece["change"] for piece in second["pieces"] if piece["is_target"]] == [0, 0]
    assert (found["passages"][0]["begins_at"], found["passages"][0]["left_out"]) == (0, 0)


def test_documents_that_got_better_are_no_passages() -> None:
    found = worst_passages(TOKENIZER, DOCUMENTS, [(scores(2, 2, 2, 2), scores(1, 1, 1, 1))])
    assert (found["worse"], found["passages"]) == (0, [])


def answer(exact: bool, f1: float) -> dict[str, Any]:
    return {"text": f"{exact} {f1}", "exact": exact, "f1": f1}


def turned(*rows: tuple[tuple[bool, float], tuple[bool, float]]) -> dict[str, Any]:
    told = [
        {"document": n, "prompt": f"q{n}", "expected": "e", "before": answer(*before), "after": answer(*after)}
        for n, (before, after) in enumerate(rows)
    ]
    return {"rows": told, "scores": {}, "lost": 1, "gained": 0, "p": 1.0, "left_out": 0}


ROWS = (
    ((False, 0.9), (False, 0.0)),
    ((True, 1.0), (False, 0.8)),
    ((False, 0.5), (False, 0.5)),
    ((False, 0.2), (True, 1.0)),
    ((True, 1.0), (False, 0.1)),
)


def test_right_answers_that_turned_wrong_come_before_those_that_lost_words() -> None:
    found = worse_answers([turned(*ROWS)])
    assert [row["document"] for row in found["rows"]] == [4, 1, 0]
    assert found["asked"] == 5


def test_no_more_answers_are_shown_than_can_be_read() -> None:
    assert len(worse_answers([turned(*[ROWS[1]] * 9)])["rows"]) == MOST_ANSWERS


def test_every_span_s_answer_is_to_the_same_question() -> None:
    other = turned(*ROWS)
    other["rows"] = other["rows"][::-1]
    found = worse_answers([turned(*ROWS), other])
    assert [[each["text"] for each in row["after"]] for row in found["rows"]] == [
        ["False 0.1"] * 2, ["False 0.8"] * 2, ["False 0.0"] * 2,
    ]  # fmt: skip
