"""A run of an experiment from its description: the one function behind the pages, the command line and notebooks."""

import dataclasses
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from engine import events, strategies
from engine.common.errors import ConfigError
from engine.common.random_streams import Streams
from engine.events.control import Control
from engine.events.run_events import ARITHMETIC, NUMBERS
from engine.execution.general_tokens import general_of_run
from engine.execution.ignored_settings import with_ignored_settings
from engine.execution.model_check import check_block_size, check_strategy, check_strategy_in_blocks
from engine.execution.task_tokens import TaskTokens, Texts, task_tokens
from engine.execution.text_beside_tokens import reference_of_run
from engine.experiments.experiment import Experiment, RunSpec
from engine.experiments.training import Training
from engine.forecast.trained_weights import StageWeights, weights_of
from engine.insight.measures.guard_checks import check_fits
from engine.models.loading import LoadedModel, load_base, locate, weights_hash
from engine.models.machine import (
    choose_device,
    choose_precision,
    choose_threads,
    computing_with,
    environment,
    model_facts,
)
from engine.persistence.content_keys import VERSION, content_key, stage_key
from engine.persistence.disk_space import check_room
from engine.persistence.resume_points import SECONDS_APART
from engine.persistence.shared_results import SharedResults
from engine.persistence.taken_stages import taken_stages
from engine.tasks.spec import TaskSpec
from engine.tokens.encoded_documents import EncodedDocuments
from engine.tokens.packing import pack_documents
from engine.training.loop import train
from engine.training.run_state import EncodedTask, RunSetup
from engine.training.scored_texts import held_out_questions
from engine.training.scoring import prepare, scored

_FLOAT_BYTES = 4
"""Weights and moments are written in float32."""


@dataclass(frozen=True)
class Attempt:
    """Where a run keeps its files, and how far it has come already."""

    folder: Path
    """Its checkpoints and resume points."""
    control: Control
    finished_stages: int
    shared: SharedResults | None
    """Results that runs have in common; None shares nothing."""
    disk: Path
    """A folder of the disk that is written to."""
    point_seconds: float
    runs_at_once: int = 1
    """The number of runs that may write to the disk at once."""
    bring: Callable[[Path], None] = lambda checkpoint: None
    """Called with the folder of a checkpoint before it is read."""


def execute_run(
    experiment: Experiment,
    run: RunSpec,
    folder: Path,
    control: Control,
    finished_stages: int = 0,
    shared_folder: Path | None = None,
    runs_at_once: int = 1,
) -> Iterator[events.Event]:
    """Load tasks and model, train, and yield what happens; checkpoints go under `folder`.

    What another run has trained already is taken over from `shared_folder`, to the same numbers; None shares nothing.
    With `finished_stages` it goes on from that stage's checkpoint, to the same numbers as without the break.
    Until it ends or is closed, the thread that it runs in computes with the experiment's number of threads. Before a
    stage it waits until the disk has room for what `runs_at_once` such runs write.
    Raises PalimpsestError with words for the user.
    """
    attempt = Attempt(
        folder=folder,
        control=control,
        finished_stages=finished_stages,
        shared=SharedResults(shared_folder) if shared_folder is not None else None,
        disk=shared_folder.parent if shared_folder is not None else folder,
        point_seconds=point_seconds(),
        runs_at_once=runs_at_once,
    )
    yield from execute_attempt(experiment, run, attempt)


def execute_attempt(experiment: Experiment, run: RunSpec, attempt: Attempt) -> Iterator[events.Event]:
    """Do the same as `execute_run`, wherever files and shared results lie."""
    threads = choose_threads(experiment.resources.cpus)
    with computing_with(threads):
        yield from _execute(experiment.in_order(run.order), run, attempt, threads)


def _execute(experiment: Experiment, run: RunSpec, attempt: Attempt, threads: int) -> Iterator[events.Event]:
    training = experiment.training
    device = choose_device(training.device)
    yield events.Phase("loading the model")
    base = load_base(experiment.model, device)
    _check(experiment, run, base)
    yield events.Phase("reading and encoding the tasks")
    shared = attempt.shared
    encoded = tuple(_encoded(spec, base, shared, training, run.seed) for spec in experiment.tasks)
    strategy = strategies.build(run.strategy, run.parameters)

    def load(checkpoint: Path | None) -> LoadedModel:
        if checkpoint is not None:
            attempt.bring(checkpoint)
        return load_base(experiment.model, device, checkpoint)

    precision = choose_precision(training.precision, device)
    machine = environment(device, precision, threads) | {"parameters": base.model.num_parameters(), NUMBERS: VERSION}
    machine |= model_facts(experiment.model)
    content = _content(experiment, machine)
    weights = weights_of(experiment.model, base.model.num_parameters(), strategy, len(encoded), run.seed)
    if strategy.redefines("prepare"):
        encoded = _with_operations(encoded, weights)
    setup = RunSetup(
        load_model=load,
        tasks=encoded,
        strategy=strategy,
        training=training,
        seed=run.seed,
        folder=attempt.folder,
        control=attempt.control,
        environment=machine,
        precision=precision,
        reference=reference_of_run(experiment, strategy, base, shared),
        general=general_of_run(experiment, base, shared, content, run.seed),
        guards=experiment.guards,
        overrides=strategies.overrides_of(run.strategy, run.parameters),
        finished_stages=attempt.finished_stages,
        taken=taken_stages(attempt.folder),
        shared=shared,
        content=content,
        point_seconds=attempt.point_seconds,
        check_room=_room_check(attempt.disk, weights, attempt.runs_at_once),
    )
    del base
    yield from train(setup)


