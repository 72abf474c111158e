"""Pages and workbooks from strangers: whatever they hold, errors are ours."""

import contextlib
import io

import openpyxl
from hypothesis import given
from hypothesis import strategies as st

from engine.common.errors import TaskError
from engine.tasks.files.web_pages import text_of
from engine.tasks.tables.sheets import rows_of
from tests.tasks.test_hostile import QUICK, TEXTS, damaged, raw


def workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in (["text", "n"], ["one", 1], ["two", 2.5]):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@QUICK
@given(damaged(workbook()))
def test_any_damaged_workbook_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(TaskError):
        rows_of("a.xlsx", data)


MARKUP = st.sampled_from(
    ["<p>", "</p>", "<pre>", "<div", ">", "<!--", "-->", "<td>", "<script>", "</script>", "&#0;", "&"]
)


@QUICK
@given(st.lists(MARKUP | TEXTS, max_size=20).map("".join).map(raw) | st.binary(max_size=99))
def test_any_page_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(TaskError):
        assert "\0" not in text_of("a.html", data)
