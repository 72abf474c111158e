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
from figures.numbers import exact, plural
from ui.server import actions
from ui.server.entrance import for_editors
from ui.tasks import upload_draft, words
from ui.tasks.columns import RenderingChoice, columns_form, rendering_form
from ui.tasks.files import file_rows, upload_area
from ui.tasks.preview import task_preview
from ui.tasks.upload_draft import Reading, UploadDraft
from ui.widgets.text import plain

UPLOAD, PASTE = "Upload files", "Paste text"
SHARE, FILES, TRAINING = "A share", "Files of their own", "Training text"
_SPLIT_NAMES = {
    "auto": "Automatic",
    "two blank lines": "At two blank lines",
    "blank line": "At blank lines",
    "line": "Each line",
    "file": "Each file",
}
_KINDS = (
    "Any plain text (.txt, .md, source code, subtitles), web pages (.html), tables and conversations (.csv, .tsv, "
    ".xlsx, .jsonl, .json, .parquet), each also as .gz or together in a .zip."
)
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
        "Where the text comes from", (UPLOAD, PASTE), default=UPLOAD, required=True, key=draft.key("way"),
        label_visibility="collapsed", persist_state="session", help="Files from your machine, or text typed or pasted.",
    )  # fmt: skip
    readings = _pasted(draft) if way == PASTE else _uploaded(draft)
    if not readings:
        return
    if not any(reading.usable for reading in readings):
        st.info("None of this can be used yet. Mend or remove it, or add other files.", icon=":material/info:")
        return
    columns = columns_form(draft, upload_draft.tables(readings))
    if columns is None:
        return
    split = _split(draft, upload_draft.texts(readings))
    brings = any(table.side == "held_out" for table in upload_draft.tables(readings))
    held_out, share = _held_out(draft, brings)
    on_training = st.session_state.get(draft.key("held_out")) == TRAINING
    sources = _sources(readings, held_out, columns)
    for sentence in sources.left_out:
        st.warning(plain(sentence), icon=":material/warning:")
    if sources.held_out == ():
        st.info("Add the held-out files above, or hold out a share of the documents.", icon=":material/info:")
        return
    name = _name(draft, readings)
    _result(draft, name, sources, Cutting(split, columns, share, on_training))


def _uploaded(draft: UploadDraft) -> list[Reading]:
    upload_area(draft, "train", "Files to train on", _KINDS + " Several files make one task.")
    if not draft.train:
        st.caption(_KINDS + " Nothing leaves this machine.")
    return file_rows(draft, "train")


def _pasted(draft: UploadDraft) -> list[Reading]:
    text = st.text_area(
        "Text to train on", key=draft.key("paste"), height=260, persist_state="session",
        placeholder="Paste text here, documents separated by blank lines, then press Ctrl+Enter.",
        **for_editors("Plain text; how it is cut into documents is chosen below."),
    )  # fmt: skip
    if not text or not text.strip():
        return []
    file = upload_draft.DraftFile("pasted", "pasted text", b"")
    try:
        check_pieces(file.name, text.count("\n"))
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return []
    return [Reading(file, (Text(file.name, clean(text), "utf-8", "pasted"),))]


def _split(draft: UploadDraft, texts: Sequence[Text]) -> str:
    if not texts:
        return "auto"
    counts = {split: _count(texts, split) for split in _SPLIT_NAMES}
    auto = resolve_split(texts, "auto")
    used = sorted({auto.of(text) for text in texts})
    meaning = " and ".join(_SPLIT_NAMES[split].lower() for split in used)

    def label(split: str) -> str:
        name = f"Automatic ({meaning})" if split == "auto" else _SPLIT_NAMES[split]
        return f"{name}: {plural(counts[split], 'document')}"

    return st.selectbox(
        "Where documents end", [split for split in SPLITS if split in _SPLIT_NAMES], format_func=label,
        key=draft.key("split"), width=420, persist_state="session",
        help="Documents are learnt independently of each other, and are held out whole.",
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
            "Held-out text", (SHARE, FILES, TRAINING), default=SHARE, required=True, key=draft.key("held_out"),
            persist_state="session",
            help="Text that is never trained on: every score is measured on it. Where there is too little to hold any "
            "out, the training text itself can be scored; such scores are marked.",
        )  # fmt: skip
        if way == SHARE and brings:
            st.caption("The file brings rows to hold out: those are scored on.")
            return None, 0.1
        if way == SHARE:
            percent = st.slider(
                "Share held out", 1, 50, 10, format="%d%%", key=draft.key("share"), width=320, persist_state="session",
                help="Share of the documents, chosen at random but always the same ones.",
            )  # fmt: skip
            return None, percent / 100
        if way == TRAINING:
            return None, 0.1
    upload_area(draft, "held_out", "Held-out files", _KINDS + " Read with the same columns and split.")
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
    stem = "" if first == "pasted text" else first.split(".")[0].replace("_", " ")[:MAX_NAME]
    typed = st.text_input(
        "Name of the task", key=draft.key("name"), placeholder=stem or "such as: support tickets", max_chars=MAX_NAME,
        width=420, persist_state="session",
        help="How experiments and figures call it. Empty: the name of the first file.",
    )  # fmt: skip
    return clean_name(typed or "") or clean_name(stem)


def _result(draft: UploadDraft, name: str, sources: Sources, cutting: Cutting) -> None:
    try:
        divided = _divided(sources, cutting)
    except TooLittleError as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.button(
            "Score it on its own training text", key=draft.key("on_training"), icon=":material/rule:",
            on_click=_score_on_training, args=(draft.key("held_out"),),
            **for_editors("Nothing is held out then; wherever such a score stands it is marked."),
        )  # fmt: skip
        return
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    division, reading = divided.division, divided.reading
    task = Task(name or "new task", division.train, division.held_out, reading)
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
        "Add to the library", key=draft.key("add"), type="primary", icon=":material/library_add:",
        **for_editors("Keep this task; it can then be used in any number of experiments."),
    ):  # fmt: skip
        _keep(task if name else replace(task, name=""), sources, rendering)
    with st.container(border=True):
        st.markdown("##### Preview")
        task_preview(task, spec, text_bytes(task.train), text_bytes(task.held_out), "tasks_new")


def _score_on_training(key: str) -> None:
    st.session_state[key] = TRAINING


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
        name = sources.names[0] if len(sources.names) == 1 else f"these {len(sources.names)} files"
        found = documents_of(
            name, sources.train, sources.held_out, cutting.split, cutting.columns, cutting.share,  # type: ignore[arg-type]
            on_training=cutting.on_training,
        )  # fmt: skip
        known = st.session_state[_DIVISION] = (key, sources, found)
    divided: Divided = known[2]
    return divided


def _outcome(division: Division, on_training: bool) -> str:
    learnt = plural(len(division.train), "document")
    if on_training:
        return f"**{learnt}** to train on, and to be scored on: **nothing is held out**."
    return f"**{learnt}** to train on and **{exact(len(division.held_out))}** held out."
