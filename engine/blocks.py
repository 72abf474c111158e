"""Documents to packed blocks of tokens.

A document is the token sequence  bos, prompt…, text…, eos.  Every text token and the eos is predicted exactly
once. Documents longer than a block are cut into pieces; pieces share blocks by best fit, each with positions
of its own from 0, which transformers takes as the sign to keep attention inside each piece.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from engine.tasks.documents import Document

IGNORED = -100
"""Target of positions that predict nothing: prompts and padding."""


@dataclass(frozen=True, eq=False)
class EncodedDocument:
    """A document as tokens. Targets are `token_ids[first_target:]`, predicted from everything before them."""

    token_ids: Tensor
    """int32 [n]: bos, prompt, text, eos."""
    first_target: int
    text_bytes: int
    """UTF-8 bytes of the text alone."""

    @property
    def target_tokens(self) -> int:
        return len(self.token_ids) - self.first_target


@dataclass(frozen=True, eq=False)
class Piece:
    """At most a block of consecutive inputs of one document and what each must predict. Both int64 [n]."""

    input_ids: Tensor
    targets: Tensor


@dataclass(frozen=True, eq=False)
class Blocks:
    """Packed rows of tokens, all int64 [B, L]; `position_ids` restart at 0 with each piece."""

    input_ids: Tensor
    targets: Tensor
    position_ids: Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    @property
    def target_tokens(self) -> int:
        """How many positions predict something."""
        return int((self.targets != IGNORED).sum())

    def select(self, rows: Tensor) -> "Blocks":
        """These rows, cut to the longest of them."""
        return Blocks(self.input_ids[rows], self.targets[rows], self.position_ids[rows])._trimmed()

    def split(self, rows: int) -> Iterator["Blocks"]:
        """Consecutive parts of at most `rows` rows, each cut to its longest."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield Blocks(self.input_ids[part], self.targets[part], self.position_ids[part])._trimmed()

    @staticmethod
    def joined(parts: "Sequence[Blocks]") -> "Blocks":
        """All rows of all parts, filled up to the longest."""
        if len(parts) == 1:
            return parts[0]
        length = max(part.input_ids.shape[1] for part in parts)

        def rows(tensors: list[Tensor], filling: int) -> Tensor:
            return torch.cat([F.pad(tensor, (0, length - tensor.shape[1]), value=filling) for tensor in tensors])

        return Blocks(
            rows([part.input_ids for part in parts], 0),
            rows([part.targets for part in parts], IGNORED),
            rows([part.position_ids for part in parts], 0),
        )

    def to(self, device: torch.device) -> "Blocks":
        return Blocks(self.input_ids.to(device), self.targets.to(device), self.position_ids.to(device))

    def _trimmed(self) -> "Blocks":
        used = (self.targets != IGNORED).any(0).nonzero()
        length = int(used[-1]) + 1 if len(used) else 1
        return Blocks(self.input_ids[:, :length], self.targets[:, :length], self.position_ids[:, :length])


def encode(
    tokenizer: PreTrainedTokenizerBase, documents: Sequence[Document], bos: int, eos: int
) -> tuple[EncodedDocument, ...]:
    """Tokenise documents. Special tokens spelled out in a text stay text; prompt and text never share a token."""

    def tokens(texts: list[str]) -> list[list[int]]:
        if not any(texts):
            return [[] for _ in texts]
        encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)
        return list(encoded["input_ids"])

    prompts, texts = tokens([d.prompt for d in documents]), tokens([d.text for d in documents])
    return tuple(
        EncodedDocument(
            token_ids=torch.tensor([bos, *prompt, *text, eos], dtype=torch.int32),
            first_target=1 + len(prompt),
            text_bytes=len(document.text.encode("utf-8", "surrogatepass")),
        )
        for document, prompt, text in zip(documents, prompts, texts, strict=True)
    )


def cut(document: EncodedDocument, block_size: int) -> list[Piece]:
    """Consecutive pieces of at most `block_size` inputs; those that predict nothing are left out."""
    ids = document.token_ids.long()
    targets = ids[1:].clone()
    targets[: document.first_target - 1] = IGNORED
    starts = range(0, len(targets), block_size)
    pieces = [Piece(ids[:-1][s : s + block_size], targets[s : s + block_size]) for s in starts]
    return [piece for piece in pieces if bool((piece.targets != IGNORED).any())]


def pack(pieces: Sequence[Piece], block_size: int, together: bool = True) -> Blocks:
    """Pack pieces into rows of `block_size` by best-fit decreasing; with `together` false one piece a row."""
    rows = _best_fit([len(p.input_ids) for p in pieces], block_size) if together else [[i] for i in range(len(pieces))]
    shape = (len(rows), block_size)
    input_ids, positions = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    targets = torch.full(shape, IGNORED)
    for row, members in enumerate(rows):
        start = 0
        for piece in (pieces[i] for i in members):
            span = slice(start, start + len(piece.input_ids))
            input_ids[row, span], targets[row, span] = piece.input_ids, piece.targets
            positions[row, span] = torch.arange(len(piece.input_ids))
            start = span.stop
    return Blocks(input_ids, targets, positions)


def _best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Row members by best-fit decreasing: each item goes to the fullest row that still holds it."""
    rows: list[list[int]] = []
    with_space: dict[int, list[int]] = defaultdict(list)
    spaces: list[int] = []
    for item in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        at = bisect_left(spaces, lengths[item])
        if at == len(spaces):
            row, space = len(rows), capacity
            rows.append([])
        else:
            space = spaces[at]
            row = with_space[space].pop()
            if not with_space[space]:
                spaces.pop(at)
        rows[row].append(item)
        left = space - lengths[item]
        if left:
            if not with_space[left]:
                insort(spaces, left)
            with_space[left].append(row)
    return rows
