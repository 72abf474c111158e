"""The files that a user takes away: results as JSON, scores as CSV, a checkpoint as a zip."""

import dataclasses
import json
import math
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pandas as pd

from engine.common.durable_files import writing
from engine.common.errors import StoreError
from engine.common.quoting import safe_name
from engine.events.scores import ANSWER_SCORES, LOWER_IS_BETTER, SCORE_NAMES
from engine.experiments.experiment import Experiment, to_data
from engine.experiments.origin import Origin
from engine.experiments.settings_of_stage import settings_of_run
from engine.harness.kept_results import plain as harness_values
from engine.persistence.checkpoints import RESUME_FILES
from engine.results.beside import beside_data, unscored
from engine.results.clipping import clipping_data
from engine.results.comparison import (
    REFERENCE,
    Measured,
    joint_beside,
    matrices,
    stability_gaps,
    task_orders,
)
from engine.results.fairness import conditions_of_runs
from engine.results.kept_most import comparison_data
from engine.results.operations import operations_of
from engine.results.summaries import intransigence, summarize
from engine.store import Store

SCHEMA = "palimpsest/results/3"
"""3: `exact_match` and `token_f1` among the scores and summaries, `unscored`, `general`, a run's `general`, `guards`,
`harness`, `interruptions`, `environment`, `continued_from` and `order` are new. 2: `checkpoints` are relative to the
file's folder; before, they were whole paths of the machine. `curve`, `comparison`, `reference`, a run's `clipping` and
its `remarks` are new."""
SUMMARIZED = ("nats_per_token", "bits_per_byte", "accuracy")
"""Perplexity is left out: it is exp of a mean, and means of it over tasks say nothing."""

_TASK_FIELDS = (
    "name", "documents", "held_out_documents", "target_tokens", "held_out_target_tokens", "kind", "columns",
    "unused_columns", "remarks", "scored_on_training", "separator", "chat_template",
)  # fmt: skip
_OF_HELD_OUT = ("held_out_documents", "held_out_target_tokens", "scored_on_training")
_CURVE = (
    "stage", "step", "task", *(f"{name}{end}" for name in SCORE_NAMES for end in ("", "_low", "_high")),
    "worse_by", "worse_by_half", "is_worse",
)  # fmt: skip
_CARD, _ADAPTER, _OF_MODELS = "README.md", "adapter_config.json", (".json", ".safetensors", ".txt", ".model", ".jinja")

Matrix = Sequence[Sequence[float | None]]


def results(store: Store, experiment_id: str, beside: Path | None = None) -> dict[str, Any]:
    """Everything about an experiment as plain data without NaN: the content of `results.json`.

    `checkpoints` are relative to the folder `beside`, where the file is to lie: the store's unless another is named.
    `scores` has a row per stage (0 is the base model) and a column per task in the order of training: that of a run's
    `order` where the experiment varies it, else that of `tasks`; `training` likewise. `summary` is in terms of a score
    where higher is better, s = −nats_per_token, −bits_per_byte or accuracy. `curve` holds the looks inside stages and
    at their ends as the columns of a table, with both ends of each score's 95% interval (`Store.curve` says which).
    `exact_match` and `token_f1` are None for the tasks that `unscored` names, with the reason. `general` holds the
    general text's scores by stage with KL(base ‖ now), `guards` what became of each guard (`results.beside`).
    `clipping` says which share of the steps was clipped, and what share of their gradients that left. `comparison`
    holds by score the paired tests of the configuration that kept most, of runs of the same seed: `by_seed` the
    differences, and where the order varies `by_order_and_seed`, of runs of the same order too. `harness` has a row for
    each value that lm-evaluation-harness gave of a run's stage. `interruptions` are sentences on what cut a run short
    elsewhere before it went on by itself. `continued_from` names the run whose first stages a run has taken: where
    `unlike` lists facts, these stages were trained with another arithmetic. `environment` is that of the first run that
    began; a run's own is None where it is the same, and before the run began. Raises StoreError for an unknown id.
    """
    experiment = store.experiment(experiment_id)
    runs = store.runs(experiment_id)
    run_ids = runs["run_id"].tolist()
    stages, matrix = store.stages(run_ids), store.matrix(run_ids)
    curve, beside_tasks = store.curve(run_ids), beside_data(store, run_ids, experiment)
    scores = {name: matrices(matrix, name) for name in (*SCORE_NAMES, *ANSWER_SCORES)}
    joint_runs = [run for run in runs.itertuples() if run.strategy == REFERENCE and run.status == "finished"]
    gaps, curves = {name: stability_gaps(curve, task_orders(matrix), name) for name in SUMMARIZED}, _curves(curve)
    facts, environments, origins = store.task_facts_by_run(run_ids), store.environments(run_ids), store.origins(run_ids)
    first: dict[str, Any] = next(filter(None, map(environments.get, run_ids)), {})
    of_run = conditions_of_runs(runs, {experiment_id: experiment}, facts, environments)
    described, limit = [], experiment.training.gradient_clip
    clipped = store.clipped_steps(run_ids, limit or math.inf)
    for run in runs.itertuples():
        order = {} if run.task_order is None else {"order": run.task_order}
        joint, ordered = joint_beside(run, joint_runs), experiment.in_order(run.task_order)
        matrix_of = {name: _whole(found.get(run.run_id, []), len(experiment.tasks)) for name, found in scores.items()}
        against = {name: found.get(joint.run_id, []) if joint else [] for name, found in scores.items()}
        described.append(
            {
                "run_id": run.run_id, "label": run.label, "strategy": run.strategy, "parameters": run.parameters,
                "training": _training_of(ordered, run), "seed": int(run.seed), **order, "status": run.status,
                "reason": run.reason, "scores": matrix_of, "interruptions": run.interruptions or [],
                **_of_machines(environments[run.run_id], first, origins.get(run.run_id)),
                "summary": _summaries(matrix_of, against, {name: gap.get(run.run_id) for name, gap in gaps.items()}),
                "curve": curves.get(run.run_id) or {name: [] for name in _CURVE},
                "seconds": run.seconds, "tokens": int(run.target_tokens),
                "operations": operations_of(run, ordered, environments[run.run_id], stages, facts[run.run_id]),
                "clipping": clipping_data(clipped[clipped["run_id"] == run.run_id], limit),
                **beside_tasks[run.run_id],
                "harness": harness_values(store.run_folder(run.run_id)),
                **_of_stages(stages[stages["run_id"] == run.run_id], beside or store.folder),
            }
        )  # fmt: skip
    whole = {
        "schema": SCHEMA, "experiment": to_data(experiment), "environment": first,
        **_of_texts(store, experiment_id, experiment), "unscored": unscored(matrix), "runs": described,
        "comparison": comparison_data(runs, matrix, of_run, SUMMARIZED),
    }  # fmt: skip
    return dict(_plain(whole))


