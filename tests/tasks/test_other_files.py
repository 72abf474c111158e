"""Files beside tables: code and other plain text, web pages, workbooks, front matter, and what is refused."""

import datetime
import io
import zipfile
from typing import Any

import openpyxl
import pytest

from engine.common.errors import TaskError
from engine.tasks.files import limits
from engine.tasks.files.contents import ReadingOptions, Table, Text, Unreadable
from engine.tasks.files.web_pages import text_of
from engine.tasks.readers import read_source
from engine.tasks.tables.sheets import rows_of


def text(name: str, data: str | bytes, **options: Any) -> Text:
    (content,) = read_source(name, data.encode() if isinstance(data, str) else data, ReadingOptions(**options))
    assert isinstance(content, Text)
    return content


def workbook(*rows: list[Any], title: str = "Sheet", **others: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    for name, cells in others.items():
        sheet = book.create_sheet(name)
        for row in cells:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sheet(data: bytes, **options: Any) -> Table:
    (content,) = read_source("a.xlsx", data, ReadingOptions(**options))
    assert isinstance(content, Table)
    return content


@pytest.mark.parametrize(
    "name",
    ["a.py", "a.RS", "a.srt", "a.vtt", "a.tex", "a.log", "a.yaml", "a.xml", "a.text", "a.unheard", "README"],
)  # fmt: skip
def test_any_plain_text_is_read_as_it_stands(name: str) -> None:
    read = text(name, "def f():\n\treturn 1\n")
    assert (read.text, read.format) == ("def f():\n\treturn 1\n", "txt")


def test_binary_data_of_an_unknown_ending_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^a\.unheard: this is not text but binary data"):
        read_source("a.unheard", bytes(range(256)) * 4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.docx", r"this is a Word document \(\.docx\), which can't be read; open it and save it as plain text"),
        ("a.PDF", r"this is a PDF document \(\.pdf\).*save its text as plain text"),
        ("a.xls", r"this is an old Excel workbook.*save it as \.xlsx or \.csv"),
        ("a.odt", "this is an OpenDocument text"),
        ("a.pptx", "this is a presentation"),
        ("a.epub", "this is an e-book"),
        ("a.rtf", "this is an RTF document"),
        ("a.doc", "this is a Word document"),
        ("a.ipynb", r"this is a notebook.*save it as a script \(\.py\) or as Markdown \(\.md\)"),
        ("a.pkl", "this is a Python pickle, which can run code"),
        ("a.7z", r"unpack it, and pack the files as \.zip"),
        ("a.docx.gz", "this is a Word document"),
    ],
)
def test_what_can_not_be_read_is_called_by_its_name_with_a_remedy(name: str, words: str) -> None:
    import gzip

    data = gzip.compress(b"x") if name.endswith(".gz") else b"PK\x03\x04 whatever"
    with pytest.raises(TaskError, match=rf"(?i)^{name}: .*{words}.*\.$"):
        read_source(name, data)


FRONT = "---\ntitle: Soup\ntags:\n- hot\n\n# a comment\nnested:\n  key: value\n---\n"


@pytest.mark.parametrize(
    "front", [FRONT, "\n" + FRONT, "+++\ntitle = 'Soup'\n[extra]\nn = 1\n+++\n", "---\na: 1\n...\n"]
)
@pytest.mark.parametrize("name", ["a.md", "a.markdown", "a.qmd", "a.mdx"])
def test_front_matter_is_no_text_unless_asked_for(name: str, front: str) -> None:
    body = "\nBoil it.\n\n---\n\nEat: now.\n"
    read = text(name, front + body)
    assert read.text == body
    assert [remark.split(" (")[0] for remark in read.remarks] == ["The front matter"]
    whole = text(name, front + body, front_matter=True)
    assert (whole.text, whole.remarks) == (front + body, ())


@pytest.mark.parametrize(
    "body",
    ["---\n\nText between rules.\n\n---\nmore\n", "---\n---\nx\n", "---\nNote: yes\nand so on\n---\n", "---\na: b\n"],
)
def test_text_between_rules_is_no_front_matter(body: str) -> None:
    assert text("a.md", body).text == body
    assert text("a.md", body).remarks == ()


def test_only_markdown_has_front_matter_and_nothing_else_is_refused() -> None:
    assert text("a.txt", FRONT).text == FRONT
    with pytest.raises(TaskError, match="holds nothing but front matter"):
        read_source("a.md", FRONT.encode())


