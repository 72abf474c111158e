"""The vocabulary projection and its loss, a few thousand tokens at a time: the logits of a whole step, a third of
GPT-2's memory traffic, never exist at once."""

from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from engine.models.eval_mode import without_dropout

LOGITS_AT_ONCE = 2**26
"""Largest logits of one matrix product: 256 MB in float32."""
_LOGITS_IN_CACHE = 2**20
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


Overwrite: TypeAlias = Callable[[Tensor, slice, Tensor], Tensor]
"""A token loss: it overwrites the logits [n, V] of some of the tokens, those of the slice, with the gradient of their
losses times their scale [n], and returns the losses, float32 [n]."""


def weighted_nats(states: Tensor, head: torch.nn.Linear, targets: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """`weighted_losses` of nats_i = −log softmax(head(states_i))[targets_i]; `targets` int64 [n]."""
    if states.device.type == "cpu":
        targets = _filled_up(targets)
    return weighted_losses(states, head, lambda logits, part, by: to_gradient(logits, targets[part], by), scale)


def weighted_losses(
    states: Tensor, head: torch.nn.Linear, overwrite: Overwrite, scale: Tensor
) -> tuple[Tensor, Tensor]:
    """(Σ_i scale_i · loss_i, losses), float32, of the token losses that `overwrite` takes of the logits of `head`.

    `states` [n, D], `scale` float32 [n]. The sum has a gradient, worked out here and now, so that no logits need be
    kept for later; the losses [n] have none. In the precision of autocast, where that is on. On a CPU tokens are filled
    up with zeros of scale 0: `overwrite` may be asked for some beyond the last.
    """
    tokens = len(states)
    if states.device.type == "cpu":
        states, scale = _filled_up(states), _filled_up(scale)
    loss, found = _WeightedLosses.apply(states, head.weight, head.bias, overwrite, scale)
    return loss, found[:tokens]


@torch.no_grad()
def predictions(states: Tensor, head: torch.nn.Linear, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each target its nats, float32 [n], and the likeliest token in its place, int64 [n]."""
    nats, likeliest = [], []
    rows = _rows(LOGITS_AT_ONCE, head.out_features)
    for part, wanted in zip(states.split(rows), targets.split(rows), strict=True):
        logits = head(part).float()
        nats.append(F.cross_entropy(logits, wanted, reduction="none"))
        likeliest.append(logits.argmax(-1))
    return torch.cat(nats), torch.cat(likeliest)


def _filled_up(values: Tensor) -> Tensor:
    """Fill up with zeros to a multiple of `_FEW_SIZES` rows."""
    missing = -len(values) % _FEW_SIZES
    return torch.cat([values, values.new_zeros(missing, *values.shape[1:])]) if missing else values


class _WeightedLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None, overwrite: Overwrite, scale: Tensor
    ) -> tuple[Tensor, Tensor]:
        device = states.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
        with torch.autocast(device, enabled=False):
            inputs, matrix = states.to(kind), weight.to(kind)
            d_states = torch.empty_like(inputs)
            d_weight: Tensor | None = None
            d_bias = torch.zeros_like(bias) if bias is not None else None
            losses = torch.empty_like(scale)
            rows = _rows(LOGITS_AT_ONCE, len(weight))
            for start in range(0, len(states), rows):
                part = slice(start, min(start + rows, len(states)))
                logits = F.linear(inputs[part], matrix, bias.to(kind) if bias is not None else None)
                losses[part] = overwrite(logits, part, scale[part])
                torch.mm(logits, matrix, out=d_states[part])
                if ctx.needs_input_grad[1]:  # not where the matrix is frozen
                    product = (logits.T @ inputs[part]).to(weight.dtype)
                    d_weight = product if d_weight is None else d_weight.add_(product)
                if d_bias is not None:
                    d_bias += logits.sum(0, dtype=torch.float32)
            total = losses @ scale
        ctx.save_for_backward(d_states.to(states.dtype), d_weight, d_bias)
        ctx.mark_non_differentiable(losses)
        return total, losses

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.saved_tensors
        if upstream.device.type != "cpu" or float(upstream) != 1.0:
            found = tuple(None if d is None else d.mul_(upstream) for d in found)
        return (*found, None, None)


def to_gradient(logits: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """Overwrite logits [n, V] with the gradient scale · (softmax − one-hot); returns the nats [n]."""
    rows = logits_in_cache(logits)
    nats = []
    for part, wanted, weight in zip(logits.split(rows), targets.split(rows), scale.split(rows), strict=True):
        wanted, weight = wanted[:, None], weight[:, None]
        log_p = log_softmax(part)
        nats.append(-log_p.gather(1, wanted).squeeze(1))
        p = log_p.exp_()
        p.scatter_add_(1, wanted, torch.full_like(wanted, -1.0, dtype=p.dtype))
        torch.mul(p, weight, out=part) if part.dtype == p.dtype else part.copy_(p.mul_(weight))
    return torch.cat(nats)


def log_softmax(logits: Tensor) -> Tensor:
    """Of logits [n, V], in float32 at least."""
    return logits.log_softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def logits_in_cache(logits: Tensor) -> int:
    """How many rows of logits [n, V] a softmax works on at once: on a CPU they stay in its caches."""
    return _rows(_LOGITS_IN_CACHE, logits.shape[1]) if logits.device.type == "cpu" else len(logits)


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