def _of_texts(store: Store, experiment_id: str, experiment: Experiment) -> dict[str, Any]:
    """What was read of the tasks and of the texts beside them."""
    return {
        "tasks": task_data(_named(store.task_facts(experiment_id).to_dict("records"), experiment)),
        "reference": reference_data(store.reference_facts(experiment_id)) or None,
        "general": reference_data(store.general_facts(experiment_id)) or None,
    }


def _of_machines(own: dict[str, Any], first: dict[str, Any], origin: Origin | None) -> dict[str, Any]:
    """A run's environment where it is not that of the first, None before the run began; and the run whose first stages
    it has taken, with the facts by which the arithmetic of its own is another."""
    found: dict[str, Any] = {"environment": own if own and own != first else None, "continued_from": None}
    if origin is None or not origin.stages:
        return found
    taken = {
        "experiment_id": origin.experiment_id, "experiment": origin.name, "run_id": origin.run_id,
        "stages": origin.stages, "unlike": origin.unlike(own),
    }  # fmt: skip
    return found | {"continued_from": taken}


def _of_stages(stages: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """The strategy's remarks on one run's stages, and the paths of its checkpoints from `folder`."""
    remarks = zip(stages["stage"], stages["remarks"], strict=True)
    return {
        "remarks": [{"stage": int(stage), "text": text} for stage, found in remarks for text in found],
        "checkpoints": [_relative(path, folder) for path in stages["checkpoint"] if isinstance(path, str)],
    }


def _curves(curve: pd.DataFrame) -> dict[str, dict[str, list[Any]]]:
    """Every run's curves, by column."""
    parts = curve.groupby("run_id", sort=False)
    return {str(run_id): {name: part[name].tolist() for name in _CURVE} for run_id, part in parts}


def _training_of(experiment: Experiment, run: Any) -> list[dict[str, Any]]:
    """The epochs and the learning rate of every task in a run, its strategy's and the tasks' own values included."""
    settings = settings_of_run(experiment, run.strategy, run.parameters)
    return [
        {"task": task.name, "epochs": epochs, "learning_rate": rate}
        for task, epochs, rate in zip(experiment.tasks, settings.epochs, settings.learning_rates, strict=True)
    ]


def _named(facts: Sequence[Mapping[str, Any]], experiment: Experiment) -> list[dict[str, Any]]:
    """The facts under the names that the experiment gives the tasks: scores may mark them."""
    return [dict(fact) | {"name": task.name} for fact, task in zip(facts, experiment.tasks, strict=False)]


def task_data(tasks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The facts that were read of each task, as `results.json` and `check --json` hold them."""
    found = []
    for task in tasks:
        data = {name: task.get(name) for name in _TASK_FIELDS}
        data |= {"questions": task["questions"]} if "questions" in task else {}  # a run alone has chosen them
        found.append(data | {name: list(data[name] or ()) for name in ("columns", "unused_columns", "remarks")})
    return found


def reference_data(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that were read of a text beside the tasks, as `results.json` and `check --json` hold them; empty where
    there are none."""
    if not facts:
        return {}
    (data,) = task_data([facts])
    return {name: data[name] for name in data if name not in _OF_HELD_OUT} | {"fingerprint": facts["fingerprint"]}


def write_results(store: Store, experiment_id: str, path: Path) -> dict[str, Any]:
    """Write `results` to a JSON file, whole or not at all, and return them. Raises StoreError."""
    found = results(store, experiment_id, path.parent)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        fresh.write_text(to_json(found), encoding="utf-8")
        fresh.replace(path)
    return found


def to_json(found: dict[str, Any]) -> str:
    """The text of `results.json`."""
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def scores_csv(store: Store, experiment_id: str) -> str:
    """The score matrices of all runs, long: one line per run, stage and task, with every score."""
    runs = store.runs(experiment_id)
    matrix = store.matrix(runs["run_id"].tolist())
    about = runs[["run_id", "experiment", "label", "strategy", "seed", "status"]]
    lines = about.merge(matrix.drop(columns="step"), on="run_id", validate="one_to_many")
    return str(lines.to_csv(index=False, lineterminator="\n"))


def checkpoint_zip(checkpoint: Path, file: IO[bytes], folder: str = "", card: str = "") -> None:
    """Write a checkpoint as a zip of one folder that `AutoModelForCausalLM.from_pretrained` loads once unpacked.

    An adapter goes with its base model, unless that is one of the hub: elsewhere there is no folder of this machine's.
    The folder is called `folder`, as far as every file system can, or as the checkpoint's own; `card` becomes its
    README.md. Raises StoreError when the checkpoint is no longer there.
    """
    parts = checkpoint_files(checkpoint)
    if not parts:
        raise StoreError(f"{checkpoint}: this checkpoint is no longer there; run the experiment again to get it back.")
    top = Path(safe_name(folder or checkpoint.name))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # weights don't compress
        for place, path in parts.items():
            if card and place == Path(_CARD):  # of an earlier time
                continue
            if place.name == _ADAPTER and _base_of(checkpoint) is not None:
                config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": "."}
                archive.writestr(str(top / place), json.dumps(config, indent=2, sort_keys=True))
            else:
                archive.write(path, top / place)
        if card:
            archive.writestr(str(top / _CARD), card)


def checkpoint_files(checkpoint: Path) -> dict[Path, Path]:
    """The files that are taken home of a checkpoint, by their places in its folder. The state for resuming stays
    behind: it may hold texts of the memory. Raises StoreError where the base of an adapter is gone."""
    own = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name not in RESUME_FILES)
    base = _base_of(checkpoint)
    of_base = [] if base is None else sorted(path for path in base.glob("*") if path.suffix in _OF_MODELS)
    if base is not None and not of_base:
        raise StoreError(f"{checkpoint}: its base model is no longer in {base}; put it there again.")
    return {Path(path.name): path for path in of_base} | {path.relative_to(checkpoint): path for path in own}


def _base_of(checkpoint: Path) -> Path | None:
    """The folder of this machine that a checkpoint names as its base; None for a whole model, and for an adapter of a
    model of the hub."""
    if not (checkpoint / _ADAPTER).is_file():
        return None
    named = Path(json.loads((checkpoint / _ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"] or "")
    return named if named.is_absolute() else None


def _relative(path: str, folder: Path) -> str:
    """A path as seen from a folder, with slashes whatever the system; the machine's own way there stays unsaid."""
    return Path(os.path.relpath(path, folder)).as_posix()


def _summaries(
    matrix_of: Mapping[str, Matrix], joint: Mapping[str, Matrix], gaps: Mapping[str, Measured | None]
) -> dict[str, dict[str, Any]]:
    """The summary of every score that has one."""
    names = (*SUMMARIZED, *ANSWER_SCORES)
    return {name: _summary(matrix_of[name], joint[name], name, gaps.get(name)) for name in names}


def _summary(rows: Matrix, joint: Matrix, score: str, gap: Measured | None) -> dict[str, Any]:
    """The summary that `summarize` gives of a matrix, with intransigence against the joint run's, and the stability gap
    of a run that is complete."""
    lower_is_better = score in LOWER_IS_BETTER
    summary = dataclasses.asdict(summarize(rows, lower_is_better))
    summary["intransigence"] = intransigence(joint, rows, lower_is_better) if joint else None
    if summary["intransigence"] is None:
        summary["reasons"]["intransigence"] = "it is measured against a finished joint run of the same seed"
    reasons = summary.pop("reasons")
    is_complete = gap is not None and summary["average"] is not None
    return summary | {"reasons": reasons, "stability_gap": gap.value if gap is not None and is_complete else None}


def _whole(rows: Matrix, tasks: int) -> list[list[float | None]]:
    """T+1 rows: those of stages that were not reached hold None."""
    missing: list[list[float | None]] = [[None] * tasks for _ in range(tasks + 1 - len(rows))]
    return [list(row) for row in rows] + missing


def _plain(value: Any) -> Any:
    """JSON's own types: tuples become lists, what is not a finite number becomes None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if value is pd.NaT else value
