"""Add a task: from files or pasted text to documents on two sides, shown live."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from engine.errors import PalimpsestError, TaskError
from engine.experiment import SPLITS
from engine.tasks.columns import Columns
from engine.tasks.contents import Content, Table, Text
from engine.tasks.documents import Task
from engine.tasks.encodings import clean
from engine.tasks.library import MAX_NAME, text_bytes
from engine.tasks.limits import check_pieces
from engine.tasks.load import Divided, documents_of
from engine.tasks.splitting import Division, resolve_split, split_text
from ui import actions, task_draft
from ui.entrance import for_editors
from ui.task_draft import Draft, Reading
from ui.task_files import file_rows, upload_area
from ui.task_preview import task_preview
from ui.text import plain, plural

UPLOAD, PASTE = "Upload files", "Paste text"
SHARE, FILES = "A share of the documents", "Files of their own"
ONE_TEXT, PAIR = "One text", "Prompt and completion"
_SPLIT_NAMES = {
    "auto": "Automatic",
    "two blank lines": "At two blank lines",
    "blank line": "At blank lines",
    "line": "Each line",
    "file": "Each file",
}
_KINDS = "Text (.txt, .md), tables (.csv, .tsv, .jsonl, .json, .parquet), each also as .gz or together in a .zip."
_DIVISION = "tasks_division"


@dataclass(frozen=True)
class Sources:
    """The usable contents of both sides; `held_out` is None where a share is held out instead."""

    train: tuple[Content, ...]
    held_out: tuple[Content, ...] | None
    names: tuple[str, ...]
    left_out: tuple[str, ...]
    """Why files that were uploaded don't take part."""


def task_form() -> None:
    """The whole form. What was entered stays until the task is kept, whatever goes wrong."""
    draft = task_draft.current()
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
    columns = _columns(draft, task_draft.tables(readings))
    split = _split(draft, task_draft.texts(readings))
    held_out, share = _held_out(draft)
    sources = _sources(readings, held_out, columns)
    for sentence in sources.left_out:
        st.warning(plain(sentence), icon=":material/warning:")
    if sources.held_out == ():
        st.info("Add the held-out files above, or hold out a share of the documents.", icon=":material/info:")
        return
    name = _name(draft, readings)
    _result(draft, name, sources, split, columns, share)


def _uploaded(draft: Draft) -> list[Reading]:
    upload_area(draft, "train", "Files to train on", _KINDS + " Several files make one task.")
    if not draft.train:
        st.caption(_KINDS + " Nothing leaves this machine.")
    return file_rows(draft, "train")


def _pasted(draft: Draft) -> list[Reading]:
    text = st.text_area(
        "Text to train on", key=draft.key("paste"), height=260, persist_state="session",
        placeholder="Paste text here, documents separated by blank lines, then press Ctrl+Enter.",
        **for_editors("Plain text; how it is cut into documents is chosen below."),
    )  # fmt: skip
    if not text or not text.strip():
        return []
    file = task_draft.DraftFile("pasted", "pasted text", b"")
    try:
        check_pieces(file.name, text.count("\n"))
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return []
    return [Reading(file, (Text(file.name, clean(text), "utf-8", "pasted"),))]


def _columns(draft: Draft, tables: Sequence[Table]) -> Columns:
    if not tables:
        return Columns()
    names, guess = task_draft.column_names(tables), task_draft.first_guess(tables)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = ONE_TEXT
        if len(names) > 1:
            kind = st.segmented_control(
                "What is learnt from the table", (ONE_TEXT, PAIR), default=PAIR if guess.prompt else ONE_TEXT,
                required=True, key=draft.key("kind"), persist_state="session",
                help="One column as a whole; or a completion, given a prompt that is only read.",
            )  # fmt: skip
        if kind == ONE_TEXT:
            first = guess.text or guess.completion
            return Columns(text=_column(draft, "Text column", names, first, "Each row's text is one document."))
        prompt_first = guess.prompt[0] if guess.prompt else next((n for n in names if n != guess.text), names[0])
        prompt = _column(draft, "Prompt column", names, prompt_first, "What is given; it is read and never scored.")
        rest = [name for name in names if name != prompt]
        answer_first = guess.completion or guess.text
        return Columns(
            prompt=(prompt,),
            completion=_column(draft, "Completion column", rest, answer_first, "What is learnt and scored."),
        )


def _column(draft: Draft, label: str, names: list[str], first: str | None, help: str) -> str:
    key = draft.key(label.split()[0].lower())
    if st.session_state.get(key) not in (None, *names):
        del st.session_state[key]  # a column of a file that was removed
    index = names.index(first) if first in names else 0
    return st.selectbox(label, names, index=index, key=key, width=240, persist_state="session", help=help)


