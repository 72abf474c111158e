"""The diagonal of the Fisher information of a language model's weights on one task's text."""

from collections.abc import Iterator, Sequence
from typing import Literal
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from engine.models import lm_head
from engine.models.eval_mode import without_dropout
from engine.models.likelihood import autocast, interruptible, logits_of, rows_per_forward, rows_with_logits, summed_nats
from engine.models.parts import trainable_weights
from engine.strategies.base import KeptWork, StageView
from engine.strategies.tools.document_gradients import Documents, SquaredGradients, Use, recorded
from engine.tokens.blocks import IGNORED, Blocks, EncodedDocument, Piece, cut, pack

Targets = Literal["empirical", "sampled"]
_WORK = "fisher"

_together: WeakKeyDictionary[PreTrainedModel, dict[frozenset[str], bool]] = WeakKeyDictionary()


def diagonal_fisher(
    end: StageView,
    documents: Sequence[EncodedDocument],
    targets: Targets = "empirical",
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """F = (1/N) Σ_d (∇ Σ_{i∈d} −log p(x_i | x_<i))², per weight, float32, shaped like the weights.

    Documents d are the independent observations: gradients are summed over a document and then squared, never
    averaged over a batch first (Kirkpatrick et al. 2017, https://arxiv.org/abs/1612.00796; for why the square of
    a batch mean is wrong see Kunstner et al. 2019, https://arxiv.org/abs/1905.12558). N counts target tokens, so
    F is per token as the loss is. `targets`: "empirical" takes the text's own tokens, "sampled" draws them from
    the model with `generator`, which gives the true Fisher in expectation. `end` gives the model, the block size and
    the precision of the passes; squares are summed in float32. Dropout is off; module modes and gradients are left as
    they were. Tied weights appear once, under their first name. An estimate that was interrupted goes on from
    `end.work`, to the same numbers.
    """
    model = end.model
    estimate = _Estimate(end, targets, generator)
    fisher = estimate.total
    with without_dropout(model), interruptible(model, end.check):
        limit = _rows(model, end.block_size) * end.block_size
        together = end.packed and gradients_come_apart(model)
        done = _restore(end.work.kept(_WORK), fisher, generator)
        for number, batch in enumerate(_batches(documents, limit if together else 0), 1):
            if number <= done:
                continue
            end.check()
            size = sum(len(document.token_ids) - 1 for document in batch)
            if together and size <= limit:
                estimate.add_together(batch)
            else:
                for document in batch:
                    estimate.add_alone(document)
            end.work.keep(_WORK, number, lambda: _so_far(fisher, generator))
    tokens = sum(document.target_tokens for document in documents)
    return {name: total.div_(max(tokens, 1)) for name, total in fisher.items()}


def _so_far(fisher: dict[str, Tensor], generator: torch.Generator | None) -> dict[str, Tensor]:
    drawn = {} if generator is None else {"generator": generator.get_state()}
    return {f"weight {name}": total for name, total in fisher.items()} | drawn


def _restore(kept: KeptWork | None, fisher: dict[str, Tensor], generator: torch.Generator | None) -> int:
    """Put back what an interrupted estimate had summed; returns how many batches that were."""
    if kept is None:
        return 0
    for name, total in fisher.items():
        total.copy_(kept.tensors[f"weight {name}"])
    if generator is not None:
        generator.set_state(kept.tensors["generator"])
    return kept.done


def gradients_come_apart(model: PreTrainedModel) -> bool:
    """Whether documents can share a pass: tried once per model and set of weights that train, two short documents
    against each alone."""
    tried, trains = _together.setdefault(model, {}), frozenset(trainable_weights(model))
    if trains not in tried:
        tried[trains] = _try_together(model)
    return tried[trains]


class _Estimate:
    """What all documents of one estimate share, and the squares summed so far."""

    def __init__(self, end: StageView, targets: Targets, generator: torch.Generator | None) -> None:
        self.end, self.targets, self.generator = end, targets, generator
        self.weights = end.weights
        self.total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in self.weights.items()}

    def add_together(self, documents: Sequence[EncodedDocument]) -> None:
        """Add the squared gradients of documents that go through the model at once."""
        model, head = self.end.model, lm_head.plain_head(self.end.model)
        assert head is not None
        blocks, owner = _owned(documents, self.end.block_size)
        blocks, owner = blocks.to(model.device), owner.to(model.device)
        order = owner.argsort(stable=True)[int((owner == 0).sum()) :]
        of_all = Documents(tuple(torch.bincount(owner, minlength=len(documents) + 1)[1:].tolist()))
        wanted = order[(blocks.targets.flatten() != IGNORED)[order]]
        of_wanted = Documents(tuple(torch.bincount(owner[wanted], minlength=len(documents) + 1)[1:].tolist()))
        found = SquaredGradients(self.weights, self.total)
        found.expect(head)
        with autocast(model.device, self.end.precision), recorded(model, order, of_all, found):
            inputs = {"input_ids": blocks.input_ids, "position_ids": blocks.position_ids}
            states = lm_head.states_of(model, **inputs).flatten(0, 1).index_select(0, wanted)
        with torch.no_grad(), autocast(model.device, self.end.precision):
            logits = F.linear(states, head.weight, head.bias)
            chosen = blocks.targets.flatten()[wanted]
            if self.targets == "sampled":
                chosen = _drawn(logits, self.generator)
        lm_head.to_gradient(logits, chosen, torch.ones(len(chosen), device=logits.device))
        found.add(Use(head, states.detach().to(logits.dtype), logits, of_wanted))
        if states.requires_grad:  # something below the head trains
            states.backward((logits @ head.weight.to(logits.dtype)).to(states.dtype))

    def add_alone(self, document: EncodedDocument) -> None:
        """Add the squared gradient of a document that is too long to share a pass, or whose model can't."""
        blocks = pack(cut(document, self.end.block_size), self.end.block_size, self.end.packed)
        blocks = blocks.to(self.end.model.device)
        gradients: list[Tensor | None] = [None] * len(self.weights)
        for part in blocks.split(_rows(self.end.model, blocks.width)):
            self.end.check()
            with autocast(self.end.model.device, self.end.precision):
                logits = logits_of(self.end.model, part, self.end.packed)
            wanted = part.targets
            if self.targets == "sampled":
                wanted = torch.full_like(wanted, IGNORED)
                chosen = part.targets != IGNORED
                wanted[chosen] = _drawn(logits[chosen], self.generator)
            found = torch.autograd.grad(summed_nats(logits, wanted), list(self.weights.values()), allow_unused=True)
            gradients = [_sum(old, new) for old, new in zip(gradients, found, strict=True)]
        for total, gradient in zip(self.total.values(), gradients, strict=True):
            if gradient is not None:
                total.addcmul_(gradient, gradient)


