"""Add a task: from files or pasted text to documents on two sides, shown live."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from engine.common.errors import PalimpsestError, TaskError
from engine.common.quoting import clean_name
from engine.tasks.columns import Columns
from engine.tasks.documents import Task
from engine.tasks.files.contents import Content, Text
from engine.tasks.files.encodings import clean
from engine.tasks.files.limits import check_pieces
from engine.tasks.library import MAX_NAME, checked_spec, text_bytes
from engine.tasks.load import Divided, documents_of, unused_remark
from engine.tasks.spec import SPLITS
from engine.tasks.splitting import Division, TooLittleError, resolve_split, split_text
from ui.server import actions
from ui.server.entrance import for_editors
from ui.tasks import form_words, upload_draft, words
from ui.tasks.columns import RenderingChoice, columns_form, rendering_form
from ui.tasks.files import file_rows, upload_area
from ui.tasks.preview import task_preview
from ui.tasks.upload_draft import Reading, UploadDraft
from ui.widgets.text import plain

_DIVISION = "tasks_division"


@dataclass(frozen=True)
class Sources:
    """The usable contents of both sides; `held_out` is None where a share is held out instead."""

    train: tuple[Content, ...]
    held_out: tuple[Content, ...] | None
    names: tuple[str, ...]
    left_out: tuple[str, ...]
    """Why files that were uploaded don't take part."""


@dataclass(frozen=True)
class Cutting:
    """The way that contents become the two sides of a task."""

    split: str
    columns: Columns
    share: float
    on_training: bool


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
    columns = columns_form(draft, upload_draft.tables(readings))
    if columns is None:
        return
    split = _split(draft, upload_draft.texts(readings))
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
    upload_area(draft, "train", form_words.TRAIN_FILES, form_words.KINDS + form_words.MAKE_ONE_TASK)
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


def _split(draft: UploadDraft, texts: Sequence[Text]) -> str:
    if not texts:
        return "auto"
    counts = {split: _count(texts, split) for split in form_words.SPLIT_NAMES}
    auto = resolve_split(texts, "auto")
    used = sorted({auto.of(text) for text in texts})

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
            percent = st.slider(
                form_words.SHARE_HELD_OUT,
                1,
                50,
                10,
                format="%d%%",
                key=draft.key("share"),
                width=320,
                persist_state="session",
                help=form_words.SHARE_HELD_OUT_HELP,
            )
            return None, percent / 100
        if way == form_words.TRAINING:
            return None, 0.1
    upload_area(draft, "held_out", form_words.HELD_OUT_FILES, form_words.KINDS + form_words.READ_ALIKE)
    return file_rows(draft, "held_out"), 0.1


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
    stem = "" if first == form_words.PASTED_NAME else first.split(".")[0].replace("_", " ")[:MAX_NAME]
    typed = st.text_input(
        form_words.NAME, key=draft.key("name"), placeholder=stem or form_words.NAME_EXAMPLE, max_chars=MAX_NAME,
        width=420, persist_state="session",
        help=form_words.NAME_HELP,
    )  # fmt: skip
    return clean_name(typed or "") or clean_name(stem)


def _result(draft: UploadDraft, name: str, sources: Sources, cutting: Cutting) -> None:
    try:
        divided = _divided(sources, cutting)
    except TooLittleError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.button(
            form_words.ON_TRAINING, key=draft.key("on_training"), icon=":material/rule:",
            on_click=_score_on_training, args=(draft.key("held_out"),),
            **for_editors(form_words.ON_TRAINING_HELP),
        )  # fmt: skip
        return
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    division, reading = divided.division, divided.reading
    task = Task(name or form_words.UNNAMED, division.train, division.held_out, reading)
    rendering = rendering_form(draft, reading.kind)
    try:
        spec = checked_spec(name=task.name, train=("draft",), **rendering.changed())
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.markdown(_outcome(division, reading.scored_on_training))
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
    st.session_state.pop(_DIVISION, None)
    st.session_state["tasks_notice"] = words.in_library(kept.name)
    st.rerun()


def _divided(sources: Sources, cutting: Cutting) -> Divided:
    """The division of these very contents, kept from one rerun of the page to the next."""
    train = tuple(id(content) for content in sources.train)
    held_out = None if sources.held_out is None else tuple(id(content) for content in sources.held_out)
    key = (train, held_out, cutting)
    known = st.session_state.get(_DIVISION)
    # The contents are kept beside the key: as long as they live, no other object has their ids.
    if known is None or known[0] != key:
        name = sources.names[0] if len(sources.names) == 1 else form_words.these_files(len(sources.names))
        found = documents_of(
            name, sources.train, sources.held_out, cutting.split, cutting.columns, cutting.share,  # type: ignore[arg-type]
            on_training=cutting.on_training,
        )  # fmt: skip
        known = st.session_state[_DIVISION] = (key, sources, found)
    divided: Divided = known[2]
    return divided


def _outcome(division: Division, on_training: bool) -> str:
    if on_training:
        return form_words.scored_on_training(len(division.train))
    return form_words.divided(len(division.train), len(division.held_out))
