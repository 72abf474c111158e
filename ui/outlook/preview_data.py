"""The data of an experiment's outlook, cached by task, model and settings. It loads the model and what trains it.

Nothing here needs a visitor: it is worked out in threads of the server's own. `_shared` is no part of what a cache goes
by, because a server has one data folder."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from engine.events.scores import Score
from engine.execution.execute import is_known
from engine.execution.task_sizes import task_size
from engine.execution.task_tokens import TaskTokens, Texts, task_tokens
from engine.execution.text_beside_tokens import tokens_beside
from engine.experiments.experiment import Experiment
from engine.forecast.estimate import Estimate, estimate
from engine.forecast.machine_speed import Speed, measure_speed
from engine.forecast.sizes import TaskSize
from engine.forecast.task_overlap import SharedDocument, base_score, shared_documents, token_counts, vocabulary_overlap
from engine.models.loading import LoadedModel, load_base
from engine.persistence.shared_results import SharedResults
from engine.tasks import Task, load_task
from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import GeneralSpec, ReferenceSpec, TextBeside

Identity = tuple[str, tuple[float, ...]]
"""A task's description and its files' times: what the caches below go by."""


@dataclass(frozen=True)
class LookAhead:
    """Facts about the tasks that can be known before training."""

    scores: list[Score]
    """The scores of the base model, by task."""
    overlap: pd.DataFrame
    duplicates: tuple[SharedDocument, ...]


@dataclass(frozen=True)
class Sizes:
    """An experiment's texts under its model's tokenizer."""

    tasks: list[TaskSize]
    general: TaskSize | None
    speed: Speed


def sizes_of(
    experiment: Experiment, tasks: Sequence[Identity], beside: Mapping[str, Identity], shared: SharedResults
) -> Sizes:
    """The sizes of an experiment's texts, and the speed that was measured. `beside` has the texts beside the tasks by
    their fields. Raises PalimpsestError."""
    block_size, questions = experiment.training.block_size, experiment.training.answer_questions
    sizes = [_size(*task, experiment.model, block_size, questions, shared) for task in tasks]
    general = _size_beside(*beside["general"], experiment.model, block_size, shared) if "general" in beside else None
    return Sizes(sizes, general, measure_speed(experiment.model, experiment.training, experiment.resources.cpus))


def cost(
    experiment: Experiment,
    sizes: Sizes,
    tasks: Sequence[Identity],
    beside: Mapping[str, Identity],
    shared: SharedResults,
) -> Estimate:
    """Time, memory and disk of every run; what is kept of earlier runs costs nothing. Raises PalimpsestError."""
    block_size = experiment.training.block_size
    texts = [_texts(*task, experiment.model, block_size, shared) for task in tasks]
    compared_on = (
        _fingerprint(*beside["reference"], experiment.model, block_size, shared) if "reference" in beside else ""
    )
    known = is_known(experiment, texts, shared)
    return estimate(experiment, sizes.tasks, sizes.speed, known, compared_on, sizes.general)


def look_ahead(experiment: Experiment, tasks: Sequence[Identity], shared: SharedResults) -> LookAhead:
    """Score the base model on each task and compare the tasks. Raises PalimpsestError."""
    block_size = experiment.training.block_size
    scores = [_base_score(*task, experiment.model, block_size, shared) for task in tasks]
    counts = [_counts(*task, experiment.model, block_size, shared) for task in tasks]
    overlap = vocabulary_overlap(counts, [task.label for task in experiment.tasks])
    return LookAhead(scores, overlap, shared_documents([_task(*task) for task in tasks]))


@st.cache_resource(show_spinner=False, max_entries=16)
def _task(spec: str, changed_at: tuple[float, ...]) -> Task:  # a part of the cache's key
    return load_task(TaskSpec.model_validate_json(spec))


@st.cache_resource(show_spinner=False, max_entries=1, ttl=600)
def _base(model: str) -> LoadedModel:
    return load_base(model)


def _tokens(
    spec: str, changed_at: tuple[float, ...], model: str, block_size: int, _shared: SharedResults
) -> TaskTokens:
    """Return the tokens of a task, from the same files that a run takes them from."""
    return task_tokens(TaskSpec.model_validate_json(spec), _base(model), _shared, block_size)


@st.cache_data(show_spinner=False, max_entries=256)
def _size(
    spec: str, changed_at: tuple[float, ...], model: str, block_size: int, questions: int, _shared: SharedResults
) -> TaskSize:
    return task_size(_tokens(spec, changed_at, model, block_size, _shared), _base(model), questions)


@st.cache_data(show_spinner=False, max_entries=16)
def _size_beside(
    spec: str, changed_at: tuple[float, ...], model: str, block_size: int, _shared: SharedResults
) -> TaskSize:
    return task_size(_tokens_beside(GeneralSpec.model_validate_json(spec), model, block_size, _shared), _base(model), 0)


@st.cache_data(show_spinner=False, max_entries=256)
def _texts(spec: str, changed_at: tuple[float, ...], model: str, block_size: int, _shared: SharedResults) -> Texts:
    return _tokens(spec, changed_at, model, block_size, _shared).texts


@st.cache_data(show_spinner=False, max_entries=16)
def _fingerprint(spec: str, changed_at: tuple[float, ...], model: str, block_size: int, _shared: SharedResults) -> str:
    """Return what tells a reference text from others."""
    return _tokens_beside(ReferenceSpec.model_validate_json(spec), model, block_size, _shared).train_fingerprint


def _tokens_beside(spec: TextBeside, model: str, block_size: int, _shared: SharedResults) -> TaskTokens:
    return tokens_beside(spec, _base(model), _shared, block_size)


@st.cache_data(show_spinner=False, max_entries=256)
def _base_score(spec: str, changed_at: tuple[float, ...], model: str, block_size: int, _shared: SharedResults) -> Score:
    return base_score(_base(model), _tokens(spec, changed_at, model, block_size, _shared).held_out, block_size)


@st.cache_data(show_spinner=False, max_entries=256)
def _counts(
    spec: str, changed_at: tuple[float, ...], model: str, block_size: int, _shared: SharedResults
) -> Counter[int]:
    return token_counts(_tokens(spec, changed_at, model, block_size, _shared).train)
