"""Uploaded files as rows: what was recognised, what is wrong, how to read them instead, and how to be rid of them."""

from collections.abc import Sequence

import streamlit as st

from engine.common.quoting import listed
from engine.tasks.files.contents import Content, Table, TableReading, Text, Unreadable, explain_left_out
from engine.tasks.files.encodings import ENCODINGS
from engine.tasks.files.front_matter import REMARK as FRONT_MATTER
from engine.tasks.files.kinds import format_of, refusal
from figures.numbers import bytes_size, exact, plural
from ui.server.entrance import for_editors
from ui.tasks import upload_draft
from ui.tasks.upload_draft import DraftFile, Reading, UploadDraft
from ui.widgets.text import plain

SHOWN_FILES = 6
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
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
        with st.expander(f"{len(fine)} files read without trouble, {size}", icon=":material/check:"):
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
                "Remove", key=draft.key(f"remove_{side}_{file.file_id}"), icon=":material/close:", type="tertiary",
                help="Take this file out of the new task.", on_click=upload_draft.remove, args=(side, file.file_id),
            )  # fmt: skip
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
        "Encoding",
        [None, *ENCODINGS],
        index=[None, *ENCODINGS].index(file.encoding),
        format_func=lambda encoding: ENCODINGS[encoding] if encoding else _recognised(reading),
        key=key,
        label_visibility="collapsed",
        width=240,
        help="The encoding of this file. Choose another one where letters look wrong.",
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
        "Reading",
        range(len(file.offered)),
        format_func=lambda place: reading_in_words(file.offered[place]),
        key=key,
        help="How the rows and columns of this file are read. Choose another way where the preview looks wrong.",
        on_change=_choose_reading,
        args=(file, key),
    )


def _choose_reading(file: DraftFile, key: str) -> None:
    file.choose_reading(file.offered[st.session_state[key]])


def reading_in_words(reading: TableReading) -> str:
    """Such as "41 rows × 2 columns, commas between, first row is a header"."""
    parts = [f"{plural(reading.rows, 'row')} × {plural(reading.columns, 'column')}"]
    if reading.delimiter:
        parts.append(f"{_DELIMITERS.get(reading.delimiter, repr(reading.delimiter))} between")
    parts.append("first row is a header" if reading.header else "no header")
    if not reading.quotes:
        parts.append("quotation marks are text")
    return ", ".join(parts)


def _front_matter_choice(draft: UploadDraft, side: str, reading: Reading) -> None:
    file = reading.file
    if not (file.front_matter or any(FRONT_MATTER in content.remarks for content in reading.usable)):
        return
    key = draft.key(f"front_matter_{side}_{file.file_id}")
    st.checkbox(
        "Learn the front matter, too", value=file.front_matter, key=key, on_change=_choose_front_matter,
        args=(file, key), help="The settings between two lines at the top of a Markdown file, such as its title.",
    )  # fmt: skip


def _choose_front_matter(file: DraftFile, key: str) -> None:
    file.front_matter = st.session_state[key]


def _recognised(reading: Reading) -> str:
    if reading.file.encoding is not None:
        return "Recognise it"
    found = {content.encoding for content in reading.usable if content.encoding}
    if len(found) == 1:
        return f"{encoding_name(found.pop())} (recognised)"
    return "Several, recognised" if found else "Not recognised"


def encoding_name(encoding: str) -> str:
    """An encoding as users know it."""
    return ENCODINGS.get(encoding, encoding.upper())


def _facts(reading: Reading) -> str:
    parts = [bytes_size(len(reading.file.data))]
    if len(reading.contents) > 1:
        parts.append(f"{plural(len(reading.usable), 'file')} inside")
    elif reading.contents:
        parts.append(describe(reading.contents[0]))
    return " · ".join(parts)


def describe(content: Content) -> str:
    """The recognised format of a content in a few words."""
    if isinstance(content, Text):
        return f"{'Markdown' if content.format == 'md' else 'plain text'}, {exact(len(content.text))} characters"
    if isinstance(content, Table):
        between = f" between {_DELIMITERS[content.delimiter]}" if content.delimiter in _DELIMITERS else ""
        kind = {"jsonl": "JSON Lines", "json": "JSON", "parquet": "Parquet", "xlsx": "Excel"}.get(
            content.format, content.format.upper()
        )
        rows, columns = content.frame.shape
        return f"{kind} table, {exact(rows)} rows × {plural(columns, 'column')}{between}"
    return "not readable"


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
            f"{plain(content.name)} was read as **{encoding_name(content.encoding)}** because of "
            f"{plain(content.how)}. Is this right? If not, choose another encoding.",
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
