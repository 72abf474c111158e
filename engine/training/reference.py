"""The reference text of a run: all that its steps may draw from, and no more of a large one than a stage can use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from engine.common.random_streams import Streams
from engine.strategies.tools.memory import Memory
from engine.tokens.blocks import EncodedDocument
from engine.tokens.encoded_documents import EncodedDocuments

MOST_DOCUMENTS, MOST_TOKENS = 10_000, 2_500_000
"""Of a larger text each stage draws from a part of its own: a draw takes time and memory by what it may choose from."""


@dataclass(frozen=True, eq=False)
class EncodedReference:
    """The experiment's reference text in the model's tokens."""

    documents: Sequence[EncodedDocument]
    fingerprint: str
    """Tells the text from all others, in the keys of the stages that read it."""
    facts: dict[str, Any] = field(default_factory=dict)
    _of_stage: dict[tuple[int, int], Memory] = field(default_factory=dict, init=False, repr=False)

    def memory(self, stage: int, random: Streams) -> Memory:
        """The documents that the steps of a stage draw from, packed once: all of them in their order; or, where there
        are more than `MOST_DOCUMENTS` or `MOST_TOKENS`, as many as that, chosen at random for each stage."""
        key = random.seed, stage
        if key not in self._of_stage:
            self._of_stage.clear()
            documents = self._part(stage, random)
            self._of_stage[key] = Memory(len(documents), (documents,))
        return self._of_stage[key]

    def _part(self, stage: int, random: Streams) -> Sequence[EncodedDocument]:
        documents = EncodedDocuments.of(self.documents)
        if len(documents) <= MOST_DOCUMENTS and int(documents.lengths.sum()) <= MOST_TOKENS:
            return self.documents
        order = torch.randperm(len(documents), generator=random.generator("reference choice", stage)).numpy()
        order = order[:MOST_DOCUMENTS]
        fitting = int((documents.lengths[order].cumsum() <= MOST_TOKENS).sum())
        return documents.take(order[: max(1, fitting)])
