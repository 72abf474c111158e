"""Tasks: what is in the library, samples to start from, and adding texts of one's own."""

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.tasks import Sample, load_task, samples
from engine.tasks.library import LibraryTask
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.tasks.form import task_form
from ui.tasks.library_list import task_list
from ui.widgets.page_head import page_head
from ui.widgets.text import plain


def mine(tasks: tuple[LibraryTask, ...]) -> None:
    st.subheader("Your tasks")
    if not tasks:
        st.info(
            "There are no tasks yet. Take two or more of the samples, or add texts of your own; "
            "then set up an experiment that learns them one after the other.",
            icon=":material/library_books:",
        )
        return
    task_list(tasks)
    if len(tasks) == 1:
        st.caption("Add at least one more task: forgetting shows when a second one is learnt.")
    else:
        st.page_link(
            session.EXPERIMENT, label="Set up an experiment with them", icon=":material/science:",
            help="Choose model, strategies and seeds.", query_params={session.WITH_LIBRARY: "yes"},
        )  # fmt: skip


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
                "In the library" if is_taken else "Add",
                key=f"tasks_sample_{sample.name}",
                icon=":material/check:" if is_taken else ":material/add:",
                **for_editors("Put this sample into the library.", disabled=is_taken),
            ):
                add_samples([sample])
    missing = [sample for sample in offered if sample.spec.name.casefold() not in taken]
    if len(missing) > 1 and st.button(
        f"Add all {len(missing)}" if len(missing) == len(offered) else f"Add the other {len(missing)}",
        key="tasks_sample_all", icon=":material/library_add:",
        **for_editors("Put all samples into the library."),
    ):  # fmt: skip
        add_samples(missing)


def add_samples(chosen: list[Sample]) -> None:
    try:
        for sample in chosen:
            actions.add_task(load_task(sample.spec), ["a sample of the project"])
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.session_state["tasks_notice"] = f"'{chosen[0].title}' is in the library." if len(chosen) == 1 else "Added."
    st.rerun()


def page() -> None:
    page_head("Tasks")
    st.markdown("A task is a body of text that the model learns in one go, with a part held out to measure it by.")
    notice = st.session_state.pop("tasks_notice", "")
    if notice:
        st.toast(plain(notice), icon=":material/check:")
    tasks = session.library().tasks()
    taken = {task.name.casefold() for task in tasks}
    mine(tasks)
    if tasks:
        with st.expander("Samples to start from", icon=":material/auto_stories:"):
            sample_cards(taken)
    else:
        st.subheader("Samples to start from")
        sample_cards(taken)
    st.subheader("Add a task")
    task_form()


page()
