"""Texts beside the tasks as tokens: encoded as the training side of a task is, named by their field in every error."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from engine.common.errors import PalimpsestError, TaskError
from engine.execution.ignored_settings import with_ignored_settings
from engine.execution.task_tokens import TaskTokens, Tokens, task_tokens
from engine.tasks.load import SCORED_ON_TRAINING
from engine.training.reference import EncodedReference

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment
    from engine.persistence.shared_results import SharedResults
    from engine.strategies.base import Strategy
    from engine.tasks.texts_beside import TextBeside

_FEW_TOKENS = 200
"""A text of fewer is remarked on: its mean loss changes with every word."""


def tokens_beside(spec: TextBeside, base: Tokens, shared: SharedResults | None, block_size: int) -> TaskTokens:
    """The text in the tokens of `base`, on both sides, kept as `task_tokens` keeps a task's. Raises TaskError, which
    begins with the field's name."""
    try:
        found = with_ignored_settings(spec, task_tokens(spec, base, shared, block_size))
    except PalimpsestError as error:
        raise TaskError(named(spec, str(error))) from error
    said = tuple(remark for remark in found.reading.remarks if remark != SCORED_ON_TRAINING)
    if found.train.target_tokens < _FEW_TOKENS:
        said += (f"{found.train.target_tokens:,} tokens are few to tell anything by; take a longer text.",)
    return dataclasses.replace(found, reading=dataclasses.replace(found.reading, remarks=said))


def named(spec: TextBeside, sentence: str) -> str:
    """The sentence with the field that it is about."""
    return sentence if sentence.startswith(spec.field) else f"{spec.field}: {sentence}"


def reference_of_run(
    experiment: Experiment, strategy: Strategy, base: Tokens, shared: SharedResults | None
) -> EncodedReference | None:
    """The text as a run of the strategy takes it, with the facts that the run records; None where it needs none. Raises
    TaskError as `tokens_beside` does."""
    if experiment.reference is None or not strategy.needs_reference:
        return None
    found = tokens_beside(experiment.reference, base, shared, experiment.training.block_size)
    return EncodedReference(found.train, found.train_fingerprint, text_facts(found))


def text_facts(found: TaskTokens) -> dict[str, Any]:
    """What a run records of a text beside the tasks."""
    return {
        "name": found.name,
        "documents": len(found.train),
        "target_tokens": found.train.target_tokens,
        "fingerprint": found.train_fingerprint,
        "kind": found.reading.kind,
        "columns": list(found.reading.columns),
        "unused_columns": list(found.reading.unused_columns),
        "remarks": list(found.reading.remarks),
        "separator": found.separator,
        "chat_template": found.chat_template,
    }