def _rows(model: PreTrainedModel, block_size: int) -> int:
    """Of a pass whose logits all exist at once."""
    return min(rows_per_forward(model, block_size, model.device), rows_with_logits(model, block_size))


def _batches(documents: Sequence[EncodedDocument], limit: int) -> Iterator[list[EncodedDocument]]:
    """Consecutive documents of at most `limit` inputs together; a longer one stands alone."""
    batch: list[EncodedDocument] = []
    size = 0
    for document in documents:
        inputs = len(document.token_ids) - 1
        if batch and size + inputs > limit:
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += inputs
    if batch:
        yield batch


def _owned(documents: Sequence[EncodedDocument], block_size: int) -> tuple[Blocks, Tensor]:
    """Documents packed, and for each position of the flattened blocks which it belongs to, from 1; 0 is padding."""
    pieces = [(number, piece) for number, document in enumerate(documents, 1) for piece in cut(document, block_size)]
    marks = [Piece(torch.full_like(piece.input_ids, number), piece.targets) for number, piece in pieces]
    blocks = pack([piece for _, piece in pieces], block_size)
    return blocks, pack(marks, block_size).input_ids.flatten()


def _drawn(logits: Tensor, generator: torch.Generator | None) -> Tensor:
    """Targets drawn from the model's own next-token distributions; `logits` [N, V]."""
    # Drawn on the CPU, where the run's own random stream lives.
    probabilities = logits.detach().float().softmax(-1).cpu()
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(-1).to(logits.device)


def _sum(old: Tensor | None, new: Tensor | None) -> Tensor | None:
    """Of gradients that may be missing: a weight may not be reached."""
    if old is None or new is None:
        return new if old is None else old
    return old + new


def _try_together(model: PreTrainedModel) -> bool:
    if lm_head.plain_head(model) is None:
        return False
    last = model.config.get_text_config().vocab_size - 1
    documents = [
        EncodedDocument(torch.tensor([0, *((k * 7 + 1) % last for k in range(n))], dtype=torch.int32), 1, n)
        for n in (5, 3)
    ]
    view = StageView(0, model, documents, 16, packed=True, check=lambda: None)
    totals = []
    for together in (True, False):
        estimate = _Estimate(view, "empirical", None)
        try:
            if together:
                estimate.add_together(documents)
            else:
                for document in documents:
                    estimate.add_alone(document)
        except (TypeError, AttributeError, RuntimeError, KeyError):
            return False
        totals.append(estimate.total)
    return all(_near(totals[0][name], totals[1][name]) for name in totals[0])


def _near(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).norm() <= 1e-3 * expected.norm())
