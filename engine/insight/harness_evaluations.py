"""Models of runs evaluated by lm-evaluation-harness: the command for a run's stage, and what came back from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from engine.common.errors import StoreError
from engine.harness import kept_results
from engine.harness.kept_results import Kept
from engine.harness.results_file import HarnessValue, results_of
from engine.insight.requests import Source
from engine.persistence.checkpoints import stage_folder
from engine.store import Store

COLUMNS = ("run_id", "stage", *HarnessValue.model_fields)


def command_of(store: Store, source: Source, tasks: str) -> str:
    """The command line that evaluates a source. Raises StoreError where its checkpoint is not there, ConfigError for
    tasks that are none, ModelError where a base model is not on this machine."""
    from engine.driving.recorded_inputs import as_begun
    from engine.harness.command import command  # loads torch, which a page needn't wait for

    experiment_id, run = store.run_spec(source.run_id)
    experiment = as_begun(store.experiment(experiment_id), store.model_facts(experiment_id))
    checkpoint = stage_folder(store.run_folder(source.run_id), source.stage).resolve() if source.stage else None
    if checkpoint is not None and not checkpoint.is_dir():
        raise StoreError(f"{run.label} has no checkpoint of stage {source.stage} here; choose another stage.")
    output = Path(f"lm-eval-{source.run_id}-stage-{source.stage}")
    return command(experiment.model, checkpoint, output, tasks)


def keep_file(store: Store, source: Source, name: str, data: bytes) -> Kept:
    """Read a results file and keep it with the source's run and stage. Raises ConfigError that names what is wrong,
    StoreError where there is no such run or stage."""
    experiment_id, run = store.run_spec(source.run_id)
    stages = len(store.experiment(experiment_id).tasks)
    if not 0 <= source.stage <= stages:
        raise StoreError(f"{run.label} has {stages} stages; there is none of number {source.stage}.")
    return kept_results.keep(store.run_folder(source.run_id), source.stage, name, results_of(name, data))


def kept_files(store: Store, run_ids: Sequence[str]) -> list[tuple[Source, Kept]]:
    """Every results file that is kept with these runs, with the model it is of. Raises StoreError."""
    return [
        (Source(run_id, each.results.stage), each)
        for run_id in run_ids
        for each in kept_results.kept(store.run_folder(run_id))
    ]


def delete_file(store: Store, run_id: str, kept_id: str) -> None:
    """Delete a kept results file. Raises StoreError."""
    kept_results.delete(store.run_folder(run_id), kept_id)


def evaluations(store: Store, run_ids: Sequence[str]) -> pd.DataFrame:
    """A row for every kept value: `COLUMNS`. Where several files of a model have one, the latest counts. Raises
    StoreError."""
    rows: list[dict[str, Any]] = [
        {"run_id": run_id, **row} for run_id in run_ids for row in kept_results.plain(store.run_folder(run_id))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def doubt(source: Source, kept: Kept) -> str:
    """What to make sure of where the file names another model than the source; "" where it names this one, or none."""
    model = kept.results.model.replace("\\", "/").rstrip("/")
    if not model or not source.stage or model.endswith(f"{source.run_id}/stage-{source.stage}"):
        return ""
    named = "/".join(model.split("/")[-2:])  # enough to know it by, and no whole path of another's machine
    return f"The file names the model {named}: make sure that it is this stage's checkpoint."
