"""Uploaded files as rows: what was recognised, what is wrong, how to read them instead, and how to be rid of them."""

from collections.abc import Sequence

import streamlit as st

from engine.common.quoting import listed
from engine.tasks.files.contents import Content, Table, TableReading, Text, Unreadable, explain_left_out
from engine.tasks.files.encodings import ENCODINGS
from engine.tasks.files.front_matter import REMARK as FRONT_MATTER
from engine.tasks.files.kinds import format_of, refusal
from figures.numbers import bytes_size
from ui.server.entrance import for_editors
from ui.tasks import form_words, upload_draft
from ui.tasks.upload_draft import DraftFile, Reading, UploadDraft
from ui.widgets.text import plain

SHOWN_FILES = 6
_SNIPPET = 120


def upload_area(draft: UploadDraft, side: str, label: str, help: str) -> None:
    """A place to drop files; what is dropped moves into the draft and is listed below."""
    key = draft.key(f"upload_{side}_{draft.uploads}")
    st.file_uploader(
        label, accept_multiple_files=True, key=key, **for_editors(help),
        on_change=upload_draft.take_uploads, args=(key, side),
    )  # fmt: skip


def file_rows(draft: UploadDraft, side: str) -> list[Reading]:
    """The draft's files, those that need a look first, the rest folded away where they are many."""
    readings = upload_draft.read(draft.side(side))
    doubtful = [reading for reading in readings if _needs_a_look(reading)]
    fine = [reading for reading in readings if not _needs_a_look(reading)]
    for reading in doubtful:
        _row(draft, side, reading)
    if len(fine) > SHOWN_FILES:
        size = bytes_size(sum(len(reading.file.data) for reading in fine))
        with st.expander(form_words.fine_files(len(fine), size), icon=":material/check:"):
            for reading in fine:
                _row(draft, side, reading)
    else:
        for reading in fine:
            _row(draft, side, reading)
    return readings


def _needs_a_look(reading: Reading) -> bool:
    return bool(reading.error) or any(
        isinstance(content, Unreadable)
        or not content.certain
        or set(content.remarks) - {FRONT_MATTER}
        or (isinstance(content, Table) and content.left_out)
        for content in reading.contents
    )


def _row(draft: UploadDraft, side: str, reading: Reading) -> None:
    file = reading.file
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(file.name)}**  \n:gray[{plain(_facts(reading))}]", width="stretch")
            _encoding_choice(draft, side, reading)
            st.button(
                form_words.REMOVE,
                key=draft.key(f"remove_{side}_{file.file_id}"),
                icon=":material/close:",
                type="tertiary",
                help=form_words.REMOVE_HELP,
                on_click=upload_draft.remove,
                args=(side, file.file_id),
            )
        _reading_choice(draft, side, reading)
        _front_matter_choice(draft, side, reading)
        if reading.error:
            st.error(plain(reading.error), icon=":material/error:")
        _remarks(reading)
        for content in reading.contents:
            _doubts(content)


def _encoding_choice(draft: UploadDraft, side: str, reading: Reading) -> None:
    file = reading.file
    _, format = format_of(file.name)
    if not file.data or format in ("parquet", "xlsx") or refusal(format):
        return
    key = draft.key(f"encoding_{side}_{file.file_id}")
    st.selectbox(
        form_words.ENCODING,
        [None, *ENCODINGS],
        index=[None, *ENCODINGS].index(file.encoding),
        format_func=lambda encoding: ENCODINGS[encoding] if encoding else _recognised(reading),
        key=key,
        label_visibility="collapsed",
        width=240,
        help=form_words.ENCODING_HELP,
        on_change=_choose_encoding,
        args=(file, key),
    )


def _choose_encoding(file: DraftFile, key: str) -> None:
    file.choose_encoding(st.session_state[key])


def _reading_choice(draft: UploadDraft, side: str, reading: Reading) -> None:
    """Say how a delimited table or a workbook is read; another choice reads it again."""
    file = reading.file
    table = reading.contents[0] if len(reading.contents) == 1 else None
    if isinstance(table, Table) and table.reading and not file.offered:
        file.offered = (table.reading, *table.alternatives)
    if len(file.offered) < 2:
        return
    key = draft.key(f"reading_{side}_{file.file_id}_{file.encoding}")
    st.selectbox(
        form_words.READING,
        range(len(file.offered)),
        format_func=lambda place: reading_in_words(file.offered[place]),
        key=key,
        help=form_words.READING_HELP,
        on_change=_choose_reading,
        args=(file, key),
    )


