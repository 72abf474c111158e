"""What a report shows of a task's passages and answers, as it was computed and kept. Pages import this before torch has
loaded."""

import json
from typing import Any

from engine.insight.kept_results import JSON_FILE, kept_name, kept_results
from engine.insight.requests import ReportTask, Source
from engine.persistence.checkpoints import model_sums, stage_folder
from engine.persistence.content_keys import content_key
from engine.store import Store

_VERSION = 1
"""Changed with every change of the form of what is kept."""


def report_key(store: Store, wanted: ReportTask) -> str | None:
    """The name of what a report shows of a task, by the weights and texts that determine it as the runs recorded them;
    None where a checkpoint is gone. Raises StoreError where a run is gone."""
    contents = []
    for span in wanted.spans:
        sums = [_sums(store, source) for source in (span.before, span.after)]
        if None in sums:
            return None
        experiment_id, run = store.run_spec(span.after.run_id)
        experiment = store.experiment(experiment_id).in_order(run.order)
        training = experiment.training
        own = [
            [spec.model_dump(mode="json"), fact.get("held_out_fingerprint")]
            for spec, fact in zip(experiment.tasks, store.run_task_facts(span.after.run_id), strict=False)
            if spec.name == wanted.task
        ]
        texts = [own, training.block_size, training.held_out_tokens, run.seed]
        contents.append([sums, experiment.model, store.model_facts(experiment_id), texts])
    return content_key("report", _VERSION, wanted.task, wanted.has_answers, contents)


def kept_report(store: Store, wanted: ReportTask) -> dict[str, Any] | None:
    """What was computed of a task, as `Performer` gives it; None where nothing is kept. Raises StoreError where a run
    is gone."""
    key = report_key(store, wanted)
    folder = None if key is None else kept_results(store.folder).known_files(kept_name(key))
    try:
        return None if folder is None else json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # cleared meanwhile
        return None


def _sums(store: Store, source: Source) -> dict[str, str] | None:
    """The sums of a source's weights; none for the base model, which every run has recorded."""
    return model_sums(stage_folder(store.run_folder(source.run_id), source.stage)) if source.stage else {}
