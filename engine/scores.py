"""Held-out scores: sums and counts are kept apart and divided last, so that no mean depends on batching."""

import math
from dataclasses import dataclass

SCORE_NAMES = ("nats_per_token", "perplexity", "bits_per_byte", "accuracy")
LOWER_IS_BETTER = frozenset({"nats_per_token", "perplexity", "bits_per_byte"})


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
