"""The choice of two models of a run and of a task whose held-out documents both read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from engine.experiments.experiment import Experiment
from engine.insight.requests import Source, usual_before
from ui.server import session
from ui.understand import words
from ui.understand.address import Address
from ui.understand.models import Models

Choices = Mapping[str, str]


@dataclass(frozen=True)
class Pair:
    """Two models and a task."""

    task: str
    before: Source
    after: Source


def show_no_stage(experiment_id: str, what: str) -> None:
    """Say what will be here once a stage is over."""
    st.info(words.once_a_stage_is_over(what), icon=":material/hourglass:")
    session.experiment_link(session.LIVE, experiment_id, words.WATCH, ":material/monitoring:")


def choose_pair(
    experiment_id: str, experiment: Experiment, models: Models, address: Address
) -> tuple[Pair | None, dict[str, str]]:
    """A run, a task and two of the run's models; the choices for the address. No pair where one is chosen twice."""
    columns = st.columns([3, 2, 3, 3])
    runs, names = list(models.stages), [task.name for task in experiment.tasks]
    first = address.first("run")
    run_id = columns[0].selectbox(
        words.RUN, runs, index=runs.index(first) if first in runs else 0, format_func=models.run_names.__getitem__,
        key=address.key(f"run_{experiment_id}"), help=words.RUN_HELP,
    )  # fmt: skip
    first = address.first("task")
    named = next((place for place, spec in enumerate(experiment.tasks) if first in (spec.name, spec.label)), 0)
    task = columns[1].selectbox(
        words.TASK, names, index=named, key=address.key(f"passages_task_{experiment_id}"),
        help=words.PAIR_TASK_HELP,
    )  # fmt: skip
    stages = [0, *models.stages[run_id]]
    own = models.tasks[run_id].index(task) + 1

    def stage_name(stage: int) -> str:
        return models.stage_name(Source(str(run_id), stage))

    where = f"{experiment_id}_{run_id}_{task}"
    begun = address if (run_id, task) == (address.first("run"), names[named]) else None
    last = _stage(begun, "stage", stages, stages[-1])
    after = columns[3].selectbox(
        words.AFTER, stages, index=stages.index(last), format_func=stage_name, key=address.key(f"after_{where}"),
        help=words.AFTER_HELP,
    )  # fmt: skip
    usual = usual_before(own, int(after)) if own in stages else 0
    earlier = _stage(begun, "before", stages, usual)
    before = columns[2].selectbox(
        words.BEFORE, stages, index=stages.index(earlier), format_func=stage_name,
        key=address.key(f"before_{where}_{after}"),
        help=words.BEFORE_HELP,
    )  # fmt: skip
    choices = {"run": str(run_id), "task": str(task), "before": str(before), "stage": str(after)}
    if before == after:
        st.info(words.SAME_MODEL, icon=":material/info:")
        return None, choices
    return Pair(str(task), Source(str(run_id), int(before)), Source(str(run_id), int(after))), choices


def _stage(begun: Address | None, name: str, stages: Sequence[int], usual: int) -> int:
    """The stage that the address names, where it is about this run and task and there is such a model."""
    named = begun.number(name, 0, stages[-1]) if begun is not None else None
    return int(named) if named is not None and named in stages else usual


def begun(address: Address) -> dict[str, str]:
    """The choices of one value that this visit began with."""
    return {name: address.first(name) for name in address.begun}
