"""What a model card is made of, read from the store and the checkpoint's folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cards.base_model import BaseModel, base_model
from engine.common.errors import StoreError
from engine.experiments.experiment import Experiment, RunSpec
from engine.results.comparison import Rows, matrices
from engine.results.guard_histories import GuardHistory, guard_histories
from engine.store import Store

SCORE = "bits_per_byte"
"""The score that compares across tasks, languages and tokenizers."""
_ADAPTER, _TOKENIZER, _TEMPLATE = "adapter_config.json", "tokenizer_config.json", "chat_template"


@dataclass(frozen=True)
class CardFacts:
    """One run's checkpoint of one stage, and all that is recorded about it."""

    experiment: Experiment
    run: RunSpec
    stage: int
    finished: bool
    """Whether the stage is over; if not, the run was stopped inside it, and the checkpoint itself is not scored."""
    rows: Rows
    """The score matrix in bits per byte: the base model, then every stage that the run has finished."""
    tasks: Sequence[Mapping[str, Any]]
    """What was read of every task, in the order of training."""
    environment: Mapping[str, Any]
    guards: Sequence[GuardHistory]
    """From the base model to this stage; none where the stage is not over, so that they were not checked."""
    general: Mapping[int, Mapping[str, Any]]
    """By stage the row of `Store.general` at its end, where a general text was scored."""
    base: BaseModel
    is_adapter: bool
    has_chat_template: bool

    @property
    def stages(self) -> int:
        """How many stages the whole run has."""
        return len(self.experiment.tasks)


def card_facts(store: Store, run_id: str, stage: int) -> CardFacts:
    """Raises StoreError where the run, or its checkpoint of this stage, is not there."""
    experiment_id, run = store.run_spec(run_id)
    experiment = store.experiment(experiment_id).in_order(run.order)
    stages = store.stages(run_id)
    own = stages[stages["stage"] == stage]
    path = None if own.empty else own["checkpoint"].item()
    if path is None or not Path(path).is_dir():
        raise StoreError(
            f"{run.label} has no checkpoint of stage {stage}; choose another stage, or train the run again."
        )
    environment, folder = store.environment(run_id), Path(path)
    finished = bool(own["finished"].item())
    outcomes, general = store.guard_outcomes(run_id), store.general(run_id)
    return CardFacts(
        experiment=experiment,
        run=run,
        stage=stage,
        finished=finished,
        rows=matrices(store.matrix(run_id), SCORE).get(run_id, []),
        tasks=store.run_task_facts(run_id),
        environment=environment,
        guards=guard_histories(outcomes[outcomes["stage"] <= stage], experiment.guards) if finished else [],
        general={row["stage"]: row for row in general[general["is_whole"].astype(bool)].to_dict("records")},
        base=base_model(experiment.model, environment),
        is_adapter=(folder / _ADAPTER).is_file(),
        has_chat_template=_has_chat_template(folder),
    )


def _has_chat_template(folder: Path) -> bool:
    if (folder / f"{_TEMPLATE}.jinja").is_file():
        return True
    try:
        return bool(json.loads((folder / _TOKENIZER).read_text(encoding="utf-8")).get(_TEMPLATE))
    except (OSError, ValueError, AttributeError):
        return False
