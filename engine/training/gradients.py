"""The gradient of what a step minimises, from any number of passes, and its clipping."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from engine.common.device_transfers import sent
from engine.models.distributions import StoredDistributions
from engine.models.likelihood import TokenLoss, autocast, interruptible, rows_per_forward, weighted_losses
from engine.models.loading import LoadedModel
from engine.models.parts import trainable_weights
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

    All terms go through the model together, `most_rows` rows at a time if given, and those of the same blocks once. A
    single term's gradient is exactly what it would be alone.
    """
    model, device = base.model, base.model.device
    shared = list({id(term.blocks): term.blocks for term in terms}.values())
    places = [next(at for at, each in enumerate(shared) if each is term.blocks) for term in terms]
    blocks = Blocks.joined(shared)
    owner = torch.repeat_interleave(torch.tensor([len(each) for each in shared]))
    nats = torch.zeros(len(terms), device=device)
    rows = min(rows_per_forward(model, blocks.width, device), most_rows or len(blocks))
    seen = [0] * len(shared)
    with interruptible(model, check):
        for part, of_row in zip(blocks.split(rows), owner.split(rows), strict=True):
            check()
            of_token = of_row[:, None].expand_as(part.targets)[part.targets != IGNORED]
            losses, owners = _token_losses(terms, places, of_token, seen, device)
            with autocast(device, precision):
                loss, found = weighted_losses(model, part, losses, base.packed)
            loss.backward()
            for each, of_loss in zip(found, owners, strict=True):
                of_loss = sent(of_loss, device)
                nats += torch.stack([each.where(of_loss == term, 0.0).sum() for term in range(len(terms))])
            for place in range(len(shared)):
                seen[place] += int((of_token == place).sum())
    return {term.name: nats[i] / term.blocks.target_tokens for i, term in enumerate(terms)}


def _token_losses(
    terms: Sequence[Term], places: Sequence[int], of_token: Tensor, seen: Sequence[int], device: torch.device
) -> tuple[list[TokenLoss], list[Tensor]]:
    """The losses of a pass whose target tokens belong to the blocks `of_token`, and for each the numbers of the terms
    that its tokens belong to: all terms of cross-entropy as one loss, every divergence as its own. `seen` counts the
    tokens of each blocks in the passes before."""
    losses, owners = [], []
    for numbers in _together(terms, places):
        of_place = torch.full((max(places) + 1,), -1)
        for number in numbers:
            of_place[places[number]] = number
        of_loss = of_place[of_token]
        chosen = None if bool((of_loss >= 0).all()) else (of_loss >= 0).nonzero().squeeze(1)
        of_loss = of_loss if chosen is None else of_loss[chosen]
        if not len(of_loss):
            continue
        tokens = torch.tensor([term.blocks.target_tokens for term in terms])
        weights = torch.tensor([term.weight for term in terms], dtype=torch.float64) / tokens
        against = terms[numbers[0]].against
        if isinstance(against, StoredDistributions):
            start = seen[places[numbers[0]]]
            against = against.part(start, start + len(of_loss))
        losses.append(TokenLoss(sent(weights[of_loss].float(), device), chosen, against))
        owners.append(of_loss)
    return losses, owners


def _together(terms: Sequence[Term], places: Sequence[int]) -> list[list[int]]:
    """The numbers of the terms that are one loss: those of cross-entropy, as far as their blocks are different ones."""
    groups: list[list[int]] = []
    for number, term in enumerate(terms):
        if term.against is not None:
            groups.append([number])
            continue
        for group in groups:
            alike = all(terms[other].against is None for other in group)
            if alike and places[number] not in [places[other] for other in group]:
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def combined_gradients(
    base: LoadedModel,
    terms: Sequence[Term],
    combine: Callable[[Mapping[str, Gradients]], Gradients],
    accumulate: Callable[[Sequence[Term]], dict[str, Tensor]],
) -> dict[str, Tensor]:
    """Put into `.grad` what `combine` makes of the terms' gradients, each whole (over all of its passes) before it is
    combined; return the means as `accumulate_gradients` does, which `accumulate` calls for some of the terms."""
    weights = trainable_weights(base.model)
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
