"""The tasks of an experiment: which, in which order, and what is set for single ones."""

from collections.abc import Mapping

import streamlit as st

from engine.tasks.library import LibraryTask
from engine.tasks.spec import TaskSpec
from ui.drafts.draft import ExperimentDraft, suggested_name
from ui.experiment import words
from ui.experiment.task_settings import task_settings
from ui.server import session
from ui.widgets.text import plain

ANCHOR = "experiment-tasks"


def tasks_section(draft: ExperimentDraft, known: Mapping[str, TaskSpec], library: Mapping[str, LibraryTask]) -> None:
    """The choice of tasks and what belongs to single ones; what is entered goes to the draft."""
    st.subheader(words.TASKS, anchor=ANCHOR)
    available = {**known, **draft.file_tasks}
    if not available:
        st.info(words.NO_TASKS, icon=":material/library_books:")
        st.page_link(session.TASKS, label=words.TO_TASKS, icon=":material/arrow_forward:", help=words.HELP_TO_TASKS)
        return
    gone = [name for name in draft.task_names if name not in available]
    if gone:
        st.warning(words.no_longer_there(plain(", ".join(gone))), icon=":material/warning:")
        draft.task_names = [name for name in draft.task_names if name in available]
    tasks, name = st.columns([2, 1])
    with tasks:
        draft.task_names = st.multiselect(
            words.ORDER, list(available), draft.task_names, key=draft.key(f"move{draft.moves}_tasks"),
            placeholder=words.CHOOSE_TASKS, help=words.HELP_ORDER,
        )  # fmt: skip
    with name:
        draft.name = st.text_input(
            words.NAME, draft.name, key=draft.key("name"), max_chars=120,
            placeholder=suggested_name(draft.task_names) or words.UNNAMED, help=words.HELP_NAME,
        )  # fmt: skip
    if len(draft.task_names) == 1:
        st.caption(words.ONE_TASK)
    if draft.task_names:
        task_settings(draft, _size(draft, library))


def _size(draft: ExperimentDraft, library: Mapping[str, LibraryTask]) -> int | None:
    """The bytes that the chosen tasks train on; None where some are not in the library."""
    if any(name in draft.file_tasks or name not in library for name in draft.task_names):
        return None
    return sum(library[name].train_bytes for name in draft.task_names)
