"""The vocabulary projection and its loss, a few thousand tokens at a time: the logits of a whole step, a third of
GPT-2's memory traffic, never exist at once."""

from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from engine.models.eval_mode import without_dropout

LOGITS_AT_ONCE = 2**26
"""Largest logits of one matrix product: 256 MB in float32."""
_LOGITS_IN_CACHE = 2**20
"""The softmax works on so many at once on a CPU: they stay in its caches."""
_FEW_SIZES = 32
"""A CPU compiles matrix products for each size, at a third of a millisecond and of a megabyte: few are asked for."""

_heads: WeakKeyDictionary[PreTrainedModel, torch.nn.Linear | None] = WeakKeyDictionary()


def plain_head(model: PreTrainedModel) -> torch.nn.Linear | None:
    """The model's last layer, where its logits are exactly that layer of the backbone's states; else None.

    Tried once per model on a few tokens: some models scale or cap their logits.
    """
    if model not in _heads:
        _heads[model] = _find_head(model)
    return _heads[model]


def states_of(model: PreTrainedModel, **inputs: Any) -> Tensor:
    """The backbone's last hidden states [B, L, D]."""
    states: Tensor = model.base_model(**inputs, use_cache=False).last_hidden_state
    return states


def weighted_nats(states: Tensor, head: torch.nn.Linear, targets: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """(Σ_i scale_i · nats_i, nats) with nats_i = −log softmax(head(states_i))[targets_i], float32.

    `states` [n, D], `targets` int64 [n], `scale` float32 [n]. The sum has a gradient, worked out here and now, so that
    no logits need be kept for later; the nats [n] have none. In the precision of autocast, where that is on.
    """
    tokens = len(states)
    if states.device.type == "cpu":
        states, targets, scale = (_filled_up(each) for each in (states, targets, scale))
    loss, nats = _WeightedNats.apply(states, head.weight, head.bias, targets, scale)
    return loss, nats[:tokens]


@torch.no_grad()
def predictions(states: Tensor, head: torch.nn.Linear, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each token its nats, float32 [n], and whether the likeliest token was the target, bool [n]."""
    nats, correct = [], []
    rows = _rows(LOGITS_AT_ONCE, head.out_features)
    for part, wanted in zip(states.split(rows), targets.split(rows), strict=True):
        logits = head(part).float()
        nats.append(F.cross_entropy(logits, wanted, reduction="none"))
        correct.append(logits.argmax(-1) == wanted)
    return torch.cat(nats), torch.cat(correct)


def _filled_up(values: Tensor) -> Tensor:
    """Fill up with zeros to a multiple of `_FEW_SIZES` rows."""
    missing = -len(values) % _FEW_SIZES
    return torch.cat([values, values.new_zeros(missing, *values.shape[1:])]) if missing else values


class _WeightedNats(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor]:
        device = states.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
        with torch.autocast(device, enabled=False):
            inputs, matrix = states.to(kind), weight.to(kind)
            d_states = torch.empty_like(inputs)
            d_weight: Tensor | None = None
            d_bias = torch.zeros_like(bias) if bias is not None else None
            nats = torch.empty_like(scale)
            rows = _rows(LOGITS_AT_ONCE, len(weight))
            for start in range(0, len(states), rows):
                part = slice(start, start + rows)
                logits = F.linear(inputs[part], matrix, bias.to(kind) if bias is not None else None)
                nats[part] = to_gradient(logits, targets[part], scale[part])
                torch.mm(logits, matrix, out=d_states[part])
                if ctx.needs_input_grad[1]:  # not where the matrix is frozen
                    product = (logits.T @ inputs[part]).to(weight.dtype)
                    d_weight = product if d_weight is None else d_weight.add_(product)
                if d_bias is not None:
                    d_bias += logits.sum(0, dtype=torch.float32)
            total = nats @ scale
        ctx.save_for_backward(d_states.to(states.dtype), d_weight, d_bias)
        ctx.mark_non_differentiable(nats)
        return total, nats

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.saved_tensors
        if upstream.device.type != "cpu" or float(upstream) != 1.0:
            found = tuple(None if d is None else d.mul_(upstream) for d in found)
        return (*found, None, None)


def to_gradient(logits: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """Overwrite logits [n, V] with the gradient scale · (softmax − one-hot); returns the nats [n]."""
    rows = _rows(_LOGITS_IN_CACHE, logits.shape[1]) if logits.device.type == "cpu" else len(logits)
    nats = []
    for part, wanted, weight in zip(logits.split(rows), targets.split(rows), scale.split(rows), strict=True):
        wanted, weight = wanted[:, None], weight[:, None]
        log_p = part.log_softmax(-1, dtype=torch.float32)
        nats.append(-log_p.gather(1, wanted).squeeze(1))
        p = log_p.exp_()
        p.scatter_add_(1, wanted, torch.full_like(weight, -1.0))
        torch.mul(p, weight, out=part) if part.dtype == p.dtype else part.copy_(p.mul_(weight))
    return torch.cat(nats)


def _rows(logits: int, vocabulary: int) -> int:
    return max(1, logits // vocabulary)


@torch.no_grad()
def _find_head(model: PreTrainedModel) -> torch.nn.Linear | None:
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if not isinstance(head, torch.nn.Linear) or not isinstance(model.base_model, torch.nn.Module):
        return None
    tokens = torch.arange(min(4, head.out_features), device=model.device)[None]
    try:
        with without_dropout(model), torch.autocast(model.device.type, enabled=False):
            same = torch.allclose(head(states_of(model, input_ids=tokens)), model(input_ids=tokens).logits, atol=1e-5)
    except (TypeError, AttributeError):
        same = False
    return head if same else None