def _split(draft: Draft, texts: Sequence[Text]) -> str:
    if not texts:
        return "auto"
    counts = {split: _count(texts, split) for split in _SPLIT_NAMES}
    auto = resolve_split(texts, "auto")
    used = sorted({auto.of(text) for text in texts})
    meaning = " and ".join(_SPLIT_NAMES[split].lower() for split in used)

    def label(split: str) -> str:
        words = f"Automatic ({meaning})" if split == "auto" else _SPLIT_NAMES[split]
        return f"{words}: {counts[split]:,} {'document' if counts[split] == 1 else 'documents'}"

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


def _held_out(draft: Draft) -> tuple[list[Reading] | None, float]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        way = st.segmented_control(
            "Held-out text", (SHARE, FILES), default=SHARE, required=True, key=draft.key("held_out"),
            persist_state="session",
            help="Text that is never trained on: every score is measured on it.",
        )  # fmt: skip
        if way == SHARE:
            percent = st.slider(
                "Share held out", 1, 50, 10, format="%d%%", key=draft.key("share"), width=320, persist_state="session",
                help="Share of the documents, chosen at random but always the same ones.",
            )  # fmt: skip
            return None, percent / 100
    upload_area(draft, "held_out", "Held-out files", _KINDS + " Read with the same columns and split.")
    return file_rows(draft, "held_out"), 0.1


def _sources(readings: Sequence[Reading], held_out: Sequence[Reading] | None, columns: Columns) -> Sources:
    every = [*readings, *(held_out or ())]
    lacking = task_draft.without_columns(task_draft.tables(every), columns)

    def usable(side: Sequence[Reading]) -> tuple[Content, ...]:
        return tuple(content for reading in side for content in reading.usable if content.name not in lacking)

    return Sources(
        usable(readings),
        None if held_out is None else usable(held_out),
        tuple(reading.file.name for reading in every if reading.usable),
        tuple(lacking.values()),
    )


def _name(draft: Draft, readings: Sequence[Reading]) -> str:
    first = next(reading.file.name for reading in readings if reading.usable)
    stem = "" if first == "pasted text" else first.split(".")[0].replace("_", " ")[:MAX_NAME]
    typed = st.text_input(
        "Name of the task", key=draft.key("name"), placeholder=stem or "such as: support tickets", max_chars=MAX_NAME,
        width=420, persist_state="session",
        help="How experiments and figures call it. Empty: the name of the first file.",
    )  # fmt: skip
    return (typed or "").strip() or stem


def _result(draft: Draft, name: str, sources: Sources, split: str, columns: Columns, share: float) -> None:
    try:
        divided = _divided(sources, split, columns, share)
    except TaskError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    division = divided.division
    task = Task(name or "new task", division.train, division.held_out, divided.reading)
    st.markdown(_outcome(division))
    if st.button(
        "Add to the library", key=draft.key("add"), type="primary", icon=":material/library_add:",
        **for_editors("Keep this task; it can then be used in any number of experiments."),
    ):  # fmt: skip
        _keep(task if name else replace(task, name=""), sources)
    with st.container(border=True):
        st.markdown("##### Preview")
        task_preview(task, text_bytes(task.train), text_bytes(task.held_out), "tasks_new")


def _keep(task: Task, sources: Sources) -> None:
    try:
        kept = actions.add_task(task, sources.names)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    task_draft.start_afresh()
    st.session_state.pop(_DIVISION, None)
    st.session_state["tasks_said"] = f"'{kept.name}' is in the library."
    st.rerun()


def _divided(sources: Sources, split: str, columns: Columns, share: float) -> Divided:
    """The division of these very contents, kept from one rerun of the page to the next."""
    train = tuple(id(content) for content in sources.train)
    held_out = None if sources.held_out is None else tuple(id(content) for content in sources.held_out)
    key = (train, held_out, split, columns, share)
    known = st.session_state.get(_DIVISION)
    # The contents are kept beside the key: as long as they live, no other object has their ids.
    if known is None or known[0] != key:
        name = sources.names[0] if len(sources.names) == 1 else f"these {len(sources.names)} files"
        found = documents_of(name, sources.train, sources.held_out, split, columns, share)  # type: ignore[arg-type]
        known = st.session_state[_DIVISION] = (key, sources, found)
    divided: Divided = known[2]
    return divided


def _outcome(division: Division) -> str:
    learnt = f"{len(division.train):,} {'document' if len(division.train) == 1 else 'documents'}"
    parts = [f"**{learnt}** to train on and **{len(division.held_out):,}** held out."]
    if division.repeated:
        parts.append(f"{plural(division.repeated, 'repeated document')} left out.")
    if division.on_both_sides:
        parts.append(
            f"{plural(division.on_both_sides, 'training document')} left out because the held-out files have them too."
        )
    return " ".join(parts)
