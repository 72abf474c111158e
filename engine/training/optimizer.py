"""AdamW, its learning rate within a stage, and how far it scales each weight's gradient."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformers import PreTrainedModel

from engine.common.errors import StoreError
from engine.experiments.training import Training
from engine.models.parts import trainable_weights
from engine.strategies.tools.quadratics import Metric

Named: TypeAlias = tuple[str, torch.nn.Parameter]

_IMMOVABLE = 1e30
"""The metric of a weight that no gradient has reached."""


def make_optimizer(model: PreTrainedModel, training: Training) -> torch.optim.AdamW:
    """A fresh AdamW of the weights that train, which knows their names; weight decay spares biases and norms."""
    matrices, others = _groups_of(list(trainable_weights(model).items()))
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": training.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=model.device.type in ("cpu", "cuda"))


def _groups_of(weights: Sequence[Named]) -> tuple[list[Named], list[Named]]:
    """Matrices and what has more dimensions, then biases and norms."""
    return [each for each in weights if each[1].dim() > 1], [each for each in weights if each[1].dim() <= 1]


def load_moments(optimizer: torch.optim.AdamW, saved: Mapping[str, Any], model: PreTrainedModel) -> None:
    """Give a fresh optimiser of the model the moments that `saved`, the state of an earlier one, holds of the weights
    that train now, by their names: another set of weights may have trained then.

    States of before names were kept hold all weights of the model, by their places. Raises StoreError where those
    are another model's.
    """
    groups = saved["param_groups"]
    names = [group.get("param_names") for group in groups]
    if None in names:
        names = [[name for name, _ in group] for group in _groups_of(list(model.named_parameters()))]
        if list(map(len, names)) != [len(group["params"]) for group in groups]:
            raise StoreError("A checkpoint's optimiser state does not fit its model; start the run again.")
    moments = {
        name: saved["state"][place]
        for own, group in zip(names, groups, strict=True)
        for name, place in zip(own, group["params"], strict=True)
        if place in saved["state"]
    }
    state = optimizer.state_dict()
    places = [
        pair for group in state["param_groups"] for pair in zip(group["param_names"], group["params"], strict=True)
    ]
    optimizer.load_state_dict(state | {"state": {place: moments[name] for name, place in places if name in moments}})


def carried_over(old: torch.optim.AdamW, new: torch.optim.AdamW) -> torch.optim.AdamW:
    """The `new` optimiser with the moments that `old` has of the weights that both train; a weight that has not
    trained for a stage begins afresh."""
    for group in new.param_groups:
        for weight in group["params"]:
            if weight in old.state:
                new.state[weight] = old.state[weight]
    return new


def learning_rate_at(step: int, steps: int, peak: float, training: Training) -> float:
    """The rate of step 1 … `steps` of a stage: a linear warm-up to `peak`, then the decay, to 0 after the last step."""
    warmup = math.ceil(training.warmup_share * steps)
    if step <= warmup:
        return peak * step / warmup
    remaining = (steps + 1 - step) / (steps + 1 - warmup)
    shape = {
        "constant": 1.0,
        "linear": remaining,
        "cosine": 0.5 * (1 - math.cos(math.pi * remaining)),
    }[training.decay]
    return peak * shape


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def metric_of(optimizer: torch.optim.AdamW) -> Metric:
    """(√v̂ + ε) / learning_rate of the step just taken, v̂ AdamW's bias-corrected second moment."""
    groups = {weight: group for group in optimizer.param_groups for weight in group["params"]}

    def metric(weight: torch.nn.Parameter, part: slice) -> Tensor:
        group, state = groups[weight], optimizer.state[weight]
        if not state:
            return torch.full_like(weight.view(-1)[part], _IMMOVABLE)
        step, rate = state["step"], group["lr"]
        # An accelerator's count of steps stays there: to read it would be to wait for it.
        correction = 1 - group["betas"][1] ** (float(step) if step.device.type == "cpu" else step)
        root = state["exp_avg_sq"].view(-1)[part].sqrt()
        return root.mul_(correction**-0.5 / rate).add_(group["eps"] / rate)

    return metric


def momentum_of(optimizer: torch.optim.AdamW, weight: torch.nn.Parameter) -> Tensor:
    """AdamW's first moment of a weight, zeros where no gradient has reached it."""
    state = optimizer.state[weight]
    momentum: Tensor = state["exp_avg"] if state else torch.zeros_like(weight)
    return momentum
