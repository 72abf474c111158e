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
    order = _order(task_blocks, training, random, stage)
    blocks = Blocks(
        torch.cat([b.input_ids for b in task_blocks]),
        torch.cat([b.targets for b in task_blocks]),
        torch.cat([b.position_ids for b in task_blocks]),
    )
    tokens = int((blocks.targets != IGNORED).sum(1)[order].sum())
    return StageData(blocks, tuple(order.split(_rows_per_step(training))), tokens)


def stage_steps(task_blocks: Sequence[Blocks], training: Training, random: Streams, stage: int) -> int:
    """How many optimiser steps `stage_data` gives: a budget's last row depends on the order."""
    return -(-len(_order(task_blocks, training, random, stage)) // _rows_per_step(training))


def _rows_per_step(training: Training) -> int:
    return max(1, training.tokens_per_step // training.block_size)


def _order(task_blocks: Sequence[Blocks], training: Training, random: Streams, stage: int) -> Tensor:
    """The rows of all tasks together in training order."""
    orders, offset = [], 0
    for number, blocks in enumerate(task_blocks):
        generator = random.generator("data order", stage, number)
        orders.append(offset + _budgeted_rows(blocks, training, generator))
        offset += len(blocks)
    order = torch.cat(orders)
    if len(task_blocks) > 1:
        order = order[torch.randperm(len(order), generator=random.generator("task mix", stage))]
    return order


def _budgeted_rows(blocks: Blocks, training: Training, generator: torch.Generator) -> Tensor:
    epochs = [torch.randperm(len(blocks), generator=generator) for _ in range(training.epochs)]
    order = torch.cat(epochs)
    if training.stage_tokens is None:
        return order
    reached = (blocks.targets != IGNORED).sum(1)[order].cumsum(0)
    return order[: int((reached < training.stage_tokens).sum()) + 1]
