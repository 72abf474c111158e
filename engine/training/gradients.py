"""The gradient of what a step minimises, from any number of passes, and its clipping."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from engine.common.device_transfers import sent
from engine.models.likelihood import autocast, interruptible, rows_per_forward, weighted_nats
from engine.models.loading import LoadedModel
from engine.strategies.base import Gradients
from engine.strategies.terms import Term
from engine.tokens.blocks import IGNORED, Blocks


def accumulate_gradients(
    base: LoadedModel,
    terms: Sequence[Term],
    precision: str = "float32",
    check: Callable[[], None] = lambda: None,
    most_rows: int | None = None,
) -> dict[str, Tensor]:
    """Add to `.grad` the gradient of Σ weight · (mean token loss of the term's blocks); return the means, in nats,
    scalars beside the model.

    All terms go through the model together, `most_rows` rows at a time if given. A single term's gradient is exactly
    what it would be alone.
    """
    model, device = base.model, base.model.device
    blocks = Blocks.joined([term.blocks for term in terms])
    tokens = torch.tensor([term.blocks.target_tokens for term in terms])
    weights = torch.tensor([term.weight for term in terms], dtype=torch.float64) / tokens
    owner = torch.repeat_interleave(torch.tensor([len(term.blocks) for term in terms]))
    nats = torch.zeros(len(terms), device=device)
    rows = min(rows_per_forward(model, blocks.width, device), most_rows or len(blocks))
    with interruptible(model, check):
        for part, of_row in zip(blocks.split(rows), owner.split(rows), strict=True):
            check()
            of_token = of_row[:, None].expand_as(part.targets)[part.targets != IGNORED]
            with autocast(device, precision):
                loss, found = weighted_nats(model, part, sent(weights[of_token].float(), device), base.packed)
            loss.backward()
            of_token = sent(of_token, device)
            nats += torch.stack([found.where(of_token == term, 0.0).sum() for term in range(len(terms))])
    return {term.name: nats[i] / term.blocks.target_tokens for i, term in enumerate(terms)}


def combined_gradients(
    base: LoadedModel,
    terms: Sequence[Term],
    combine: Callable[[Mapping[str, Gradients]], Gradients],
    accumulate: Callable[[Sequence[Term]], dict[str, Tensor]],
) -> dict[str, Tensor]:
    """Put into `.grad` what `combine` makes of the terms' gradients, each whole (over all of its passes) before it is
    combined; return the means as `accumulate_gradients` does, which `accumulate` calls for some of the terms."""
    weights = {name: weight for name, weight in base.model.named_parameters() if weight.requires_grad}
    found: dict[str, dict[str, Tensor]] = {}
    means: dict[str, Tensor] = {}
    for term in terms:
        base.model.zero_grad(set_to_none=True)
        means |= accumulate([term])
        found[term.name] = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
    whole = combine(found)
    for name, weight in weights.items():
        weight.grad = whole.get(name)
    return means


def clip(weights: Iterable[torch.nn.Parameter], limit: float | None) -> Tensor:
    """Scale the gradients down to a norm of `limit`; returns the norm that they had. One pass where none is needed."""
    weights = [weight for weight in weights if weight.grad is not None]
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    # To look at the norm would be to wait for an accelerator; to scale by 1 costs it less.
    if limit is not None and (norm.device.type != "cpu" or not norm <= limit):
        torch.nn.utils.clip_grads_with_norm_(weights, limit, norm)
    return norm