PAGE = """<!doctype html><html><head><title>No</title><style>p {}</style></head><body>
<h1>A <b>bo</b>ld head</h1><p>One
  line<br>and another &amp; <i>m</i>ore.</p><script>no()</script>
<ul><li>first</li><li>second</ul><pre>  kept
    as it is</pre><table><tr><td>a</td><td>b</td></tr><tr><td>c<td>d</table><!-- no --></body></html>"""


@pytest.mark.parametrize("name", ["a.html", "a.htm", "a.html.gz", "a.zip"])
def test_the_text_of_a_page_is_read(name: str) -> None:
    import gzip

    data = PAGE.encode()
    if name == "a.zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("page.html", data)
        data = file.getvalue()
    read = text(name, gzip.compress(data) if name.endswith(".gz") else data)
    assert read.text == (
        "A bold head\n\nOne line\nand another & more.\n\nfirst\nsecond\n\n  kept\n    as it is\n\na\tb\nc\td"
    )


def test_the_pages_of_a_zip_are_read_by_one_child_and_a_bad_one_costs_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from engine.tasks.files import web_pages

    started = []
    run = web_pages.read_in_child
    monkeypatch.setattr(web_pages, "read_in_child", lambda *a: (started.append(a), run(*a))[1])
    data = zipped(a_html=b"<p>one", b_txt=b"two", c_html=b"<script>", d_htm=b"<p>three")
    contents = read_source("a.zip", data)
    assert [getattr(content, "text", "") for content in contents] == ["one", "two", "", "three"]
    assert isinstance(contents[2], Unreadable)
    assert len(started) == 1


def test_a_page_that_ends_the_child_leaves_the_other_pages_of_a_zip(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.tasks.files import web_pages

    run = web_pages.read_in_child

    def fragile(command: list[str], name: str, data: bytes, *words: str) -> bytes:
        if b"fatal" in data:
            raise TaskError(f"{name}: it ended.")
        return run(command, name, data, *words)

    monkeypatch.setattr(web_pages, "read_in_child", fragile)
    first, second, bad = read_source("a.zip", zipped(a_html=b"<p>one", b_html=b"<p>two", c_html=b"<p>fatal"))
    assert (getattr(first, "text", ""), getattr(second, "text", "")) == ("one", "two")
    assert getattr(bad, "reason", "") == "a.zip/c.html: it ended."


def test_a_page_is_decoded_as_it_says_unless_that_is_wrong() -> None:
    page = '<html><head><meta charset="{}"></head><body><p>süß</p></body></html>'
    assert text("a.html", page.format("iso-8859-1").encode("latin-1")).text == "süß"
    assert text("a.html", page.format("utf-8").encode("latin-1")).text == "süß"
    assert text("a.html", page.format("nonsense").encode()).text == "süß"
    assert text("a.html", page.format("utf-8").encode(), encoding="windows-1251").text == "sГјГџ"


def test_a_page_without_text_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^a\.html: the page shows no text"):
        read_source("a.html", b"<html><head><title>x</title></head><body><script>x</script></body></html>")


def test_deep_pages_are_read_whole_or_refused() -> None:
    deep = b"<div>" * 1000 + b"deep" + b"</div>" * 1000 + b"<p>after"
    assert text_of("a.html", deep) == "deep\n\nafter"
    with pytest.raises(TaskError, match=r"^a\.html: its elements are nested too deeply"):
        read_source("a.html", b"<div>" * 1_000_000)
    with pytest.raises(TaskError, match=r"^a\.html: its elements are nested too deeply"):
        read_source("a.html", b"<div>" * 50_000 + b"deep" + b"</div>" * 50_000 + b"<p>after")


def test_a_page_of_too_many_elements_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_PIECES", 1000)
    with pytest.raises(TaskError, match="more than 1,000 lines or cells"):
        text_of("a.html", b"<p>x" * 2000)


@pytest.mark.parametrize("name", ["a.html", "a.xlsx"])
def test_a_file_that_ends_its_reader_costs_nothing_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from engine.tasks.files import web_pages
    from engine.tasks.tables import sheets

    for module in (sheets, web_pages):
        monkeypatch.setattr(module, "_CHILD", [sys.executable, "-c", "import os; os.abort()"])
    with pytest.raises(TaskError, match=rf"^{name}: this .* save "):
        read_source(name, b"<p>text")


def test_a_workbook_is_read_as_people_see_it() -> None:
    noon = datetime.datetime(2024, 5, 1, 12, 30)
    read = sheet(
        workbook(
            ["text", "n", "when"], ["one", 5.0, datetime.date(2024, 5, 1)], ["two\nlines", 2.5, noon], [None, True]
        )
    )
    assert read.frame.to_dict("list") == {
        "text": ["one", "two\nlines", ""], "n": ["5", "2.5", "TRUE"], "when": ["2024-05-01", "2024-05-01 12:30:00", ""],
    }  # fmt: skip
    assert (read.frame.index.tolist(), read.row_word, read.format) == ([2, 3, 4], "row", "xlsx")
    assert read.remarks == ()


def test_the_first_sheet_with_content_is_read_and_the_others_are_named() -> None:
    read = sheet(workbook(Data=[["Report"], [], ["text", "label"], ["one", "a"], ["two", "b"]], More=[["x"]], Empty=[]))
    assert read.frame["text"].tolist() == ["one", "two"]
    assert read.remarks == (
        "The sheet 'Data' alone was read; there are also More.",
        'The first row stands above the table and was left out: "Report".',
    )


def test_the_header_of_a_workbook_can_be_decided() -> None:
    read = sheet(workbook(["text"], ["one"], ["two"]), header=False)
    assert read.frame["column 1"].tolist() == ["text", "one", "two"]
    assert [other.header for other in read.alternatives] == [True]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"no workbook", "this is not a whole Excel workbook"),
        (workbook(["text"], ["one"])[:-50], "this is not a whole Excel workbook"),
        (workbook(), "none of its sheets has a cell with text"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 99, "locked with a password"),
    ],
)
def test_a_bad_workbook_gets_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(TaskError, match=rf"^a\.xlsx: .*{words}.*\.$"):
        read_source("a.xlsx", data)