def _choose_reading(file: DraftFile, key: str) -> None:
    file.choose_reading(file.offered[st.session_state[key]])


def reading_in_words(reading: TableReading) -> str:
    """Such as "41 rows × 2 columns, commas between, first row is a header"."""
    parts = [form_words.shape(reading.rows, reading.columns)]
    if reading.delimiter:
        parts.append(form_words.between(reading.delimiter))
    parts.append(form_words.HEADER if reading.header else form_words.NO_HEADER)
    if not reading.quotes:
        parts.append(form_words.QUOTES_ARE_TEXT)
    return ", ".join(parts)


def _front_matter_choice(draft: UploadDraft, side: str, reading: Reading) -> None:
    file = reading.file
    if not (file.front_matter or any(FRONT_MATTER in content.remarks for content in reading.usable)):
        return
    key = draft.key(f"front_matter_{side}_{file.file_id}")
    st.checkbox(
        form_words.FRONT_MATTER, value=file.front_matter, key=key, on_change=_choose_front_matter,
        args=(file, key), help=form_words.FRONT_MATTER_HELP,
    )  # fmt: skip


def _choose_front_matter(file: DraftFile, key: str) -> None:
    file.front_matter = st.session_state[key]


def _recognised(reading: Reading) -> str:
    if reading.file.encoding is not None:
        return form_words.RECOGNISE
    found = {content.encoding for content in reading.usable if content.encoding}
    if len(found) == 1:
        return form_words.recognised(encoding_name(found.pop()))
    return form_words.SEVERAL_RECOGNISED if found else form_words.NOT_RECOGNISED


def encoding_name(encoding: str) -> str:
    """An encoding as users know it."""
    return ENCODINGS.get(encoding, encoding.upper())


def _facts(reading: Reading) -> str:
    parts = [bytes_size(len(reading.file.data))]
    if len(reading.contents) > 1:
        parts.append(form_words.inside(len(reading.usable)))
    elif reading.contents:
        parts.append(describe(reading.contents[0]))
    return " · ".join(parts)


def describe(content: Content) -> str:
    """The recognised format of a content in a few words."""
    if isinstance(content, Text):
        return form_words.text_of(content.format, len(content.text))
    if isinstance(content, Table):
        return form_words.table_of(content.format, len(content.frame), content.frame.shape[1], content.delimiter)
    return form_words.NOT_READABLE


def _remarks(reading: Reading) -> None:
    """The remarks on the contents, each once."""
    places: dict[str, list[str]] = {}
    for content in reading.usable:
        for remark in content.remarks:
            places.setdefault(remark, []).append(content.name)
    for remark, names in places.items():
        where = f"{listed(names, 3)}: " if len(reading.contents) > 1 else ""
        st.info(plain(f"{where}{remark}"), icon=":material/info:")


def _doubts(content: Content) -> None:
    if isinstance(content, Unreadable):
        st.warning(plain(content.reason), icon=":material/warning:")
        return
    if not content.certain:
        st.warning(
            form_words.doubtful_encoding(content.name, encoding_name(content.encoding), content.how),
            icon=":material/translate:",
        )
        st.code(_foreign_snippet(content), language=None, wrap_lines=True)
    if isinstance(content, Table) and content.left_out:
        st.warning(plain(f"{content.name}: {explain_left_out(content.left_out)}"), icon=":material/warning:")


def _foreign_snippet(content: Text | Table) -> str:
    """The first place with letters beyond ASCII, by which a wrong encoding shows."""
    if isinstance(content, Text):
        return _around(content.text)
    cells: Sequence[str] = [cell for row in content.frame.head(2000).itertuples(index=False) for cell in row]
    return _around(next((cell for cell in cells if not cell.isascii()), content.frame.columns[0]))


def _around(text: str) -> str:
    first = next((i for i, character in enumerate(text) if character > "\x7f"), 0)
    return " ".join(text[max(0, first - _SNIPPET // 2) : first + _SNIPPET].split())
