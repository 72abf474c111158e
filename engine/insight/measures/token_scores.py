"""What a model makes of every target token of some documents."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from engine.models.eval_mode import without_dropout
from engine.models.likelihood import interruptible, predictions, rows_per_forward
from engine.models.loading import LoadedModel
from engine.tokens.encoded_documents import EncodedDocuments
from engine.tokens.packing import pack_documents


@dataclass(frozen=True, eq=False)
class TokenScores:
    """Of N target tokens, those of one document after those of another, as they stand in their documents."""

    nats: NDArray[np.float32]
    """[N]: −log p(token | what is before it)."""
    likeliest: NDArray[np.int32]
    """[N]: the token that the model would have written there."""

    def write(self, file: Path) -> None:
        """As safetensors. Raises OSError."""
        save_file({"nats": self.nats, "likeliest": self.likeliest}, file)

    @classmethod
    def read(cls, file: Path) -> "TokenScores":
        """Raises OSError or SafetensorError."""
        found = load_file(file)
        return cls(found["nats"], found["likeliest"])


Progress = Callable[[int, int], None]
"""Is told how much is done, of how much; it may raise."""


@torch.no_grad()
def token_scores(
    base: LoadedModel, documents: EncodedDocuments, block_size: int, progress: Progress = lambda done, of: None
) -> TokenScores:
    """Scores in float32 with dropout off, by the same contexts as the score matrix: documents are cut into pieces of
    `block_size` inputs. Pieces stand alone in their rows, those of like length together."""
    rows = pack_documents(documents, block_size, together=False)
    targets = rows.row_targets.numpy()
    ends = np.cumsum(targets)
    nats, likeliest = np.empty(int(targets.sum()), np.float32), np.empty(int(targets.sum()), np.int32)
    order, done = np.argsort(rows.lengths, kind="stable"), 0
    at_once = rows_per_forward(base.model, block_size, base.model.device)
    with without_dropout(base.model), interruptible(base.model, lambda: progress(done, len(nats))):
        for start in range(0, len(order), at_once):
            chosen = np.sort(order[start : start + at_once])
            said = predictions(base.model, rows.select(torch.from_numpy(chosen)), base.packed)
            found, choices = said.nats, said.likeliest
            places = np.concatenate([np.arange(ends[row] - targets[row], ends[row]) for row in chosen])
            nats[places], likeliest[places] = found.cpu().numpy(), choices.cpu().numpy()
            done += len(places)
            progress(done, len(nats))
    return TokenScores(nats, likeliest)
