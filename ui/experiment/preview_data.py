"""The data of an experiment's preview, cached by task, model and settings. It loads the model and what trains it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from engine.events.scores import Score
from engine.experiments.experiment import Experiment
from engine.forecast.estimate import Estimate, Speed, TaskSize, estimate, measure_speed
from engine.forecast.task_overlap import SharedDocument, base_score, shared_documents, token_counts, vocabulary_overlap
from engine.models.loading import LoadedModel, load_base
from engine.persistence.shared_results import SharedResults
from engine.running.execute import is_known
from engine.running.reference_tokens import reference_tokens
from engine.running.task_tokens import TaskTokens, Texts, task_tokens
from engine.tasks import Task, load_task
from engine.tasks.reference_spec import ReferenceSpec
from engine.tasks.spec import TaskSpec
from ui.server.session import store

Identity = tuple[str, tuple[float, ...]]
"""A task's description and its files' times: what the caches below go by."""
_SAMPLED = 64
"""Of how many documents of a task, about, the estimate is given the sizes one by one."""


@dataclass(frozen=True)
class LookAhead:
    """Facts about the tasks that can be known before training."""

    scores: list[Score]
    """The scores of the base model, by task."""
    overlap: pd.DataFrame
    duplicates: tuple[SharedDocument, ...]


def cost(
    experiment: Experiment, tasks: Sequence[Identity], reference: Identity | None, shared: SharedResults
) -> tuple[Estimate, Speed]:
    """Time, memory and disk of every run, and the speed that was measured. Raises PalimpsestError."""
    block_size = experiment.training.block_size
    sizes = [_size(*task, experiment.model, block_size) for task in tasks]
    speed = measure_speed(experiment.model, experiment.training)
    texts = [_texts(*task, experiment.model, block_size) for task in tasks]
    compared_on = _fingerprint(*reference, experiment.model, block_size) if reference is not None else ""
    return estimate(experiment, sizes, speed, is_known(experiment, texts, shared), compared_on), speed


def look_ahead(experiment: Experiment, tasks: Sequence[Identity]) -> LookAhead:
    """Score the base model on each task and compare the tasks. Raises PalimpsestError."""
    scores = [_base_score(*task, experiment.model, experiment.training.block_size) for task in tasks]
    counts = [_counts(*task, experiment.model, experiment.training.block_size) for task in tasks]
    overlap = vocabulary_overlap(counts, [task.label for task in experiment.tasks])
    return LookAhead(scores, overlap, shared_documents([_task(*task) for task in tasks]))


@st.cache_resource(show_spinner=False, max_entries=16)
def _task(spec: str, changed_at: tuple[float, ...]) -> Task:  # a part of the cache's key
    return load_task(TaskSpec.model_validate_json(spec))


@st.cache_resource(show_spinner=False, max_entries=1, ttl=600)
def _base(model: str) -> LoadedModel:
    return load_base(model)


def _tokens(spec: str, changed_at: tuple[float, ...], model: str, block_size: int) -> TaskTokens:
    """Return the tokens of a task, from the same files that a run takes them from."""
    shared = SharedResults(store().shared_folder)
    return task_tokens(TaskSpec.model_validate_json(spec), _base(model), shared, block_size)


@st.cache_data(show_spinner=False, max_entries=256)
def _size(spec: str, changed_at: tuple[float, ...], model: str, block_size: int) -> TaskSize:
    task = _tokens(spec, changed_at, model, block_size)
    train, held_out = task.train, task.held_out
    some = slice(None, None, max(1, len(train) // _SAMPLED))
    sample = tuple(zip(train.targets[some].tolist(), (train.lengths[some] - 1).tolist(), strict=True))
    return TaskSize(
        task.name, len(train), train.target_tokens, held_out.target_tokens, len(held_out),
        train.read_tokens / max(1, train.target_tokens), held_out.read_tokens / max(1, held_out.target_tokens), sample,
    )  # fmt: skip


@st.cache_data(show_spinner=False, max_entries=256)
def _texts(spec: str, changed_at: tuple[float, ...], model: str, block_size: int) -> Texts:
    return _tokens(spec, changed_at, model, block_size).texts


@st.cache_data(show_spinner=False, max_entries=16)
def _fingerprint(spec: str, changed_at: tuple[float, ...], model: str, block_size: int) -> str:
    """Return what tells a reference text from others."""
    shared = SharedResults(store().shared_folder)
    found = reference_tokens(ReferenceSpec.model_validate_json(spec), _base(model), shared, block_size)
    return found.train_fingerprint


@st.cache_data(show_spinner=False, max_entries=256)
def _base_score(spec: str, changed_at: tuple[float, ...], model: str, block_size: int) -> Score:
    return base_score(_base(model), _tokens(spec, changed_at, model, block_size).held_out, block_size)


@st.cache_data(show_spinner=False, max_entries=256)
def _counts(spec: str, changed_at: tuple[float, ...], model: str, block_size: int) -> Counter[int]:
    return token_counts(_tokens(spec, changed_at, model, block_size).train)
