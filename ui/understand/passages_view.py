"""The view of what was lost: a run, a task and two of its models on top, documents and an opened one below."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from engine.experiments.experiment import Experiment
from engine.insight.requests import PassageRequest, PassagesRequest, Source
from ui.server import session
from ui.understand.address import Address, write
from ui.understand.asking import show_asked
from ui.understand.models import Models
from ui.understand.passages import MOST_ROWS, show_document, show_table

_OPENED = "understand_opened"
Choices = Mapping[str, str]


def show_passages(
    experiment_id: str, experiment: Experiment, models: Models, address: Address, first: Choices
) -> Choices:
    """Draw the view; gives the choices for the address, of which `first` are the page's own."""
    if not models.stages:
        st.info(
            "Here the held-out documents of a task will stand, ranked by what they lost. They appear once the first "
            "stage of a run is over.",
            icon=":material/hourglass:",
        )
        session.experiment_link(session.LIVE, experiment_id, "Watch it live", ":material/monitoring:")
        return {}
    request, choices = _choose(experiment_id, experiment, models, address)
    if request is None:
        return choices
    opened: dict[PassagesRequest, int] = st.session_state.setdefault(_OPENED, {})
    named = address.number("document", 1, 10**9)
    if request not in opened and named is not None and choices.items() <= _begun(address).items():
        opened[request] = int(named) - 1
    show_asked("passages", request, partial(_draw, request, {**first, **choices}))
    return {**choices, "document": str(opened[request] + 1) if request in opened else ""}


def _begun(address: Address) -> dict[str, str]:
    return {name: address.first(name) for name in address.begun}


def _choose(
    experiment_id: str, experiment: Experiment, models: Models, address: Address
) -> tuple[PassagesRequest | None, dict[str, str]]:
    """The choices; no request where they name one model twice."""
    columns = st.columns([3, 2, 3, 3])
    runs, names = list(models.stages), [task.name for task in experiment.tasks]
    first = address.first("run")
    run_id = columns[0].selectbox(
        "Run", runs, index=runs.index(first) if first in runs else 0, format_func=models.run_names.__getitem__,
        key=address.key(f"run_{experiment_id}"), help="Runs of which a stage is over.",
    )  # fmt: skip
    first = address.first("task")
    named = next((place for place, spec in enumerate(experiment.tasks) if first in (spec.name, spec.label)), 0)
    task = columns[1].selectbox(
        "Task", names, index=named, key=address.key(f"passages_task_{experiment_id}"),
        help="Its held-out documents are read by both models.",
    )  # fmt: skip
    stages = [0, *models.stages[run_id]]
    own = names.index(task) + 1
    where = f"{experiment_id}_{run_id}_{task}"
    begun = address if (run_id, task) == (address.first("run"), names[named]) else None
    last = _stage(begun, "stage", stages, stages[-1])
    after = columns[3].selectbox(
        "After", stages, index=stages.index(last), format_func=models.stage_name, key=address.key(f"after_{where}"),
        help="The later model; usually that of the run's last stage.",
    )  # fmt: skip
    usual = own if own in stages and own < int(after) else 0
    earlier = _stage(begun, "before", stages, usual)
    before = columns[2].selectbox(
        "Before", stages, index=stages.index(earlier), format_func=models.stage_name,
        key=address.key(f"before_{where}_{after}"),
        help="The earlier model; usually that of the end of the task's own stage.",
    )  # fmt: skip
    choices = {"run": str(run_id), "task": str(task), "before": str(before), "stage": str(after)}
    if before == after:
        st.info("Before and after are the same model; choose two that differ.", icon=":material/info:")
        return None, choices
    return PassagesRequest(str(task), Source(str(run_id), int(before)), Source(str(run_id), int(after))), choices


def _stage(begun: Address | None, name: str, stages: Sequence[int], usual: int) -> int:
    """The stage that the address names, where it is about this run and task and there is such a model."""
    named = begun.number(name, 0, stages[-1]) if begun is not None else None
    return int(named) if named is not None and named in stages else usual


def _draw(request: PassagesRequest, choices: Choices, rows: Any, grows: bool) -> None:
    if not rows:
        return
    shown = rows[:MOST_ROWS]
    opened: dict[PassagesRequest, int] = st.session_state.setdefault(_OPENED, {})
    place = next((i for i, row in enumerate(shown) if row["document"] == opened.get(request)), 0)
    left, right = st.columns([5, 6], gap="medium")
    with left:
        key = f"understand_table_{request.task}_{request.before}_{request.after}"
        show_table(rows, key, place, partial(_open, key, request, [row["document"] for row in shown], choices))
    with right:
        row = shown[place]
        document = PassageRequest(request.task, request.before, request.after, int(row["document"]))
        show_asked("document", document, partial(_draw_document, row))


def _draw_document(row: Any, pieces: Any, grows: bool) -> None:
    if pieces:
        show_document(row, pieces)


def _open(key: str, request: PassagesRequest, documents: Sequence[int], choices: Choices) -> None:
    """Open the document of the row that was selected."""
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        st.session_state[_OPENED][request] = documents[rows[0]]
        write({**choices, "document": str(documents[rows[0]] + 1)})
