"""Add a task: from files or pasted text to documents on two sides, shown live."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from engine.common.errors import PalimpsestError, TaskError
from engine.common.quoting import clean_name
from engine.tasks.columns import Columns
from engine.tasks.documents import Task
from engine.tasks.files.contents import Content, Text
from engine.tasks.files.encodings import clean
from engine.tasks.files.limits import check_pieces
from engine.tasks.library import MAX_NAME, checked_spec, text_bytes
from engine.tasks.load import unused_remark
from engine.tasks.spec import SPLITS
from engine.tasks.splitting import TooLittleError, resolve_split, split_text
from ui.server import actions
from ui.server.entrance import for_editors
from ui.tasks import form_words, upload_draft, words
from ui.tasks.columns import RenderingChoice, columns_form, rendering_form
from ui.tasks.divisions import Cutting, Sources, divisions, forget
from ui.tasks.each_file import asks_for_each, tasks_form
from ui.tasks.files import file_rows, upload_area
from ui.tasks.preview import task_preview
from ui.tasks.upload_draft import Reading, UploadDraft
from ui.widgets.text import plain


def task_form() -> None:
    """The whole form. What was entered stays until the task is kept, whatever goes wrong."""
    draft = upload_draft.current()
    way = st.segmented_control(
        form_words.WAY,
        (form_words.UPLOAD, form_words.PASTE),
        default=form_words.UPLOAD,
        required=True,
        key=draft.key("way"),
        label_visibility="collapsed",
        persist_state="session",
        help=form_words.WAY_HELP,
    )
    readings = _pasted(draft) if way == form_words.PASTE else _uploaded(draft)
    if not readings:
        return
    if not any(reading.usable for reading in readings):
        st.info(form_words.NOTHING_USABLE, icon=":material/info:")
        return
    each = asks_for_each(draft, readings)
    columns = columns_form(draft, upload_draft.tables(readings))
    if columns is None:
        return
    of_tasks = [[reading] for reading in readings] if each else [readings]
    split = _split(draft, [texts for task in of_tasks if (texts := upload_draft.texts(task))])
    if each:
        share, on_training = _held_out_of_each(draft)
        tasks_form(draft, readings, Cutting(split, columns, share, on_training))
        return
    brings = any(table.side == "held_out" for table in upload_draft.tables(readings))
    held_out, share = _held_out(draft, brings)
    on_training = st.session_state.get(draft.key("held_out")) == form_words.TRAINING
    sources = _sources(readings, held_out, columns)
    for sentence in sources.left_out:
        st.warning(plain(sentence), icon=":material/warning:")
    if sources.held_out == ():
        st.info(form_words.NO_HELD_OUT_FILES, icon=":material/info:")
        return
    name = _name(draft, readings)
    _result(draft, name, sources, Cutting(split, columns, share, on_training))


def _uploaded(draft: UploadDraft) -> list[Reading]:
    upload_area(draft, "train", form_words.TRAIN_FILES, form_words.KINDS + form_words.MAKE_TASKS)
    if not draft.train:
        st.caption(form_words.KINDS + form_words.STAYS_HERE)
    return file_rows(draft, "train")


def _pasted(draft: UploadDraft) -> list[Reading]:
    text = st.text_area(
        form_words.PASTED, key=draft.key("paste"), height=260, persist_state="session",
        placeholder=form_words.PASTED_EXAMPLE,
        **for_editors(form_words.PASTED_HELP),
    )  # fmt: skip
    if not text or not text.strip():
        return []
    file = upload_draft.DraftFile("pasted", form_words.PASTED_NAME, b"")
    try:
        check_pieces(file.name, text.count("\n"))
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return []
    return [Reading(file, (Text(file.name, clean(text), "utf-8", "pasted"),))]


def _split(draft: UploadDraft, tasks: Sequence[Sequence[Text]]) -> str:
    """Ask where documents end; `tasks` has the texts of each task, which are cut alike within it."""
    if not tasks:
        return "auto"
    counts = {split: sum(_count(texts, split) for texts in tasks) for split in form_words.SPLIT_NAMES}
    used = sorted({resolve_split(texts, "auto").of(text) for texts in tasks for text in texts})

    def label(split: str) -> str:
        return form_words.split_gives(split, used, counts[split])

    return st.selectbox(
        form_words.SPLIT, [split for split in SPLITS if split in form_words.SPLIT_NAMES], format_func=label,
        key=draft.key("split"), width=420, persist_state="session",
        help=form_words.SPLIT_HELP,
    )  # fmt: skip


def _count(texts: Sequence[Text], split: str) -> int:
    splits = resolve_split(texts, split)  # type: ignore[arg-type]
    return sum(_pieces(text, splits.of(text)) for text in texts)


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs={Text: lambda text: (text.name, hash(text.text))})
def _pieces(text: Text, split: str) -> int:
    return len(split_text(text.text, split))  # type: ignore[arg-type]


def _held_out(draft: UploadDraft, brings: bool) -> tuple[list[Reading] | None, float]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        way = st.segmented_control(
            form_words.HELD_OUT,
            (form_words.SHARE, form_words.FILES, form_words.TRAINING),
            default=form_words.SHARE,
            required=True,
            key=draft.key("held_out"),
            persist_state="session",
            help=form_words.HELD_OUT_HELP,
        )
        if way == form_words.SHARE and brings:
            st.caption(form_words.BRINGS_HELD_OUT)
            return None, 0.1
        if way == form_words.SHARE:
            return None, _share(draft)
        if way == form_words.TRAINING:
            return None, 0.1
    upload_area(draft, "held_out", form_words.HELD_OUT_FILES, form_words.KINDS + form_words.READ_ALIKE)
    return file_rows(draft, "held_out"), 0.1


def _held_out_of_each(draft: UploadDraft) -> tuple[float, bool]:
    """The share of every task that is held out, and whether the training text is scored instead."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        way = st.segmented_control(
            form_words.HELD_OUT, (form_words.SHARE, form_words.TRAINING), default=form_words.SHARE, required=True,
            key=draft.key("held_out_each"), persist_state="session", help=form_words.HELD_OUT_HELP,
        )  # fmt: skip
        return (_share(draft), False) if way == form_words.SHARE else (0.1, True)


