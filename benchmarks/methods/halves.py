"""Two halves of the held-out documents: one to choose settings on, the other to report.

A setting that is chosen by the scores that are then reported looks better than it is: chance favoured it in those
scores. Here the chosen one is reported on documents that had no say.

`DocumentSums` has a unit for each held-out document, or for each group of several where there are many, in an order
that was drawn once and is the same for every run. Units with an even number are half A, the others are half B, so each
document lies in one half and in the same one for every strategy, setting and seed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.common.errors import StoreError
from engine.events.scores import DocumentSums, Score

CHOOSING, REPORTED = "A", "B"


def halves(task: str, sums: DocumentSums) -> dict[str, Score]:
    """The score of each half. Raises StoreError where the sums are of a sample and not of all held-out documents."""
    if sums.documents != sums.out_of:
        raise StoreError(
            f"Task {task!r}: the sums are of {sums.documents} of {sums.out_of} held-out documents; raise "
            "training.evaluation_tokens until the sample is all of the held-out text."
        )
    columns = sums.nats, sums.tokens, sums.text_bytes, sums.hits
    return {
        half: Score(*(sum(column[first::2]) for column in columns))  # type: ignore[arg-type]
        for half, first in ((CHOOSING, 0), (REPORTED, 1))
    }


def matrices(tasks: Sequence[str], rows: Sequence[Mapping[str, DocumentSums]]) -> dict[str, dict[str, Any]]:
    """Each half's score matrix, a row a stage (0 is the base model) and a column a task, in bits per byte; with the
    bytes and target tokens of each task's part of the half."""
    scored = [{task: halves(task, row[task]) for task in tasks} for row in rows]
    return {
        half: {
            "bits_per_byte": [[row[task][half].bits_per_byte for task in tasks] for row in scored],
            "text_bytes": [scored[0][task][half].text_bytes for task in tasks],
            "target_tokens": [scored[0][task][half].target_tokens for task in tasks],
        }
        for half in (CHOOSING, REPORTED)
    }
