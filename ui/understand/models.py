"""The models of an experiment that can be asked, with the names that people know them by."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from engine.insight.requests import Source
from figures.theme import brief_labels
from ui.understand import words
from ui.widgets.words import seed as seed_in_words

FEW = 6
"""So many models answer unless others are chosen."""


@dataclass(frozen=True)
class Models:
    """The base model of an experiment, and what its runs have left after their stages."""

    tasks: dict[str, tuple[str, ...]]
    """Of every run, in the order in which it trains them."""
    names: dict[Source, str]
    """Of every model, the base model first, then run by run."""
    stages: dict[str, tuple[int, ...]]
    """The finished stages of each run that has any, by run id."""
    run_names: dict[str, str]
    usual: tuple[Source, ...]
    """The base model and the last stage of each strategy's first run, few enough to be read side by side."""

    @property
    def run_ids(self) -> list[str]:
        """Of all runs that have a model here, that of the base model first."""
        return list(dict.fromkeys(source.run_id for source in self.names))

    def stage_name(self, source: Source) -> str:
        """The name of a run's model, among those of the same run."""
        task = self.tasks[source.run_id][source.stage - 1]
        return words.after_stage(source.stage, task) if source.stage else words.BASE_MODEL


def models_of(runs: pd.DataFrame, stages: pd.DataFrame, tasks: Sequence[str]) -> Models:
    """The models of an experiment's `runs`, of which there is one at least, by the store's rows of runs and stages;
    `tasks` are those of runs without an order of their own."""
    names = _run_names(runs)
    found = {str(run_id): _finished(stages, str(run_id)) for run_id in runs["run_id"]}
    found = {run_id: own for run_id, own in found.items() if own}
    ordered = {str(run.run_id): run.task_order or tuple(tasks) for run in runs.itertuples()}
    models = Models(ordered, {}, found, {run_id: names[run_id] for run_id in found}, ())
    base = Source(str(runs["run_id"].iloc[0]), 0)
    models.names[base] = models.stage_name(base)
    for run_id, own in found.items():
        sources = [Source(run_id, stage) for stage in own]
        models.names.update({source: f"{names[run_id]} {models.stage_name(source)}" for source in sources})
    first = runs[runs["run_id"].isin(list(found))].drop_duplicates("label")["run_id"].map(str)
    last = [Source(run_id, found[run_id][-1]) for run_id in first]
    return Models(models.tasks, models.names, found, models.run_names, (base, *last)[:FEW])


def _run_names(runs: pd.DataFrame) -> dict[str, str]:
    """Seeds only where they tell runs apart."""
    brief = brief_labels(runs["label"])
    several = runs["seed"].nunique() > 1
    return {
        str(run.run_id): brief[str(run.label)] + (f" · {seed_in_words(run.seed)}" if several else "")
        for run in runs.itertuples()
    }  # fmt: skip


def _finished(stages: pd.DataFrame, run_id: str) -> tuple[int, ...]:
    own = stages[(stages["run_id"] == run_id) & stages["finished"].astype(bool)]
    return tuple(int(row.stage) for row in own.itertuples() if _is_there(row.checkpoint))


def _is_there(checkpoint: Any) -> bool:
    return isinstance(checkpoint, str) and Path(checkpoint).is_dir()


def written(source: Source) -> str:
    """A model as it stands in an address."""
    return f"{source.run_id}:{source.stage}"


def read(text: str) -> Source | None:
    """The model that stands in an address; None where there is none."""
    run_id, _, stage = text.rpartition(":")
    return Source(run_id, int(stage)) if run_id and stage.isascii() and stage.isdigit() else None