def test_a_workbook_that_would_grow_beyond_the_caps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = workbook(["text"], *(["word " * 200] for _ in range(2000)))
    monkeypatch.setattr(limits, "MAX_BYTES", 100_000)
    with pytest.raises(TaskError, match="unpacked it would be larger"):
        rows_of("a.xlsx", whole)
    monkeypatch.setattr(limits, "MAX_BYTES", 100_000_000)
    monkeypatch.setattr(limits, "MAX_PIECES", 1000)
    with pytest.raises(TaskError, match="more than 1,000 lines or cells"):
        rows_of("a.xlsx", whole)


def test_a_sheet_that_claims_a_row_far_below_is_refused() -> None:
    whole = workbook(["text"], ["one"])
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(file, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member.endswith("sheet1.xml"):
                content = content.replace(b'r="2"', b'r="2000000000"').replace(b'"A2"', b'"A2000000000"')
            new.writestr(member, content)
    with pytest.raises(TaskError, match=r"^a\.xlsx: has more rows than a sheet may have"):
        rows_of("a.xlsx", file.getvalue())


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_", "."), data)
    return file.getvalue()


def test_code_within_a_zip_is_read() -> None:
    contents = read_source("code.zip", zipped(a_py=b"x = 1\n", b_py=b"y = 2\n", README_md=b"# Code\n"))
    assert [getattr(content, "text", "") for content in contents] == ["x = 1\n", "y = 2\n", "# Code\n"]


def test_a_zip_most_of_whose_files_can_not_be_used_is_refused() -> None:
    data = zipped(a_png=b"x", b_png=b"y", c_docx=b"z", d_txt=b"text")
    with pytest.raises(TaskError, match=r"^a\.zip: 3 of its 4 files can't be used: \.png \(2\), \.docx \(1\)\. Pack"):
        read_source("a.zip", data)


def test_files_within_a_zip_that_can_not_be_used_for_one_reason_are_one_sentence() -> None:
    contents = read_source("a.zip", zipped(a_png=b"x", b_png=b"y", c_txt=b"one", d_txt=b"two"))
    (bad,) = [content for content in contents if isinstance(content, Unreadable)]
    assert bad.reason == (
        "a.zip/a.png: this is a picture (.png), which can't be read; upload text instead. "
        "The same holds for a.zip/b.png."
    )
