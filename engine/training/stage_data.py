"""What a stage trains on: which rows of which task, in which order, for how many steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.common.random_streams import Streams
from engine.experiments.settings_of_stage import StageSettings
from engine.experiments.training import Training
from engine.tokens.packing import JoinedRows, Rows


@dataclass(frozen=True, eq=False)
class StageData:
    """The rows of a stage, in training order, step by step."""

    rows: Rows
    order: Tensor
    """The numbers of the `rows`, int64, one after the other; a row comes once an epoch."""
    rows_per_step: int
    target_tokens: int
    settings: StageSettings
    rows_of_tasks: tuple[int, ...]
    """How many of the `rows` are each task's; those of one task lie together."""

    @property
    def steps(self) -> int:
        """How many optimiser steps there are."""
        return -(-len(self.order) // self.rows_per_step)

    def step(self, number: int) -> Tensor:
        """The `rows` that step `number`, from 1, takes."""
        return self.order[(number - 1) * self.rows_per_step : number * self.rows_per_step]

    def peak_rate(self, number: int) -> float:
        """The peak of the learning rate that step `number` is taken with."""
        if len(set(self.settings.learning_rates)) == 1:
            return self.settings.learning_rates[0]
        ends = torch.tensor(self.rows_of_tasks).cumsum(0)
        tasks = torch.bucketize(self.step(number), ends, right=True)
        return self.settings.peak_rate(torch.bincount(tasks, minlength=len(ends)).tolist())


def stage_data(
    task_rows: Sequence[Rows], settings: StageSettings, training: Training, random: Streams, stage: int
) -> StageData:
    """Every task's own budget (its epochs, up to `stage_tokens`); several tasks' rows are mixed.

    A budget ends with the row that reaches it.
    """
    order = _order(task_rows, settings, training, random, stage)
    rows = task_rows[0] if len(task_rows) == 1 else JoinedRows(task_rows)
    tokens = int(rows.row_targets[order].sum())
    return StageData(rows, order, _rows_per_step(training), tokens, settings, tuple(len(each) for each in task_rows))


def stage_steps(
    task_rows: Sequence[Rows], settings: StageSettings, training: Training, random: Streams, stage: int
) -> int:
    """How many optimiser steps `stage_data` gives: a budget's last row depends on the order."""
    return -(-len(_order(task_rows, settings, training, random, stage)) // _rows_per_step(training))


def _rows_per_step(training: Training) -> int:
    return max(1, training.tokens_per_step // training.block_size)


def _order(
    task_rows: Sequence[Rows], settings: StageSettings, training: Training, random: Streams, stage: int
) -> Tensor:
    """The rows of all tasks together in training order."""
    orders, offset = [], 0
    for number, (rows, epochs) in enumerate(zip(task_rows, settings.epochs, strict=True)):
        generator = random.generator("data order", stage, number)
        orders.append(offset + _budgeted_rows(rows, epochs, training.stage_tokens, generator))
        offset += len(rows)
    order = torch.cat(orders)
    if len(task_rows) > 1:
        order = order[torch.randperm(len(order), generator=random.generator("task mix", stage))]
    return order


def _budgeted_rows(rows: Rows, epochs: int, stage_tokens: int | None, generator: torch.Generator) -> Tensor:
    order = torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(epochs)])
    if stage_tokens is None:
        return order
    reached = rows.row_targets[order].cumsum(0)
    return order[: int((reached < stage_tokens).sum()) + 1]
