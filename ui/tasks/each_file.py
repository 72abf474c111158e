"""Several files that are a task each: they are cut alike, and go into the library together, in their order."""

from collections.abc import Sequence

import streamlit as st

from engine.common.errors import PalimpsestError, TaskError
from engine.common.quoting import clean_name, look_of
from engine.tasks.documents import Task
from engine.tasks.library import MAX_NAME, checked_spec, name_taken
from engine.tasks.load import Divided, unused_remark
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.tasks import form_words, upload_draft, words
from ui.tasks.columns import RenderingChoice, rendering_form
from ui.tasks.divisions import Cutting, Sources, divisions, forget
from ui.tasks.upload_draft import Reading, UploadDraft
from ui.widgets.text import plain


def asks_for_each(draft: UploadDraft, readings: Sequence[Reading]) -> bool:
    """Ask what several files are; whether they are a task each."""
    if sum(bool(reading.usable) for reading in readings) < 2:
        return False
    chosen = st.segmented_control(
        form_words.SEVERAL_FILES, (form_words.ONE_TASK, form_words.TASK_EACH), default=form_words.ONE_TASK,
        required=True, key=draft.key("each"), persist_state="session", help=form_words.SEVERAL_FILES_HELP,
    )  # fmt: skip
    return chosen == form_words.TASK_EACH


def tasks_form(draft: UploadDraft, readings: Sequence[Reading], cutting: Cutting) -> None:
    """A line for each task, and the button that keeps them all once nothing stands against one."""
    lacking = upload_draft.without_columns(upload_draft.tables(readings), cutting.columns)
    taking_part = [
        (reading.file.file_id, Sources(contents, None, (reading.file.name,)))
        for reading in readings
        if (contents := tuple(content for content in reading.usable if content.name not in lacking))
    ]
    for sentence in lacking.values():
        st.warning(plain(sentence), icon=":material/warning:")
    found = divisions([sources for _, sources in taking_part], cutting)
    rendering = _rendering(draft, found)
    taken = {look_of(task.name) for task in session.library().tasks()}
    ready = [
        (task, file_id, sources)
        for (file_id, sources), divided in zip(taking_part, found, strict=True)
        if (task := _task(draft, file_id, sources, divided, rendering, taken)) is not None
    ]
    if not ready or len(ready) < len(found):
        return
    held_out = [len(task.held_out) for task, _, _ in ready if not task.reading.scored_on_training]
    fewest = min(held_out, default=words.FEW_HELD_OUT)
    if fewest < words.FEW_HELD_OUT:
        st.warning(words.few_held_out(fewest), icon=":material/warning:")
    if st.button(
        form_words.add_each(len(ready)), key=draft.key("add"), type="primary", icon=":material/library_add:",
        **for_editors(form_words.ADD_EACH_HELP),
    ):  # fmt: skip
        _keep(ready, rendering)


def _rendering(draft: UploadDraft, found: Sequence[Divided | TaskError]) -> RenderingChoice:
    """What is chosen for pairs or conversations, where all files hold the same."""
    kinds = {divided.reading.kind for divided in found if not isinstance(divided, TaskError)}
    return rendering_form(draft, kinds.pop()) if len(kinds) == 1 else RenderingChoice()


def _task(
    draft: UploadDraft,
    file_id: str,
    sources: Sources,
    divided: Divided | TaskError,
    rendering: RenderingChoice,
    taken: set[str],
) -> Task | None:
    """The line of one task, whose name is `taken` from then on; None where something stands against it, which the line
    says."""
    stem = upload_draft.task_name(sources.names[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input(
            form_words.name_of(sources.names[0]), key=draft.key(f"name_{file_id}"), placeholder=stem,
            max_chars=MAX_NAME, width=420, persist_state="session", help=form_words.NAME_OF_EACH_HELP,
        )  # fmt: skip
        if isinstance(divided, TaskError):
            st.error(plain(str(divided)), icon=":material/error:")
            return None
        division, reading = divided.division, divided.reading
        st.markdown(form_words.outcome(len(division.train), len(division.held_out), reading.scored_on_training))
    task = Task(clean_name(typed or "") or stem, division.train, division.held_out, reading)
    try:
        checked_spec(name=task.name, train=("draft",), **rendering.changed())
        if look_of(task.name) in taken:
            raise TaskError(name_taken(task.name))
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return None
    taken.add(look_of(task.name))
    with_files = upload_draft.shown_with_files(sources.train)
    for remark in reading.remarks:
        if remark not in (*with_files, unused_remark(reading.unused_columns)):
            st.caption(plain(remark))
    return task


def _keep(ready: Sequence[tuple[Task, str, Sources]], rendering: RenderingChoice) -> None:
    """All of them; where the disk takes no more, the files of those that were kept leave the form."""
    for task, file_id, sources in ready:
        try:
            actions.add_task(task, sources.names, rendering.changed())
        except PalimpsestError as error:
            st.error(plain(str(error)), icon=":material/error:")
            return
        upload_draft.remove("train", file_id)
    upload_draft.start_afresh()
    forget()
    st.session_state["tasks_notice"] = words.all_in_library([task.name for task, _, _ in ready])
    st.rerun()
