"""Held-out prompts with the answers that are expected: what a model answers, and which answers turned.

Exact match and token F1 after Rajpurkar et al. 2016, "SQuAD", https://arxiv.org/abs/1606.05250, section 6.1, in the
normalised form of `guards.normalised`; the test of turned answers is McNemar's, in its exact form.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from engine.guards.guard import normalised
from engine.insight.measures.generation import continuations
from engine.models.loading import LoadedModel
from engine.tokens.blocks import EncodedDocument
from engine.tokens.encoded_documents import EncodedDocuments

MOST_DOCUMENTS = 200
_LONGEST_ANSWER = 256
_FEWEST_CLASSES, _MOST_CLASSES = 2, 20


@dataclass(frozen=True)
class Question:
    """A document's prompt in tokens, bos first, and the first answer that is learnt after it."""

    document: int
    prompt: Tensor
    answer: Tensor
    """Without the token that ends it."""


@dataclass(frozen=True)
class Answered:
    """What a model answered to a question."""

    text: str
    exact: bool
    f1: float


def questions(
    documents: EncodedDocuments, ends: Sequence[int], context: int, most: int = MOST_DOCUMENTS
) -> tuple[list[Question], int]:
    """The first `most` documents that have a prompt and an answer, and how many of these are left out because the
    prompt leaves the model's `context` no room for an answer of `answer_tokens`. Plain texts have none. Of a
    conversation it is the first answer, with what stands before it."""
    found: list[Question] = []
    for number in range(len(documents)):
        if len(found) == most:
            break
        question = _question(number, documents[number], frozenset(ends))
        if question is not None:
            found.append(question)
    room = context - answer_tokens(found)
    fitting = [question for question in found if len(question.prompt) <= room]
    return fitting, len(found) - len(fitting)


def answer_tokens(asked: Sequence[Question]) -> int:
    """The most tokens of an answer: twice as many as the longest has that is expected, and some more."""
    return min(_LONGEST_ANSWER, 2 * max((len(question.answer) for question in asked), default=0) + 8)


def _question(number: int, document: EncodedDocument, ends: frozenset[int]) -> Question | None:
    mask = document.mask.numpy()
    first = int(mask.argmax())
    if first <= 1 or not mask.any():
        return None
    until = first + int((~mask[first:]).argmax()) if not mask[first:].all() else len(mask)
    answer = document.token_ids[first:until]
    while len(answer) and int(answer[-1]) in ends:
        answer = answer[:-1]
    return Question(number, document.token_ids[:first], answer) if len(answer) else None


def answered(
    base: LoadedModel,
    asked: Sequence[Question],
    ends: Sequence[int],
    most_tokens: int,
    progress: Callable[[int, int], None],
) -> list[Answered]:
    """The greedy answers to all questions, of at most `most_tokens`; `progress` may raise."""

    def seen(written: Sequence[Tensor]) -> None:
        progress(sum(len(tokens) > 0 for tokens in written), len(asked))

    written = continuations(base.model, [question.prompt for question in asked], most_tokens, ends, seen=seen)
    texts = [text_of(base.tokenizer, tokens) for tokens in written]
    expected = [text_of(base.tokenizer, question.answer) for question in asked]
    return [_marked(text, wanted) for text, wanted in zip(texts, expected, strict=True)]


def _marked(text: str, expected: str) -> Answered:
    return Answered(text, normalised(text) == normalised(expected), token_f1(text, expected))


def token_f1(text: str, expected: str) -> float:
    """2PR / (P + R) of the words that two normalised texts share, each as often as both have it; 1 where both have
    none."""
    own, wanted = Counter(normalised(text).split()), Counter(normalised(expected).split())
    if not own or not wanted:
        return float(own == wanted)
    shared = (own & wanted).total()
    return 2 * shared / (own.total() + wanted.total())


def text_of(tokenizer: PreTrainedTokenizerBase, tokens: Tensor) -> str:
    """Tokens as text, without special ones."""
    return str(tokenizer.decode(tokens.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def mcnemar_p(lost: int, gained: int) -> float:
    """The exact two-sided probability of turned answers as uneven as these, were each as likely to be lost as to be
    gained: min(1, 2 · P[X ≤ min(lost, gained)]), X ~ Binomial(lost + gained, ½). 1 where none turned."""
    return float(binomtest(lost, lost + gained, 0.5).pvalue) if lost + gained else 1.0


def classes(expected: Sequence[str]) -> list[str]:
    """The labels, where the answers are a few that come again and again, the commonest first; else none."""
    counts = Counter(map(normalised, expected))
    is_label = _FEWEST_CLASSES <= len(counts) <= min(_MOST_CLASSES, len(expected) // 2)
    return [label for label, _ in counts.most_common()] if is_label else []


def class_accuracy(expected: Sequence[str], found: Sequence[Answered]) -> dict[str, tuple[int, float]]:
    """By label, how many questions have it and the share that is answered by it."""
    labels = np.array(list(map(normalised, expected)))
    exact = np.array([answer.exact for answer in found], bool)
    return {label: (int((labels == label).sum()), float(exact[labels == label].mean())) for label in classes(expected)}
