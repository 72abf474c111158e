"""Layers of the same meaning as a model's own that take a CPU less time."""

import torch
from torch import Tensor
from transformers.activations import NewGELUActivation


class Dropout(torch.nn.Dropout):
    """A faster layer in place of `torch.nn.Dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p) if self.training else input


def dropout(values: Tensor, p: float) -> Tensor:
    """Each value 0 with probability `p`, else scaled by 1 / (1 − p).

    On a CPU it draws sixteen bits a value, where torch draws one number a value: a quarter of the time, and the
    probability is met to 1/65536.
    """
    if p == 0.0 or values.device.type != "cpu":
        return torch.nn.functional.dropout(values, p)
    count = values.numel()
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    kept = words.view(torch.int16)[:count].view(values.shape) >= round(p * 2**16) - 2**15
    return (values * kept).mul(1 / (1 - p))


def replace(model: torch.nn.Module) -> None:
    """Put them in the place of the layers of `model` that they stand for. None of these has weights."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is torch.nn.Dropout:
                setattr(module, name, Dropout(child.p))
            elif type(child) is NewGELUActivation:
                setattr(module, name, torch.nn.GELU(approximate="tanh"))
