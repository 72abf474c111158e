"""The one place where a model turns blocks into log-likelihoods: training, Fisher and scores all go through it."""

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel

from engine.blocks import IGNORED, Blocks

LOGITS_PER_FORWARD = 2**26
"""Largest logits of one pass: 256 MB in float32."""
OPERATIONS_PER_FORWARD = 2e11
"""About a second of arithmetic on a small CPU, so that a stop is heard in time."""


def logits_of(model: PreTrainedModel, blocks: Blocks, packed: bool = True) -> Tensor:
    """Next-token logits [B, L, V]; with `packed` false each row is one document and positions are the model's own."""
    positions = {"position_ids": blocks.position_ids} if packed else {}
    return model(input_ids=blocks.input_ids, use_cache=False, **positions).logits


def summed_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Σ −log p(target) over the positions that have one, in float32; scalar, in nats."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum")


def rows_per_forward(model: PreTrainedModel, block_size: int, device: torch.device) -> int:
    """How many rows of `block_size` one pass may hold; depends on the model and the kind of device alone."""
    rows = LOGITS_PER_FORWARD // (block_size * model.config.get_text_config().vocab_size)
    if device.type == "cpu":
        rows = min(rows, int(OPERATIONS_PER_FORWARD / (6 * model.num_parameters() * block_size)))
    return max(1, rows)


@contextlib.contextmanager
def without_dropout(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode inside the block; every module's own mode is restored after it."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """The arithmetic of `precision` ("float32" or "bfloat16") on `device`; weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
