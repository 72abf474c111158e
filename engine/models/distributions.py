"""Losses against distributions: KL(π ‖ p) in nats, forward, at temperature 1, with π of a teacher or stored.

KL(π ‖ p) = Σ_v π(v) (log π(v) − log p(v)), whose gradient in the logits is p − π (Hinton et al. 2015, "Distilling the
knowledge in a neural network", https://arxiv.org/abs/1503.02531, eq. 2 at T = 1).
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from engine.common.device_transfers import sent
from engine.models import lm_head
from engine.models.eval_mode import without_dropout


@dataclass(frozen=True, eq=False)
class Teacher:
    """The distributions of the model with these weights in the place of its own of the same names, dropout off."""

    weights: Mapping[str, Tensor]
    """Beside the model. A weight that is missing is the model's own, which then must not train."""


@dataclass(frozen=True, eq=False)
class StoredDistributions:
    """For every target token of some blocks, row by row, the likeliest k tokens of its distribution. All others
    together are one more outcome, so that a divergence is that of the k + 1 outcomes."""

    tokens: Tensor
    """int32 [N, k], different ones in a row."""
    log_probabilities: Tensor
    """Float32 [N, k + 1], the last that of all other tokens together; −∞ where there are none."""

    def part(self, start: int, end: int) -> "StoredDistributions":
        """Those of consecutive target tokens."""
        return StoredDistributions(self.tokens[start:end], self.log_probabilities[start:end])

    def to(self, device: torch.device) -> "StoredDistributions":
        return StoredDistributions(sent(self.tokens, device), sent(self.log_probabilities, device))

    def overwrite(self, logits: Tensor, part: slice, scale: Tensor) -> Tensor:
        """`lm_head.Overwrite` of Σ_b π_b (log π_b − log p_b) over the k tokens and the bucket of all others.

        With p_b the sum of p over an outcome's tokens, the gradient in the logit of v is p(v) (1 − π_b / p_b) for the
        outcome b that v belongs to.
        """
        found = []
        rows = lm_head.logits_in_cache(logits)
        for start in range(0, len(logits), rows):
            inside, by = slice(start, start + rows), scale[start : start + rows]
            at = slice(part.start + start, part.start + start + len(by))
            own = self.part(at.start, at.stop)
            losses = torch.zeros_like(by)
            if held := len(own.tokens):
                losses[:held] = _bucketed(logits[inside][:held], own, by[:held, None]).to(losses.dtype)
            logits[inside][held:] = 0  # what fills a CPU's matrix product up
            found.append(losses)
        return torch.cat(found)


Distributions: TypeAlias = Teacher | StoredDistributions


def _bucketed(logits: Tensor, stored: StoredDistributions, scale: Tensor) -> Tensor:
    """Overwrite logits [n, V] with the gradient; returns the divergences [n]."""
    chosen, wanted = stored.tokens.long(), stored.log_probabilities
    log_p = lm_head.log_softmax(logits)
    own = log_p.gather(1, chosen)
    p = log_p.exp_()
    others = p.scatter(1, chosen, 0.0)
    rest = others.sum(1, keepdim=True)
    log_q = torch.cat([own, rest.log()], 1)
    probabilities = wanted.exp()
    divergence = torch.where(probabilities > 0, probabilities * (wanted - log_q), 0.0).sum(1)
    share = torch.where(rest > 0, probabilities[:, -1:] / rest, 0.0)
    gradient = others.mul_(1 - share).scatter_add_(1, chosen, own.exp() - probabilities[:, :-1])
    logits.copy_(gradient.mul_(scale))
    return divergence


@dataclass(frozen=True, eq=False)
class TeacherPass:
    """A teacher's look at some rows: its last states of their target tokens [N, D] and the head that reads them; or its
    logits [N, V] where its model has no plain head."""

    states: Tensor
    head: tuple[Tensor, Tensor | None] | None

    def logits(self, part: slice) -> Tensor:
        """Those of some of the target tokens."""
        if self.head is None:
            return self.states[part]
        weight, bias = self.head
        states = self.states[part]
        return F.linear(states, weight.to(states.dtype), None if bias is None else bias.to(states.dtype))

    def overwrite(self, logits: Tensor, part: slice, scale: Tensor) -> Tensor:
        """`lm_head.Overwrite` of KL(π ‖ p)."""
        found = []
        rows = lm_head.logits_in_cache(logits)
        with torch.autocast(logits.device.type, enabled=False):
            teachers = self.logits(part)
            logits[len(teachers) :] = 0  # what fills a CPU's matrix product up
            for own, wanted, by in zip(logits.split(rows), teachers.split(rows), scale.split(rows), strict=False):
                own, by = own[: len(wanted)], by[: len(wanted), None]
                log_p = lm_head.log_softmax(own)
                log_pi = lm_head.log_softmax(wanted)
                pi = log_pi.exp()
                found.append((pi * log_pi.sub_(log_p)).sum(1))
                own.copy_(log_p.exp_().sub_(pi).mul_(by))
        losses = torch.zeros_like(scale)
        losses[: len(teachers)] = torch.cat(found).to(losses.dtype) if found else 0.0
        return losses


@torch.no_grad()
def look(model: PreTrainedModel, teacher: Teacher, inputs: Mapping[str, Tensor], wanted: Tensor) -> TeacherPass:
    """The teacher's look at the `wanted` positions of the flattened rows of `inputs`, in the precision of autocast.

    It runs before the model's own pass: the weights change places meanwhile. Autocast must not remember the teacher's
    weights in bfloat16, since it goes by the tensor that they stand in: the model's own pass would read them.
    """
    head = lm_head.plain_head(model)
    with without_dropout(model), exchanged(model, teacher.weights), without_remembered_casts(model.device.type):
        if head is None:
            return TeacherPass(model(use_cache=False, **inputs).logits.flatten(0, 1).index_select(0, wanted), None)
        states = lm_head.states_of(model, **inputs).flatten(0, 1).index_select(0, wanted)
        if torch.is_autocast_enabled(states.device.type):
            states = states.to(torch.get_autocast_dtype(states.device.type))
        return TeacherPass(states, (head.weight.detach(), None if head.bias is None else head.bias.detach()))


def without_remembered_casts(device_type: str) -> contextlib.AbstractContextManager[object]:
    """Autocast as it is outside the block, which neither reads nor keeps what it has cast."""
    enabled = torch.is_autocast_enabled(device_type)
    return torch.autocast(device_type, torch.get_autocast_dtype(device_type), enabled, cache_enabled=False)


@contextlib.contextmanager
def exchanged(model: PreTrainedModel, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """These tensors in the place of the model's own of the same names inside the block; nothing is copied."""
    own = {name: weight for name, weight in model.named_parameters() if name in weights}
    before = {name: weight.data for name, weight in own.items()}
    try:
        for name, weight in own.items():
            weight.data = weights[name]
        yield
    finally:
        for name, weight in own.items():
            weight.data = before[name]
