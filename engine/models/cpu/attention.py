"""Attention for training on a CPU in bfloat16: the formula in batched matrix products.

torch's own kernel works through blocks of a sequence that are small for rows of a few hundred tokens; written out, a
layer forward and backward takes about half its time there. Elsewhere, and in float32, torch's kernel stays.
"""

import math
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from engine.models.cpu.layers import dropout as drop

NAME = "palimpsest"
LONGEST = 1024
"""Longest row in tokens whose attention weights are written out."""


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **further: Any,
) -> tuple[Tensor, None]:
    """softmax(q kᵀ · scaling + mask) v, in the form that transformers calls: [B, H, L, D] in, [B, L, H, D] out."""
    if not _written_out(module, query, key, attention_mask, further):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **further
        )
    batch, heads, length, width = query.shape
    if key.shape[1] < heads:
        key, value = (each.repeat_interleave(heads // each.shape[1], 1) for each in (key, value))
    scaling = 1 / math.sqrt(width) if scaling is None else scaling
    products = torch.bmm(query.flatten(0, 1), key.flatten(0, 1).transpose(1, 2)).view(batch, heads, length, length)
    with torch.autocast(query.device.type, enabled=False):
        weights = products.mul(scaling).add_(_bias(attention_mask, products)).softmax(-1)
    weights = drop(weights, dropout)
    return torch.bmm(weights.flatten(0, 1), value.flatten(0, 1)).view(query.shape).transpose(1, 2), None


def prefer(model: PreTrainedModel) -> None:
    """Let `model` attend this way, where its class lets attention be chosen."""
    if getattr(model.config, "_attn_implementation", None) == "sdpa":
        model.set_attn_implementation(NAME)


def _written_out(
    module: torch.nn.Module, query: Tensor, key: Tensor, mask: Tensor | None, further: dict[str, Any]
) -> bool:
    plain = all(further.get(name) is None for name in ("position_bias", "softcap", "is_causal", "cache"))
    causal = mask.dtype == torch.bool if mask is not None else getattr(module, "is_causal", False)
    fits = query.shape[2] == key.shape[2] <= LONGEST
    return plain and causal and fits and query.dtype == torch.bfloat16 and query.device.type == "cpu"


def _bias(mask: Tensor | None, products: Tensor) -> Tensor:
    """Return the term that is added to the products: −∞ where `mask` (None: causal) forbids to look."""
    if mask is None:
        mask = torch.ones(products.shape[-2:], dtype=torch.bool, device=products.device).tril()
    return torch.zeros(mask.shape, dtype=products.dtype, device=products.device).masked_fill_(~mask, -torch.inf)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
