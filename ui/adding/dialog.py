"""The dialog that adds a task to an experiment that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.common.errors import PalimpsestError, TaskError
from engine.tasks.library import checked_spec
from ui.adding import words
from ui.adding.continued import with_task
from ui.adding.new_task import ReadTask, read_as_recognised
from ui.manage.dialogs import close_dialog
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.tasks import upload_draft
from ui.widgets.text import plain
from ui.widgets.words import with_seed

if TYPE_CHECKING:
    from engine.experiments.experiment import Experiment, RunSpec
    from engine.tasks.library import LibraryTask
    from engine.tasks.spec import TaskSpec

_UPLOADS = "adding_uploads"


def add_task_form(experiment_id: str, run_id: str | None) -> None:
    """Choose a task, the runs and a name; start what continues the experiment."""
    store = session.store()
    try:
        experiment = store.experiment(experiment_id)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    chosen = _task(experiment)
    run_ids = store.runs(experiment_id)["run_id"].tolist()
    specs = {each: store.run_spec(each)[1] for each in run_ids}
    run = _run(specs, run_id)
    name = _name(experiment, "" if chosen is None else _name_of(chosen))
    may_start = chosen is not None and _shows_plan(experiment_id, with_task(experiment, _spec(chosen), name, run))
    if (
        st.button(
            words.START, key="adding_start", type="primary", icon=":material/play_arrow:",
            **for_editors(words.START_HELP, disabled=not may_start),
        )
        and chosen is not None
    ):  # fmt: skip
        _start(experiment_id, experiment, chosen, name, run)


def _task(experiment: Experiment) -> LibraryTask | ReadTask | None:
    """The task that is to be added, where one is chosen and can be read."""
    taken = {task.name for task in experiment.tasks}
    offered: dict[str, LibraryTask] = {task.name: task for task in session.library().tasks() if task.name not in taken}
    choice = words.FILE
    if offered:
        newest = max(offered, key=lambda name: offered[name].created_at)
        names = [*offered, words.FILE]
        choice = st.selectbox(words.TASK, names, names.index(newest), key="adding_task", help=words.TASK_HELP)
    if choice in offered:
        task = offered[choice]
        st.caption(words.documents(task.documents, task.held_out_documents))
        return task
    return _read(taken)


def _read(taken: set[str]) -> ReadTask | None:
    files = st.file_uploader(words.UPLOAD, accept_multiple_files=True, key=_UPLOADS, **for_editors(words.UPLOAD_HELP))
    if not files:
        st.caption(words.NO_FILE)
        return None
    readings = upload_draft.read(upload_draft.uploaded_files(files))
    try:
        found = read_as_recognised(readings)
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        upload_draft.take_uploads(_UPLOADS, "train")
        st.page_link(session.TASKS, label=words.TO_TASKS, icon=":material/arrow_forward:", help=words.TO_TASKS_HELP)
        return None
    if found.task.name in taken:
        st.error(words.SAME_NAME, icon=":material/error:")
        return None
    st.caption(words.documents(len(found.task.train), len(found.task.held_out)))
    for remark in found.task.reading.remarks:
        st.caption(plain(remark))
    return found


def _run(specs: dict[str, RunSpec], run_id: str | None) -> RunSpec | None:
    """The one run to go on with, None for all of them."""
    if len(specs) < 2:
        return None
    named = {words.every_run(len(specs)): None} | {with_seed(spec.label, spec.seed): spec for spec in specs.values()}
    first = 0 if run_id not in specs else 1 + list(specs).index(run_id)
    return named[st.selectbox(words.RUNS, list(named), first, key="adding_run", help=words.RUNS_HELP)]


def _name(experiment: Experiment, task: str) -> str:
    proposed = words.name_of(experiment.name, task) if task else experiment.name
    typed = st.text_input(words.NAME, key="adding_name", placeholder=proposed, max_chars=120, help=words.NAME_HELP)
    return (typed or "").strip() or proposed[:120]


def _shows_plan(experiment_id: str, experiment: Experiment) -> bool:
    """What will be trained, or why the experiment can't be continued so; whether it can be."""
    from engine.running.continuing import Earlier, plan_continuation

    store = session.store()
    try:
        plan = plan_continuation(Earlier(store, experiment_id, store.folder), experiment)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return False
    st.caption(words.trained(len(experiment.tasks), len(experiment.runs())))
    for sentence in plan.words:
        st.warning(plain(sentence), icon=":material/info:")
    return True


def _spec(chosen: LibraryTask | ReadTask) -> TaskSpec:
    return chosen.spec() if not isinstance(chosen, ReadTask) else checked_spec(name=chosen.task.name, train=("new",))


def _name_of(chosen: LibraryTask | ReadTask) -> str:
    return chosen.task.name if isinstance(chosen, ReadTask) else chosen.name


def _start(
    experiment_id: str, experiment: Experiment, chosen: LibraryTask | ReadTask, name: str, run: RunSpec | None
) -> None:
    try:
        with st.spinner(words.READING):
            kept = actions.add_task(chosen.task, chosen.sources) if isinstance(chosen, ReadTask) else chosen
            continued = actions.continue_experiment(experiment_id, with_task(experiment, kept.spec(), name, run))
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    upload_draft.start_afresh()
    close_dialog()
    session.go_to(session.LIVE, continued)
