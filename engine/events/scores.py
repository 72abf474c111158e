"""Held-out scores: sums and counts are kept apart and divided last, so that no mean depends on batching."""

import math
import zlib
from dataclasses import dataclass

import numpy as np

SCORE_NAMES = ("nats_per_token", "perplexity", "bits_per_byte", "accuracy")
"""Of every token of a text."""
ANSWER_SCORES = ("exact_match", "token_f1")
"""Of the answers to a task's held-out questions; plain texts have none."""
SHARES = frozenset({"accuracy", *ANSWER_SCORES})
"""From 0 to 1, written in percent; their differences are points."""
LOWER_IS_BETTER = frozenset({"nats_per_token", "perplexity", "bits_per_byte"})
GENERAL = ""
"""Stands for the general text where scores go by the name of a task: no task has it."""


@dataclass(frozen=True)
class Score:
    """Sums over the target tokens of some held-out text.

    On prompt/completion tasks all of them count the completion alone. The end-of-document token is a target
    like any other; `text_bytes` counts the UTF-8 bytes of the text itself.
    """

    total_nats: float
    target_tokens: int
    text_bytes: int
    correct_tokens: int

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.total_nats + other.total_nats,
            self.target_tokens + other.target_tokens,
            self.text_bytes + other.text_bytes,
            self.correct_tokens + other.correct_tokens,
        )

    @property
    def nats_per_token(self) -> float:
        """Mean negative log-likelihood over target tokens, −(1/N) Σ log p(x_i | x_<i)."""
        return self.total_nats / self.target_tokens

    @property
    def perplexity(self) -> float:
        """exp of the mean, never a mean of exps; infinite where exp overflows."""
        return math.exp(self.nats_per_token) if self.nats_per_token < 700 else math.inf

    @property
    def bits_per_byte(self) -> float:
        """Total bits over UTF-8 bytes: comparable across tasks, languages and tokenizers."""
        return self.total_nats / math.log(2) / self.text_bytes

    @property
    def accuracy(self) -> float:
        """Share of target tokens that are the model's first choice."""
        return self.correct_tokens / self.target_tokens

    def as_dict(self) -> dict[str, float]:
        """The four derived scores by name."""
        return {name: getattr(self, name) for name in SCORE_NAMES}


@dataclass(frozen=True)
class DocumentSums:
    """The same sums of every document in a sample, in the order in which the sample was drawn: what an error is taken
    over. Of a sample of more than `scoring.MOST_UNITS` documents, whole groups of them stand for single ones."""

    nats: tuple[float, ...]
    tokens: tuple[int, ...]
    text_bytes: tuple[int, ...]
    hits: tuple[int, ...]
    documents: int
    """The number of documents that were drawn."""
    out_of: int
    """The number of documents that the score matrix rests on; the sample is drawn from these."""

    def packed(self) -> bytes:
        """A few bytes a document for the store: nats in float32, counts in 32 bits, column by column, deflated."""
        counts = np.array([self.tokens, self.text_bytes, self.hits], "<u4")
        head = np.array([self.documents, self.out_of], "<u4")
        return zlib.compress(head.tobytes() + counts.tobytes() + np.array(self.nats, "<f4").tobytes(), 9)

    @classmethod
    def unpacked(cls, data: bytes) -> "DocumentSums":
        """Return the sums that `packed` made bytes of."""
        plain = zlib.decompress(data)
        units = (len(plain) - 8) // 16
        documents, out_of = np.frombuffer(plain, "<u4", 2).tolist()
        tokens, text_bytes, hits = np.frombuffer(plain, "<u4", 3 * units, 8).reshape(3, units).tolist()
        nats = np.frombuffer(plain, "<f4", units, 8 + 12 * units).tolist()
        return cls(tuple(nats), tuple(tokens), tuple(text_bytes), tuple(hits), documents, out_of)


@dataclass(frozen=True)
class AnswerSums:
    """The marks of the answers to some held-out questions, summed."""

    questions: int
    exact: int
    """How many answers equal the expected one."""
    f1: float
    """The sum of their token F1."""

    @property
    def exact_match(self) -> float:
        """The share that is exactly right."""
        return self.exact / self.questions

    @property
    def token_f1(self) -> float:
        """The mean token F1."""
        return self.f1 / self.questions

    def as_dict(self) -> dict[str, float]:
        """The two scores by name."""
        return {name: getattr(self, name) for name in ANSWER_SCORES}


@dataclass(frozen=True)
class GuardOutcome:
    """Whether a guard holds for a model, and what was found there."""

    holds: bool
    found: str
    """The answer, or the likelihoods in words."""
