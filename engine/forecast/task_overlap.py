"""Facts about an experiment's tasks that can be known before any training."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from engine.common.ranges import ranges
from engine.events.scores import Score
from engine.models.loading import LoadedModel
from engine.tasks.documents import Document, Task
from engine.tokens.encoded_documents import EncodedDocuments
from engine.training.scoring import prepare, score

Side = Literal["train", "held-out"]
_COUNTED_AT_A_TIME = 10_000
"""Documents."""


@dataclass(frozen=True)
class SharedDocument:
    """A document that stands in more than one place."""

    excerpt: str
    places: tuple[tuple[str, Side], ...]
    """Task and side, in the tasks' order, each once."""

    @property
    def leaks(self) -> bool:
        """Some task trains on what is held out: its score there says less."""
        return {side for _, side in self.places} == {"train", "held-out"}


def base_score(base: LoadedModel, held_out: EncodedDocuments, block_size: int, sample_tokens: int = 4096) -> Score:
    """The untrained base model on a fixed sample of about `sample_tokens` of a task's held-out text."""
    prepared = prepare(held_out, min(block_size, base.context), sample_tokens, base.packed)
    return score(base.model, prepared.sample, prepared.sample_bytes, packed=base.packed)


def token_counts(documents: EncodedDocuments) -> Counter[int]:
    """Count each token of the vocabulary in the documents' texts; prompts and marks of the ends are left out."""
    counts = np.zeros(0, np.int64)
    for at in range(0, len(documents), _COUNTED_AT_A_TIME):
        part = documents[at : at + _COUNTED_AT_A_TIME]
        texts = ranges(part.starts + part.first_targets, part.lengths - part.first_targets - 1)
        if part.learnt is not None:
            texts = texts[part.learnt[texts]]
        found = np.bincount(part.tokens[texts], minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    return Counter({token: count for token, count in enumerate(counts.tolist()) if count})


def vocabulary_overlap(counts: Sequence[Counter[int]], names: Sequence[str]) -> pd.DataFrame:
    """Σ_w min(p_i(w), p_j(w)) over the tokens w of tasks i and j: 1 where both use the same tokens equally often,
    0 where they share none. Tasks × tasks, symmetric, with `names` on both sides."""
    totals = [max(1, count.total()) for count in counts]
    rows = [
        [
            sum(min(first[token] / first_total, second[token] / second_total) for token in first.keys() & second.keys())
            for second, second_total in zip(counts, totals, strict=True)
        ]
        for first, first_total in zip(counts, totals, strict=True)
    ]
    return pd.DataFrame(rows, index=list(names), columns=list(names))


def shared_documents(tasks: Sequence[Task]) -> tuple[SharedDocument, ...]:
    """Documents that stand in two tasks or on both sides of a split; white space at line ends and between words
    doesn't tell documents apart. Leaks first."""
    places: dict[str, dict[tuple[str, Side], None]] = {}
    for task in tasks:
        sides: tuple[tuple[Side, tuple[Document, ...]], ...] = (("train", task.train), ("held-out", task.held_out))
        for side, documents in sides:
            for document in documents:
                key = " ".join(f"{document.prompt} {document.text}".split())
                places.setdefault(key, {})[task.name, side] = None
    found = [SharedDocument(_excerpt(text), tuple(where)) for text, where in places.items() if len(where) > 1]
    return tuple(sorted(found, key=lambda shared: not shared.leaks))


def _excerpt(text: str, length: int = 120) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
