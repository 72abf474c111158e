"""The library as a list: what is there, in which order, and what can be done with each task."""

from datetime import datetime

import streamlit as st

from engine.common.errors import PalimpsestError, TaskError
from engine.tasks import load_task
from engine.tasks.documents import Task
from engine.tasks.library import MAX_NAME, LibraryTask
from ui.server import actions
from ui.server.entrance import for_editors
from ui.server.session import store
from ui.tasks.preview import task_preview
from ui.widgets.text import bytes_size, plain, plural

_OPEN, _ERROR = "tasks_open", "tasks_list_error"


def task_list(tasks: tuple[LibraryTask, ...]) -> None:
    """One row a task, in the user's order."""
    error = st.session_state.pop(_ERROR, "")
    if error:
        st.error(plain(error), icon=":material/error:")
    for place, task in enumerate(tasks):
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                st.markdown(f"**{plain(task.name)}**  \n:gray[{plain(_facts(task))}]", width="stretch")
                _order_buttons(task, place, len(tasks))
                _preview_button(task)
                _rename(task)
                _delete(task)
            if st.session_state.get(_OPEN) == task.task_id:
                _details(task)


def _facts(task: LibraryTask) -> str:
    kind = {"text": "text", "pairs": "prompt and completion", "chat": "conversations"}[task.kind]
    scored = f"{task.held_out_documents:,} ({bytes_size(task.held_out_bytes)}) held out"
    if task.scored_on_training:
        scored = "scored on its training text"
    return f"{plural(task.documents, 'document')} ({bytes_size(task.train_bytes)}) to train on, {scored} · {kind}"


def _order_buttons(task: LibraryTask, place: int, count: int) -> None:
    st.button(
        "Up", key=f"tasks_up_{task.task_id}", icon=":material/arrow_upward:", type="tertiary",
        **for_editors("Move this task one place up; experiments offer tasks in this order.", disabled=place == 0),
        on_click=_move, args=(task.task_id, place - 1),
    )  # fmt: skip
    st.button(
        "Down", key=f"tasks_down_{task.task_id}", icon=":material/arrow_downward:", type="tertiary",
        **for_editors(
            "Move this task one place down; experiments offer tasks in this order.", disabled=place == count - 1
        ),
        on_click=_move, args=(task.task_id, place + 1),
    )  # fmt: skip


def _move(task_id: str, place: int) -> None:
    try:
        actions.move_task(task_id, place)
    except PalimpsestError as error:
        st.session_state[_ERROR] = str(error)


def _preview_button(task: LibraryTask) -> None:
    is_open = st.session_state.get(_OPEN) == task.task_id
    st.button(
        "Close" if is_open else "Preview", key=f"tasks_preview_{task.task_id}", type="tertiary",
        icon=":material/visibility_off:" if is_open else ":material/visibility:",
        help="Sizes, tokens, scripts, lengths and the first documents.", on_click=_toggle, args=(task.task_id,),
    )  # fmt: skip


def _toggle(task_id: str) -> None:
    st.session_state[_OPEN] = None if st.session_state.get(_OPEN) == task_id else task_id


def _rename(task: LibraryTask) -> None:
    with st.popover("Rename", type="tertiary", **for_editors("Give this task another name.")):
        key = f"tasks_rename_{task.task_id}"
        st.text_input("New name", value=task.name, key=key, max_chars=MAX_NAME, help="As figures shall call it.")
        st.caption("Experiments made before keep the old name.")
        if st.button("Rename", key=f"{key}_save", type="primary", **for_editors("Keep the new name.")):
            try:
                actions.rename_task(task.task_id, st.session_state[key] or "")
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                st.rerun()


def _delete(task: LibraryTask) -> None:
    with st.popover("Delete", type="tertiary", **for_editors("Take this task out of the library.")):
        st.markdown(f"Delete **{plain(task.name)}**? This can't be undone.")
        st.caption("Experiments that already use it keep its text and can still be run again.")
        if st.button(
            "Delete", key=f"tasks_delete_{task.task_id}", type="primary", icon=":material/delete:",
            **for_editors("Take the task out of the library for good."),
        ):  # fmt: skip
            try:
                actions.delete_task(task.task_id, keep_files=_is_used(task))
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                st.session_state["tasks_notice"] = f"'{task.name}' is deleted."
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
    sources = f" from {', '.join(task.sources[:5])}" if task.sources else ""
    more = f" and {len(task.sources) - 5} more files" if len(task.sources) > 5 else ""
    st.caption(plain(f"Added on {made}{sources}{more}."))
    for note in task.notes:
        st.caption(plain(note))
    task_preview(loaded, task.spec(), task.train_bytes, task.held_out_bytes, f"tasks_{task.task_id}")


@st.cache_resource(max_entries=4, show_spinner="Reading the task …")
def _load(task_id: str, _task: LibraryTask) -> Task:
    return load_task(_task.spec())
