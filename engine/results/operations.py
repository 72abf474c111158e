"""The price of a run in floating-point operations: a price that other work on the machine does not change.

A forward pass costs about 2N operations a token read and a backward pass twice that, for a model of N parameters
(Kaplan et al. 2020, https://arxiv.org/abs/2001.08361, section 2.1 and table 1): one multiplication and one addition a
weight. Left out are the attention scores, which grow with the length of a block and are small beside 2N for blocks
shorter than the model is wide times six, and the optimiser, which costs per step and not per token. Input and output
embeddings that share their weights are counted once, for the projection to the vocabulary.

Where a strategy trains a part of the weights, a run records of each task the share of this that a token of its stage
costs: the other weights have no gradient, and below the lowest that trains none goes back.

Counted are training steps with the tokens that were drawn beside the new ones, a teacher's pass over these, and what
`Strategy.cost` declares that the model writes before a stage and reads at its end, with or without a gradient.
Held-out scoring is left out: it is looking, not a strategy's price.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine import strategies
from engine.experiments.experiment import Experiment, Training
from engine.experiments.settings_of_stage import settings_of_run
from engine.strategies.base import Strategy
from engine.strategies.costs import Cost
from engine.strategies.tools.memory_draws import KeptTask, mean_draw

if TYPE_CHECKING:
    import pandas as pd

FORWARD, BACKWARD = 2, 4
"""Operations a parameter and token."""


@dataclass(frozen=True)
class TokensRead:
    """The tokens that a stage has read."""

    backward: float
    """Forward and backward: by its steps, and at its end where a gradient is taken."""
    forward: float
    """Forward alone: by a teacher beside the steps, and at the end where none is taken."""


def tokens_read(cost: Cost, in_steps: float, new: float, documents: int, of_documents: float, ends: bool) -> TokensRead:
    """What a stage has read whose steps read `in_steps` tokens, `new` of them of its own tasks; its task has so many
    `documents` with `of_documents` tokens, of which those that `cost` declares are read where a stage `ends` (no later
    one comes after the last).

    A teacher reads what was drawn beside the new tokens, or these where nothing is drawn; of strategies side by side
    its share by their declared ratios.
    """
    ratio = cost.tokens_per_new_token
    backward, forward = in_steps, cost.forward_per_new_token * ((in_steps - new) / ratio if ratio else new)
    for reading in cost.readings if ends else ():
        part = min(1.0, reading.documents / max(1, documents)) * of_documents
        backward, forward = (backward + part, forward) if reading.backward else (backward, forward + part)
    return TokensRead(backward, forward)


def run_operations(
    strategy: Strategy,
    parameters: int,
    stage_tokens: Sequence[tuple[int, int | None]],
    tasks: Sequence[Mapping[str, Any]],
    epochs: Sequence[int],
    training: Training,
) -> float:
    """The operations of a finished run: `stage_tokens` are the target tokens of all terms, stage by stage, and those
    of them that are the stage's own tasks', None where only what is declared is known; `tasks` are the facts that the
    run recorded of its tasks, in order, and `epochs` how often each task is read.

    Prompts are read but are no targets: a stage reads for each target token of its own tasks as many tokens as these
    have, and for each that is drawn from kept documents as many as a mean draw from the tasks before it. Of tasks that
    don't say how many tokens they have, targets are counted.
    """
    operations = 0.0
    for stage, (in_steps, known) in enumerate(stage_tokens, start=1):
        planned = [(epochs[number - 1], tasks[number - 1]) for number in strategy.plan(stage).tasks]
        targets = sum(times * task["target_tokens"] for times, task in planned)
        tokens = sum(times * _tokens(task) for times, task in planned)
        own, cost, with_prompts = tasks[stage - 1], strategy.cost(stage), tokens / targets if targets else 1.0
        new = in_steps / (1 + cost.tokens_per_new_token) if known is None else known
        in_draws = (in_steps - new) * _reads_per_drawn(cost, tasks[: stage - 1], with_prompts, training)
        new_reads, ends = new * with_prompts, stage < len(stage_tokens)
        read = tokens_read(cost, new_reads + in_draws, new_reads, own["documents"], _tokens(own), ends)
        before = [(task["documents"], _tokens(task)) for task in tasks[: stage - 1]]
        forward = read.forward + cost.written_tokens(before, training.block_size)
        operations += (FORWARD + BACKWARD) * read.backward * own.get("operations_share", 1.0) + FORWARD * forward
    return parameters * operations


def _reads_per_drawn(
    cost: Cost, past: Sequence[Mapping[str, Any]], reads_per_target: float, training: Training
) -> float:
    """How many tokens are read for each target token that steps draw from kept documents; 1 where none are kept."""
    if not cost.documents or not cost.tokens_per_new_token:
        return 1.0
    kept = tuple(KeptTask(task["documents"], task["target_tokens"], _tokens(task)) for task in past)
    a_step = max(training.tokens_per_step, training.block_size) / reads_per_target
    draw = mean_draw(kept, cost.documents, max(1, round(cost.tokens_per_new_token * a_step)), training.block_size)
    return draw.reads / draw.targets if draw.targets else 1.0


def _tokens(task: Mapping[str, Any]) -> int:
    return int(task.get("read_tokens", task["target_tokens"]))


def operations_of(
    run: Any,
    experiment: Experiment,
    environment: Mapping[str, Any],
    stages: pd.DataFrame,
    facts: Sequence[Mapping[str, Any]],
) -> float:
    """The operations of a recorded run of an experiment, from its row among the store's runs, its environment, its rows
    among the stages and the facts of its tasks; NaN unless it is finished and its model's size was recorded."""
    parameters = environment.get("parameters")
    finished = stages[(stages["run_id"] == run.run_id) & stages["finished"].astype(bool)]
    new = [None if math.isnan(found) else int(found) for found in finished["new_tokens"].astype(float)]
    tokens = list(zip(finished["target_tokens"].tolist(), new, strict=True))
    if parameters is None or run.status != "finished" or len(tokens) != len(facts):
        return math.nan
    epochs = settings_of_run(experiment, run.strategy, run.parameters).epochs
    strategy = strategies.build(run.strategy, run.parameters)
    return run_operations(strategy, parameters, tokens, facts, epochs, experiment.training)
