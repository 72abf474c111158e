"""The general text as a run scores it: encoded as the training side of a task is, all of it held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from engine.common.errors import TaskError
from engine.common.random_streams import Streams
from engine.execution.text_beside_tokens import text_facts, tokens_beside
from engine.persistence.content_keys import content_key
from engine.tasks.texts_beside import GeneralSpec
from engine.tokens.encoded_documents import EncodedDocuments
from engine.training.drift import MOST_TOKENS, Drift
from engine.training.scored_texts import GeneralText
from engine.training.scoring import prepare

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment
    from engine.models.loading import LoadedModel
    from engine.persistence.shared_results import SharedResults

_LOG_PROBABILITIES = "log_probabilities"


def trained_on(general: EncodedDocuments, train: EncodedDocuments) -> int:
    """How many different documents of the general text a task trains on, token by token the same."""
    own = {general[number].token_ids.numpy().tobytes() for number in range(len(general))}
    alike = np.flatnonzero(np.isin(train.lengths, general.lengths))
    return len(own & {train[int(number)].token_ids.numpy().tobytes() for number in alike})


def general_of_run(
    experiment: Experiment, base: LoadedModel, shared: SharedResults | None, content: str, seed: int
) -> GeneralText | None:
    """The text as the runs of a seed are scored on it, with the facts that they record; None where there is none.
    `content` names the base model and what it computes with. The shipped text is left out where the model's tokens
    can't write it. Raises TaskError that begins with the field's name."""
    if experiment.general is None:
        return None
    training = experiment.training
    try:
        found = tokens_beside(experiment.general, base, shared, training.block_size)
    except TaskError:
        if experiment.general == GeneralSpec.shipped():  # the check has said so
            return None
        raise
    draw = Streams(seed).generator("held-out choice of the general text")
    held_out = prepare(
        found.train, training.block_size, training.evaluation_tokens, base.packed, training.held_out_tokens, draw
    )
    is_drawn = held_out.target_tokens != found.train.target_tokens
    limits = [training.block_size, training.evaluation_tokens, [training.held_out_tokens, seed] if is_drawn else None]
    key = content_key("general text", found.train_fingerprint, limits, MOST_TOKENS)

    def of_base(compute: Callable[[], Tensor]) -> Tensor:
        if shared is None:
            return compute()
        name = content_key(content, "distributions", key)
        return shared.tensors(name, lambda: {_LOG_PROBABILITIES: compute()})[_LOG_PROBABILITIES]

    drift = Drift(held_out.sample.target_tokens, of_base)
    facts = text_facts(found) | {
        "held_out_target_tokens": held_out.target_tokens,
        "sample_target_tokens": held_out.sample.target_tokens,
        "drift_tokens": len(drift.places),
    }
    return GeneralText(held_out, content_key(content, key), drift, facts)
