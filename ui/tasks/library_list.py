"""The library as a list: what is there, in which order, and what can be done with each task."""

from datetime import datetime

import streamlit as st

from engine.common.errors import PalimpsestError, TaskError
from engine.tasks import load_task
from engine.tasks.documents import Task
from engine.tasks.library import MAX_NAME, LibraryTask
from ui.server import actions
from ui.server.entrance import for_editors, may_change
from ui.server.session import store
from ui.tasks import words
from ui.tasks.drag_rows import GRIP, drag_rows
from ui.tasks.preview import task_preview
from ui.widgets.text import plain

_OPEN, _ERROR = "tasks_open", "tasks_list_error"


def task_list(tasks: tuple[LibraryTask, ...]) -> None:
    """One row a task, in the user's order."""
    error = st.session_state.pop(_ERROR, "")
    if error:
        st.error(plain(error), icon=":material/error:")
    may_move = may_change() and len(tasks) > 1
    with st.container(gap="xxsmall", key="tasks_rows"):
        for place, task in enumerate(tasks):
            _row(task, place, len(tasks), may_move)
    if may_move:
        drag_rows("tasks_drag", "tasks_row_", [task.task_id for task in tasks], _move)


def _row(task: LibraryTask, place: int, count: int, may_move: bool) -> None:
    with st.container(key=f"tasks_row_{task.task_id}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            if may_move:
                st.html(GRIP, width="content")
            st.markdown(f"**{plain(task.name)}**  \n:small[:gray[{plain(_facts(task))}]]", width="stretch")
            if is_scored_on_few(task):
                st.badge(
                    words.FEW,
                    icon=":material/warning:",
                    color="orange",
                    help=words.few_held_out(task.held_out_documents),
                )
            _order_buttons(task, place, count)
            _preview_button(task)
            with st.popover(words.MORE, type="tertiary", **for_editors(words.MORE_HELP)):
                _rename(task)
                _delete(task)
        if st.session_state.get(_OPEN) == task.task_id:
            _details(task)


def is_scored_on_few(task: LibraryTask) -> bool:
    """Whether too few documents are held out for scores to say much; a task that is scored on its training text has
    its own mark."""
    return not task.scored_on_training and task.held_out_documents < words.FEW_HELD_OUT


def _facts(task: LibraryTask) -> str:
    return words.facts(
        task.kind, task.documents, task.train_bytes, task.held_out_documents, task.held_out_bytes,
        task.scored_on_training,
    )  # fmt: skip


def _order_buttons(task: LibraryTask, place: int, count: int) -> None:
    for label, help, symbol, to in (
        (words.UP, words.UP_HELP, ":material/arrow_upward:", place - 1),
        (words.DOWN, words.DOWN_HELP, ":material/arrow_downward:", place + 1),
    ):
        st.button(
            label, key=f"tasks_{label.lower()}_{task.task_id}", icon=symbol, type="tertiary",
            **for_editors(help, disabled=not 0 <= to < count), on_click=_move, args=(task.task_id, to),
        )  # fmt: skip


def _move(task_id: str, place: int) -> None:
    try:
        actions.move_task(task_id, place)
    except PalimpsestError as error:
        st.session_state[_ERROR] = str(error)


def _preview_button(task: LibraryTask) -> None:
    is_open = st.session_state.get(_OPEN) == task.task_id
    st.button(
        words.CLOSE if is_open else words.PREVIEW, key=f"tasks_preview_{task.task_id}", type="tertiary",
        icon=":material/visibility_off:" if is_open else ":material/visibility:",
        help=words.PREVIEW_HELP, on_click=_toggle, args=(task.task_id,),
    )  # fmt: skip


def _toggle(task_id: str) -> None:
    st.session_state[_OPEN] = None if st.session_state.get(_OPEN) == task_id else task_id


def _rename(task: LibraryTask) -> None:
    key = f"tasks_rename_{task.task_id}"
    st.text_input(words.NEW_NAME, value=task.name, key=key, max_chars=MAX_NAME, help=words.NEW_NAME_HELP)
    st.caption(words.RENAME_NOTE)
    if st.button(words.RENAME, key=f"{key}_save", **for_editors(words.RENAME_HELP)):
        try:
            actions.rename_task(task.task_id, st.session_state[key] or "")
        except PalimpsestError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.rerun()


def _delete(task: LibraryTask) -> None:
    st.divider()
    st.markdown(words.delete_question(task.name))
    st.caption(words.DELETE_NOTE)
    if st.button(
        words.DELETE, key=f"tasks_delete_{task.task_id}", icon=":material/delete:", **for_editors(words.DELETE_HELP)
    ):
        try:
            actions.delete_task(task.task_id, keep_files=_is_used(task))
        except PalimpsestError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.session_state["tasks_notice"] = words.deleted(task.name)
            st.rerun()


def _is_used(task: LibraryTask) -> bool:
    """Whether an experiment names the task's files."""
    kept = store()
    experiments = (kept.experiment(experiment_id) for experiment_id in kept.experiments()["experiment_id"])
    folder = str(task.folder)
    return any(path.startswith(folder) for e in experiments for spec in e.texts for path in spec.train)


def _details(task: LibraryTask) -> None:
    try:
        loaded = _load(task.task_id, task)
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    made = datetime.fromisoformat(task.created_at).strftime("%d %b %Y")
    st.caption(plain(words.added_on(made, task.sources)))
    for note in task.notes:
        st.caption(plain(note))
    task_preview(loaded, task.spec(), task.train_bytes, task.held_out_bytes, f"tasks_{task.task_id}")


@st.cache_resource(max_entries=4, show_spinner=words.READING)
def _load(task_id: str, _task: LibraryTask) -> Task:
    return load_task(_task.spec())