def _share(draft: UploadDraft) -> float:
    percent = st.slider(
        form_words.SHARE_HELD_OUT, 1, 50, 10, format="%d%%", key=draft.key("share"), width=320,
        persist_state="session", help=form_words.SHARE_HELD_OUT_HELP,
    )  # fmt: skip
    return percent / 100


def _sources(readings: Sequence[Reading], held_out: Sequence[Reading] | None, columns: Columns) -> Sources:
    every = [*readings, *(held_out or ())]
    lacking = upload_draft.without_columns(upload_draft.tables(every), columns)

    def usable(side: Sequence[Reading]) -> tuple[Content, ...]:
        return tuple(content for reading in side for content in reading.usable if content.name not in lacking)

    return Sources(
        usable(readings),
        None if held_out is None else usable(held_out),
        tuple(reading.file.name for reading in every if reading.usable),
        tuple(lacking.values()),
    )


def _name(draft: UploadDraft, readings: Sequence[Reading]) -> str:
    first = next(reading.file.name for reading in readings if reading.usable)
    stem = "" if first == form_words.PASTED_NAME else upload_draft.task_name(first)
    typed = st.text_input(
        form_words.NAME, key=draft.key("name"), placeholder=stem or form_words.NAME_EXAMPLE, max_chars=MAX_NAME,
        width=420, persist_state="session",
        help=form_words.NAME_HELP,
    )  # fmt: skip
    return clean_name(typed or "") or stem


def _result(draft: UploadDraft, name: str, sources: Sources, cutting: Cutting) -> None:
    (divided,) = divisions([sources], cutting)
    if isinstance(divided, TooLittleError):
        st.error(plain(str(divided)), icon=":material/error:")
        st.button(
            form_words.ON_TRAINING, key=draft.key("on_training"), icon=":material/rule:",
            on_click=_score_on_training, args=(draft.key("held_out"),),
            **for_editors(form_words.ON_TRAINING_HELP),
        )  # fmt: skip
        return
    if isinstance(divided, TaskError):
        st.error(plain(str(divided)), icon=":material/error:")
        return
    division, reading = divided.division, divided.reading
    task = Task(name or form_words.UNNAMED, division.train, division.held_out, reading)
    rendering = rendering_form(draft, reading.kind)
    try:
        spec = checked_spec(name=task.name, train=("draft",), **rendering.changed())
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.markdown(form_words.outcome(len(division.train), len(division.held_out), reading.scored_on_training))
    if not reading.scored_on_training and len(division.held_out) < words.FEW_HELD_OUT:
        st.warning(words.few_held_out(len(division.held_out)), icon=":material/warning:")
    unused = reading.unused_columns
    for remark in reading.remarks:
        if remark not in (*upload_draft.shown_with_files(sources.train, sources.held_out), unused_remark(unused)):
            st.caption(plain(remark))
    if st.button(
        form_words.ADD, key=draft.key("add"), type="primary", icon=":material/library_add:",
        **for_editors(form_words.ADD_HELP),
    ):  # fmt: skip
        _keep(task if name else replace(task, name=""), sources, rendering)
    with st.container(border=True):
        st.markdown(f"##### {form_words.PREVIEW}")
        task_preview(task, spec, text_bytes(task.train), text_bytes(task.held_out), "tasks_new")


def _score_on_training(key: str) -> None:
    st.session_state[key] = form_words.TRAINING


def _keep(task: Task, sources: Sources, rendering: RenderingChoice) -> None:
    try:
        kept = actions.add_task(task, sources.names, rendering.changed())
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    upload_draft.start_afresh()
    forget()
    st.session_state["tasks_notice"] = words.in_library(kept.name)
    st.rerun()
