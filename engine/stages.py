"""What a stage trains on: which rows of which task, in which order, for how many steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.blocks import IGNORED, Blocks
from engine.experiment import Training
from engine.randomness import Streams


@dataclass(frozen=True, eq=False)
class StageData:
    """The rows of a stage, in training order, step by step."""

    blocks: Blocks
    steps: tuple[Tensor, ...]
    """Per optimiser step the rows of `blocks` that it takes."""
    target_tokens: int


def stage_data(task_blocks: Sequence[Blocks], training: Training, random: Streams, stage: int) -> StageData:
    """Every task's own budget (its epochs, up to `stage_tokens`); several tasks' rows are mixed.

    A budget ends with the row that reaches it.
    """
    orders, offset = [], 0
    for number, blocks in enumerate(task_blocks):
        generator = random.generator("data order", stage, number)
        orders.append(offset + _budgeted_rows(blocks, training, generator))
        offset += len(blocks)
    order = torch.cat(orders)
    if len(task_blocks) > 1:
        order = order[torch.randperm(len(order), generator=random.generator("task mix", stage))]
    blocks = Blocks(
        torch.cat([b.input_ids for b in task_blocks]),
        torch.cat([b.targets for b in task_blocks]),
        torch.cat([b.position_ids for b in task_blocks]),
    )
    rows = max(1, training.tokens_per_step // training.block_size)
    tokens = int((blocks.targets != IGNORED).sum(1)[order].sum())
    return StageData(blocks, tuple(order.split(rows)), tokens)


def stage_steps(task_blocks: Blocks, training: Training) -> int:
    """How many optimiser steps a stage on this one task takes."""
    rows = max(1, training.tokens_per_step // training.block_size)
    generator = torch.Generator().manual_seed(0)
    return -(-len(_budgeted_rows(task_blocks, training, generator)) // rows)


def _budgeted_rows(blocks: Blocks, training: Training, generator: torch.Generator) -> Tensor:
    epochs = [torch.randperm(len(blocks), generator=generator) for _ in range(training.epochs)]
    order = torch.cat(epochs)
    if training.stage_tokens is None:
        return order
    reached = (blocks.targets != IGNORED).sum(1)[order].cumsum(0)
    return order[: int((reached < training.stage_tokens).sum()) + 1]
