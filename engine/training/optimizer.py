"""AdamW, its learning rate within a stage, and how far it scales each weight's gradient."""

import math

import torch
from torch import Tensor
from transformers import PreTrainedModel

from engine.experiments.experiment import Training
from engine.strategies.tools.quadratics import Metric

_IMMOVABLE = 1e30
"""The metric of a weight that no gradient has reached."""


def make_optimizer(model: PreTrainedModel, training: Training) -> torch.optim.AdamW:
    """A fresh AdamW; weight decay spares biases and norms."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.dim() > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in weights if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=model.device.type in ("cpu", "cuda"))


def carried_over(old: torch.optim.AdamW, new: torch.optim.AdamW) -> torch.optim.AdamW:
    """The `new` optimiser with the moments that `old` has of the weights that both train."""
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
