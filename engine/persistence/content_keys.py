"""Names of results, made of everything that determines them and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.strategies.base import Strategy

VERSION = 8
"""It is changed with every change of the training that changes its numbers or its events."""


def stage_key_parts(strategy: Strategy, settings: Sequence[Hashable], reference: str = "") -> tuple[Hashable, ...]:
    """For each stage, the part of the strategy's parameters and of its own `settings` (epochs and learning rates, those
    of each stage) that determines its result; equal for two strategies where their results are equal. `reference` is
    the fingerprint of the reference text: it counts in the stages that read it, and in those that follow on them."""
    keys: list[Hashable] = []
    before: Hashable = ()
    for stage, own in enumerate(settings, start=1):
        plan = strategy.plan(stage)
        acted = strategy.signature(stage)
        if reference and strategy.reads_reference(stage):
            acted = (acted, "reference", reference)
        before = (before if plan.start == "previous" else (), stage, plan.tasks, own, acted)
        keys.append(before)
    return tuple(keys)


def content_key(*parts: Any) -> str:
    """A name for a result from plain data that determines it."""
    text = json.dumps([VERSION, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def stage_key(content: str, seed: int, parts: Hashable, texts: Sequence[str]) -> str:
    """The name of a stage's result.

    `content` stands for what all runs of an experiment have in common whatever its tasks are, `parts` is of
    `stage_key_parts`, `texts` are the fingerprints of the training texts of the tasks so far: what comes later
    determines nothing here.
    """
    return content_key(content, seed, repr(parts), list(texts))
