"""Tasks: what is in the library, samples to start from, and adding texts of one's own."""

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.tasks import Sample, load_task, samples
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.tasks import words
from ui.tasks.form import task_form
from ui.tasks.library_list import task_list
from ui.widgets.page_head import page_head
from ui.widgets.text import plain


def sample_cards(taken: set[str]) -> None:
    offered = samples()
    columns = st.columns(max(1, len(offered)))
    for column, sample in zip(columns, offered, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"**{plain(sample.title)}**")
            st.caption(plain(sample.description))
            st.space("stretch")
            is_taken = sample.spec.name.casefold() in taken
            if st.button(
                words.SAMPLE_TAKEN if is_taken else words.SAMPLE_ADD,
                key=f"tasks_sample_{sample.name}",
                icon=":material/check:" if is_taken else ":material/add:",
                **for_editors(words.SAMPLE_HELP, disabled=is_taken),
            ):
                add_samples([sample])
    missing = [sample for sample in offered if sample.spec.name.casefold() not in taken]
    if len(missing) > 1 and st.button(
        words.add_all(len(missing), len(offered)), key="tasks_sample_all", icon=":material/library_add:",
        **for_editors(words.SAMPLES_HELP),
    ):  # fmt: skip
        add_samples(missing)


def add_samples(chosen: list[Sample]) -> None:
    try:
        for sample in chosen:
            actions.add_task(load_task(sample.spec), [words.FROM_SAMPLES])
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.session_state["tasks_notice"] = words.in_library(chosen[0].title) if len(chosen) == 1 else words.ADDED
    st.rerun()


def set_up() -> None:
    st.page_link(
        session.EXPERIMENT, label=words.SET_UP, icon=":material/science:", help=words.SET_UP_HELP,
        query_params={session.WITH_LIBRARY: "yes"},
    )  # fmt: skip


def page() -> None:
    tasks = session.library().tasks()
    with page_head(words.TITLE, help=words.TITLE_HELP):
        if len(tasks) > 1:
            set_up()
    notice = st.session_state.pop("tasks_notice", "")
    if notice:
        st.toast(plain(notice), icon=":material/check:")
    taken = {task.name.casefold() for task in tasks}
    if not tasks:
        st.info(words.NO_TASKS, icon=":material/library_books:")
        st.header(words.SAMPLES, anchor=False)
        sample_cards(taken)
    st.header(words.ADD, anchor=False)
    task_form()
    if not tasks:
        return
    st.header(words.YOURS, anchor=False, help=words.ORDER_HELP)
    task_list(tasks)
    if len(tasks) == 1:
        st.caption(words.ONE_TASK)
    with st.expander(words.SAMPLES, icon=":material/auto_stories:"):
        sample_cards(taken)


page()
