"""Pulls in numbers: their values, and the one proximal step that is taken on the sum of them all."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from engine.strategies.base import Weights
from engine.strategies.terms import Pull

Metric = Callable[[torch.nn.Parameter, slice], Tensor]
"""For some elements of a flattened weight, the factor by which AdamW's last step divided a gradient:
(√v̂ + ε) / learning_rate, a new tensor."""


def pull_values(pulls: Sequence[Pull], weights: Weights) -> dict[str, Tensor]:
    """The value of every pull as minimised, in nats per token, by the name that reports give it: scalars beside the
    weights, since to read them here would be to wait for an accelerator."""
    values: dict[str, Tensor] = {}
    for pull in pulls:
        if not pull.centre.keys() & weights.keys():
            continue  # none of its weights trains in this stage
        value = _sum_of_squares(pull, weights)
        for name, part in ((f"{pull.name} pull", value), (f"{pull.name} constant", pull.constant)):
            if isinstance(part, Tensor):
                values[name] = pull.weight / 2 * part
            elif part:
                values[name] = value.new_tensor(pull.weight / 2 * part)
    return values


def _sum_of_squares(pull: Pull, weights: Weights) -> Tensor:
    """Σ A (θ − μ)², the sum over all weights in float64 where the device has it."""
    found = []
    for name, centre, theta in _pairs(pull, weights):
        flat = [each.detach().view(-1) for each in (theta, centre)]
        importance = None if pull.importance is None else pull.importance[name].view(-1)
        for part in slices_of(theta):
            away = flat[0][part] - flat[1][part]
            found.append(torch.dot(away if importance is None else importance[part] * away, away))
    return summed(found)


def proximal_step(pulls: Sequence[Pull], weights: Weights, metric: Metric) -> None:
    """θ ← argmin_θ D(θ−θ')²/2 + Σ_i (λ_i/2) A_i (θ−μ_i)²  =  (Dθ' + Σ λ_i A_i μ_i) / (D + Σ λ_i A_i), in place, with D
    the `metric` and θ' the weights after AdamW's step.

    The sum is one quadratic of importance A = Σ λ_i A_i and centre Σ λ_i A_i μ_i / A: successive proximal steps would
    not be the step of the sum. The gradient of the pulls at the result is the step that was taken, so a resting point
    satisfies ∇L + Σ λ_i A_i (θ−μ_i) = 0 as if they had been added to the gradients. But added there, Adam would
    rescale them with everything else (a huge λ moves the weights as fast as a small one) and an explicit step
    overshoots once λA exceeds 2D; the implicit step is stable, and draws nearer to μ the larger λ, for every λ.
    Clipping scales ∇L alone: where it acts, the pulls weigh more against the loss by the factor that it clips by.
    """
    with torch.no_grad():
        for name, theta in weights.items():
            acting = [pull for pull in pulls if name in pull.centre]
            for part in slices_of(theta) if acting else ():
                held = metric(theta, part)
                flat, centres = theta.view(-1)[part], [pull.centre[name].view(-1)[part] for pull in acting]
                if len(acting) == 1:
                    centre, total = centres[0], _added(held, acting[0], name, part)
                else:
                    centre, total = _sum_of_pulls(acting, centres, held, name, part)
                # D / (D + A) is 1 exactly where A is 0, and 0 where A overflows.
                torch.lerp(centre, flat, held.div_(total), out=flat)


def _added(held: Tensor, pull: Pull, name: str, part: slice) -> Tensor:
    """D + λA."""
    if pull.importance is None:
        return held + pull.weight
    return torch.add(held, pull.importance[name].view(-1)[part], alpha=pull.weight)


def _sum_of_pulls(
    pulls: Sequence[Pull], centres: Sequence[Tensor], held: Tensor, name: str, part: slice
) -> tuple[Tensor, Tensor]:
    """The centre of the pulls' sum, and D + Σ λ_i A_i."""
    centre, importance = centres[0].clone(), torch.zeros_like(held)
    for pull, own in zip(pulls, centres, strict=True):
        added = importance + _added(torch.zeros_like(held), pull, name, part)
        share = torch.where(added > importance, 1 - importance / added, 0.0)
        centre = torch.lerp(centre, own, share.nan_to_num(1.0))
        importance = added
    return centre, held + importance


def _pairs(pull: Pull, weights: Weights) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, centre and weight of every weight that the pull acts on."""
    return ((name, centre, weights[name]) for name, centre in pull.centre.items() if name in weights)


def slices_of(weight: Tensor) -> Iterator[slice]:
    """Consecutive elements of the flattened weight, few enough on a CPU to stay in its caches over several passes."""
    size = 2**17 if weight.device.type == "cpu" else weight.numel()
    return (slice(start, start + size) for start in range(0, weight.numel(), size))


def summed(parts: Sequence[Tensor]) -> Tensor:
    """The sum of scalars, in float64 where the device has it."""
    together = torch.stack(list(parts))
    return together.sum(dtype=None if together.device.type == "mps" else torch.float64)
