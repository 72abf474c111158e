"""Models that can be asked: the base model, and what a run has left after each of its stages."""

import json
from dataclasses import dataclass
from pathlib import Path

from engine.common.durable_files import SUMS
from engine.common.errors import StoreError
from engine.experiments.experiment import Experiment, RunSpec
from engine.insight.requests import Source
from engine.models.loading import LoadedModel, load_base, locate, weights_hash
from engine.persistence.checkpoints import RESUME_FILES, stage_folder
from engine.persistence.content_keys import content_key
from engine.store import Store


@dataclass(frozen=True)
class Found:
    """A source whose files are there."""

    source: Source
    experiment: Experiment
    run: RunSpec
    checkpoint: Path | None
    """None for the base model."""
    content: str
    """Names the weights by their content."""

    def load(self) -> LoadedModel:
        """On the CPU. Raises ModelError or StoreError."""
        return load_base(self.experiment.model, "cpu", self.checkpoint)


def find(store: Store, source: Source) -> Found:
    """The files of a source. Raises StoreError where its run or checkpoint is gone, ModelError for a base model."""
    experiment_id, run = store.run_spec(source.run_id)
    experiment = store.experiment(experiment_id)
    if not source.stage:
        content = weights_hash(locate(experiment.model), experiment.model)
        return Found(source, experiment, run, None, content)
    checkpoint = stage_folder(store.run_folder(source.run_id), source.stage)
    return Found(source, experiment, run, checkpoint, _content(checkpoint, source.stage, experiment))


def _content(checkpoint: Path, stage: int, experiment: Experiment) -> str:
    """By the sums with which the checkpoint was sealed, of what makes the model; and by its base, where it may be an
    adapter."""
    try:
        sums = json.loads((checkpoint / SUMS).read_text(encoding="utf-8"))
        own = {name: digest for name, digest in sums.items() if name not in RESUME_FILES}
    except (OSError, ValueError, AttributeError) as error:
        raise StoreError(
            f"The checkpoint of stage {stage} is missing or damaged: it was deleted, or its disk has failed. Choose "
            "another stage, or train the run again."
        ) from error
    return content_key("checkpoint", own, weights_hash(locate(experiment.model), experiment.model))