def _check(experiment: Experiment, run: RunSpec, base: LoadedModel) -> None:
    """Raises ConfigError for what does not fit the model."""
    check_block_size(experiment, base.context)
    check_strategy(run.strategy, run.parameters, base.model)
    check_strategy_in_blocks(run.strategy, run.parameters, experiment.training.block_size)
    check_fits(base, base.context, experiment.guards)


def _with_operations(tasks: Sequence[EncodedTask], weights: Sequence[StageWeights]) -> tuple[EncodedTask, ...]:
    """The tasks with the share of the operations of plain training that a token of each one's stage costs, since the
    strategy chooses what trains."""
    return tuple(
        dataclasses.replace(task, facts=task.facts | {"operations_share": own.operations})
        for task, own in zip(tasks, weights, strict=True)
    )


def _room_check(folder: Path, weights: Sequence[StageWeights], runs: int) -> Callable[[], None]:
    """Look for room for a checkpoint and a resume point of each run: what is saved twice, and the optimiser's two
    moments."""
    return partial(check_room, folder, _FLOAT_BYTES * 2 * max(each.saved + each.trained for each in weights), runs)


def point_seconds() -> float:
    """The time between points inside a stage, from PALIMPSEST_CHECKPOINT_SECONDS. Raises ConfigError."""
    given = os.environ.get("PALIMPSEST_CHECKPOINT_SECONDS", str(SECONDS_APART))
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise ConfigError(f"PALIMPSEST_CHECKPOINT_SECONDS: {given!r} is not a number of seconds; set one, such as 120.")
    return seconds


def is_known(
    experiment: Experiment, texts: Sequence[Texts], shared: SharedResults
) -> Callable[[int, Hashable, Sequence[int]], bool]:
    """Tell, by the seed, the parts of a stage's key and the places of its tasks so far among the experiment's, in the
    order of training, whether the result of the stage would be taken over."""
    training, device = experiment.training, choose_device(experiment.training.device)
    threads = choose_threads(experiment.resources.cpus)
    machine = environment(device, choose_precision(training.precision, device), threads)
    content, trained = _content(experiment, machine), [train for _, train, _ in texts]

    def known(seed: int, parts: Hashable, places: Sequence[int]) -> bool:
        if not (isinstance(parts, tuple) and len(parts) > 1 and isinstance(parts[1], int)):
            return False  # the parts of something else than a stage
        return shared.has(stage_key(content, seed, parts, [trained[place] for place in places]))

    return known


_NOT_TRAINED_WITH = (
    "epochs", "learning_rate", "evaluations_per_stage", "evaluation_tokens", "held_out_tokens", "answer_questions",
    "precision", "device",
)  # fmt: skip
"""The settings that determine nothing about the weights, or do so by way of a stage's settings or a machine's facts."""


def _content(experiment: Experiment, machine: Mapping[str, Any]) -> str:
    """The part of every stage's key that depends neither on the tasks nor on strategy and seed."""
    arithmetic = [machine[name] for name in ARITHMETIC]
    settings = dataclasses.asdict(experiment.training)
    trained_with = {name: value for name, value in settings.items() if name not in _NOT_TRAINED_WITH}
    model = weights_hash(locate(experiment.model), experiment.model)
    return content_key(model, trained_with, arithmetic)


def _encoded(
    spec: TaskSpec, base: LoadedModel, shared: SharedResults | None, training: Training, seed: int
) -> EncodedTask:
    """A task read, encoded and packed."""
    found = with_ignored_settings(spec, task_tokens(spec, base, shared, training.block_size))
    return pack_task(base, spec, found, training, seed)


def pack_task(base: LoadedModel, spec: TaskSpec, task: TaskTokens, training: Training, seed: int) -> EncodedTask:
    """Pack a task for `base`, with the facts that a run records about it."""
    rows = pack_documents(task.train, training.block_size, base.packed)
    facts = {
        "name": task.name,
        "documents": len(task.train),
        "held_out_documents": len(task.held_out),
        "target_tokens": rows.target_tokens,
        "read_tokens": task.train.read_tokens,
        "held_out_target_tokens": task.held_out.target_tokens,
        "fingerprint": task.train_fingerprint,
        "held_out_fingerprint": task.held_out_fingerprint,
        "packing_fill": rows.fill,
        "kind": task.reading.kind,
        "columns": list(task.reading.columns),
        "unused_columns": list(task.reading.unused_columns),
        "remarks": list(task.reading.remarks),
        "scored_on_training": task.reading.scored_on_training,
        "separator": task.separator,
        "chat_template": task.chat_template,
    }
    sample = training.evaluation_tokens
    held_out = prepare(
        task.held_out, training.block_size, sample, base.packed, training.held_out_tokens, _held_out_draw(task, seed)
    )
    facts["scored_target_tokens"] = held_out.target_tokens
    questions = held_out_questions(base, scored_documents(task, training, seed), training.answer_questions)
    facts["questions"] = len(questions.asked) if questions is not None else 0
    is_drawn = held_out.target_tokens != task.held_out.target_tokens
    limits = [training.block_size, sample, training.held_out_tokens if is_drawn else None, seed if is_drawn else None]
    answered = [training.answer_questions, is_drawn and seed] if questions is not None else []
    held_out_key = content_key(task.name, task.held_out_fingerprint, limits, *answered)
    return EncodedTask(
        task.name, task.train, rows, held_out, facts, task.train_fingerprint, held_out_key, spec.overrides,
        questions,
    )  # fmt: skip


def scored_documents(task: TaskTokens, training: Training, seed: int) -> EncodedDocuments:
    """The held-out documents that a run with this seed is scored on, in their order."""
    return scored(task.held_out, training.held_out_tokens, _held_out_draw(task, seed))


def _held_out_draw(task: TaskTokens, seed: int) -> torch.Generator:
    return Streams(seed).generator(f"held-out choice of {task.name}")
