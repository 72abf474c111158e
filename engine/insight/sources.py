"""Models that can be asked: the base model, and what a run has left after each of its stages."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.durable_files import is_whole
from engine.common.errors import StoreError
from engine.driving.recorded_inputs import as_begun, refuse_other_model
from engine.experiments.experiment import Experiment, RunSpec
from engine.insight.requests import Source
from engine.models.adapters import is_adapter
from engine.models.loading import LoadedModel, load_base, locate, weights_hash
from engine.persistence.checkpoints import model_sums, stage_folder
from engine.persistence.content_keys import content_key
from engine.store import Store

if TYPE_CHECKING:
    import pandas as pd


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

    @property
    def words(self) -> str:
        """The source as sentences name it: by its strategy, with the settings only where the experiment has others of
        it."""
        if not self.source.stage:
            return "the base model"
        others = [spec.name for spec in self.experiment.runs_of_one_seed()]
        is_alone = others.count(self.run.strategy) == 1 and self.run.order is None
        name = self.run.strategy if is_alone else self.run.label
        return f"{name} after stage {self.source.stage}"

    def load(self) -> LoadedModel:
        """On the CPU. Raises StoreError where a file of the checkpoint is not what was saved, ModelError."""
        if self.checkpoint is not None and not is_whole(self.checkpoint):
            raise StoreError(_damaged(self.source.stage))
        return load_base(self.experiment.model, "cpu", self.checkpoint)


def find(store: Store, source: Source) -> Found:
    """The files of a source. Raises StoreError where its run or checkpoint is gone or its base model is another than
    the experiment began from, ModelError for a base model that can't be found."""
    experiment_id, run = store.run_spec(source.run_id)
    facts = store.model_facts(experiment_id)
    experiment = as_begun(store.experiment(experiment_id).in_order(run.order), facts)
    if not 0 <= source.stage <= len(experiment.tasks):
        raise StoreError(f"{run.label} has {len(experiment.tasks)} stages; there is none of number {source.stage}.")
    checkpoint = stage_folder(store.run_folder(source.run_id), source.stage) if source.stage else None
    own = {} if checkpoint is None else model_sums(checkpoint)
    if own is None:
        raise StoreError(_not_kept(source.stage) if _was_dropped(store, source) else _damaged(source.stage))
    base = ""
    if checkpoint is None or is_adapter(checkpoint):
        base = weights_hash(locate(experiment.model), experiment.model)
        refuse_other_model(experiment.model, facts, {"model_hash": base})
    return Found(source, experiment, run, checkpoint, content_key("model", own, base))


def last_stage(store: Store, run_id: str) -> int:
    """The last stage that a run has finished, whether its checkpoint is still there or not; 0 where there is none."""
    stages = store.stages(run_id)
    return max((int(row.stage) for row in stages.itertuples() if row.finished), default=0)


def _was_dropped(store: Store, source: Source) -> bool:
    """Whether the store has forgotten the checkpoint, which was there when the stage had finished."""
    stages = store.stages(source.run_id)
    own = stages[(stages["stage"] == source.stage) & stages["finished"].astype(bool)]
    return not own.empty and not isinstance(own["checkpoint"].item(), str)


def _not_kept(stage: int) -> str:
    return (
        f"The checkpoint of stage {stage} was not kept: fewer stay once a run has finished, as its experiment says or "
        "somebody chose later. Choose another stage, or train the run again."
    )


def _damaged(stage: int) -> str:
    return (
        f"The checkpoint of stage {stage} is not there, or is damaged: the stage has not finished, its files were "
        "deleted or changed, or the disk has failed. Choose another stage, or train the run again."
    )


def named(runs: "pd.DataFrame", wanted: str) -> "pd.DataFrame":
    """The runs of that id or label, else those of the strategy of that name where all of them have one label."""
    found = runs[(runs["run_id"] == wanted) | (runs["label"] == wanted)]
    of_strategy = runs[runs["strategy"] == wanted]
    return of_strategy if found.empty and of_strategy["label"].nunique() == 1 else found
