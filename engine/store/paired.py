"""A curve that says what the score matrix says: the sample's change since the last stage's end, put on the matrix.

Inside a stage only a sample of the held-out documents is scored. Its own mean lies off the matrix's by the chance of
the draw, which is as large at every look; it cancels in the difference of two looks at the same documents. So a point
at step t of a stage is

    whole(t₀) + sample(t) − sample(t₀),        t₀ the end of the stage before, row 0 for the first,

where `whole` is the matrix's own number: a difference estimator (Cochran 1977, Sampling Techniques, 3rd ed., 7.3 with
b = 1). At the end of a stage all is scored, and the point is the matrix's.

A score is a ratio of sums over documents d, Σ yᵈ / Σ xᵈ: nats per token, hits per token, bits per byte. So is the
difference of two looks, with zᵈ = yᵈ(t) − yᵈ(t₀):

    D = Σ zᵈ / Σ xᵈ,      v(D) = (1 − n/N) · n / (n − 1) · Σ (zᵈ − D xᵈ)² / (Σ xᵈ)²

for n of N documents drawn without replacement (Cochran 1977, 2.11 and 6.4: the variance of a ratio to the first order).
The interval is D ± t(n − 1) √v(D), with Student's t.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.events.scores import DocumentSums, Score

CONFIDENCE = 0.95
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A point of one task's curve at one step: every score with the ends of its interval, NaN where unknown."""

    values: dict[str, float]
    lows: dict[str, float]
    highs: dict[str, float]


@dataclass(frozen=True)
class Change:
    """A difference between two looks at the same documents, in nats per token; above 0 is worse."""

    value: float
    half_width: float
    """The half width of the interval; NaN where there is no error to take."""

    @property
    def is_worse(self) -> bool:
        return self.value - self.half_width > 0


def difference(z: Array, x: Array, documents: int, out_of: int) -> tuple[float, float]:
    """D = Σ z / Σ x and its standard error, as above; the error is NaN for one document and 0 where n = N.

    Of groups of documents that stand for single ones `documents` counts what is in them.
    """
    total = float(x.sum())
    value = float(z.sum()) / total if total else math.nan
    if documents >= out_of:
        return value, 0.0
    if len(z) < 2:
        return value, math.nan
    squares = float(((z - value * x) ** 2).sum())
    return value, float(np.sqrt((1 - documents / out_of) * len(z) / (len(z) - 1) * squares)) / total


def of_whole(score: Score) -> Point:
    """A point at the end of a stage: the matrix's own numbers, without an error."""
    values = score.as_dict()
    return Point(values, values, values)


def inside(
    whole: Score, before: Score, now: Score, before_sums: DocumentSums | None, now_sums: DocumentSums | None
) -> Point:
    """A point inside a stage from the `whole` and the sample at t₀, and the sample `now`.

    Samples of runs that kept no sums of documents have no error. Two samples that are not the same documents say
    nothing about a change: NaN.
    """
    same = (before.target_tokens, before.text_bytes) == (now.target_tokens, now.text_bytes)
    if not same or ((before_sums or now_sums) and not _alike(before_sums, now_sums)):
        unknown = dict.fromkeys(whole.as_dict(), math.nan)
        return Point(unknown, unknown, unknown)
    nats, hits = now.total_nats - before.total_nats, now.correct_tokens - before.correct_tokens
    middles = {
        "nats_per_token": whole.nats_per_token + nats / now.target_tokens,
        "bits_per_byte": whole.bits_per_byte + nats / math.log(2) / now.text_bytes,
        "accuracy": whole.accuracy + hits / now.target_tokens,
    }
    half = _half_widths(before_sums, now_sums)

    def shifted(by: int) -> dict[str, float]:
        values = {name: middle + (by * half[name] if by else 0.0) for name, middle in middles.items()}
        return values | {"perplexity": _exp(values["nats_per_token"])}

    return Point(shifted(0), shifted(-1), shifted(1))


def change(before: DocumentSums, now: DocumentSums, looks: int) -> Change:
    """The change of a task's sample since an earlier look, with an interval that holds for `looks` looks at once.

    The held-out documents are taken as drawn from all texts of their kind (no 1 − n/N), and each interval is one of
    1 − 0.05 / `looks` (Bonferroni): the chance that any of these looks calls an unchanged task worse is 2.5 % at most.
    """
    if not _alike(before, now):
        return Change(math.nan, math.nan)
    z, x = np.subtract(now.nats, before.nats), np.array(now.tokens, float)
    value, error = difference(z, x, 0, 1)
    share = 1 - (1 - CONFIDENCE) / 2 / max(1, looks)
    return Change(value, error * _quantile(share, len(z) - 1) if len(z) > 1 else math.nan)


def _alike(one: DocumentSums | None, other: DocumentSums | None) -> bool:
    """Whether both are sums of the same documents, as far as their lengths tell."""
    if one is None or other is None:
        return False
    return (one.tokens, one.text_bytes, one.documents, one.out_of) == (
        other.tokens, other.text_bytes, other.documents, other.out_of,
    )  # fmt: skip


def _half_widths(before: DocumentSums | None, now: DocumentSums | None) -> dict[str, float]:
    """Half the intervals of the changes in nats per token, bits per byte and accuracy; NaN without sums."""
    if before is None or now is None:
        return dict.fromkeys(("nats_per_token", "bits_per_byte", "accuracy"), math.nan)
    tokens, text_bytes = np.array(now.tokens, float), np.array(now.text_bytes, float)
    nats, hits = np.subtract(now.nats, before.nats), np.subtract(now.hits, before.hits)
    t = _quantile((1 + CONFIDENCE) / 2, len(nats) - 1) if len(nats) > 1 else math.inf

    def half(z: Array, x: Array) -> float:
        error = difference(z, x, now.documents, now.out_of)[1]
        return t * error if error else 0.0

    return {
        "nats_per_token": half(nats, tokens),
        "bits_per_byte": half(nats / math.log(2), text_bytes),
        "accuracy": half(hits, tokens),
    }


def _quantile(share: float, freedom: int) -> float:
    """The t below which `share` of Student's distribution with `freedom` degrees of freedom lies."""
    from scipy.special import stdtrit  # a page without a curve needn't wait for it

    return float(stdtrit(freedom, share))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
