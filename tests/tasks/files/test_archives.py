"""Compressed uploads: read when whole, refused when dangerous, and never unpacked beyond the cap."""

import gzip
import io
import zipfile

import pytest

from engine.common.errors import TaskError
from engine.tasks.files import limits
from engine.tasks.files.contents import Table, Text, Unreadable
from engine.tasks.readers import read_source


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def test_a_gzipped_file_is_read_by_its_inner_name() -> None:
    (text,) = read_source("a.txt.gz", gzip.compress(b"hello\nthere"))
    (table,) = read_source("b.csv.gz", gzip.compress(b"text,n\nhello,1\n"))
    assert isinstance(text, Text)
    assert text.text == "hello\nthere"
    assert isinstance(table, Table)
    assert table.frame["text"].tolist() == ["hello"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b"hello" * 100, mtime=0)[:-12], "damaged or cut off"),
        (b"plain", "not a gzip file"),
        (b"", "not a gzip file"),
    ],
)
def test_a_bad_gzip_file_is_named(data: bytes, words: str) -> None:
    with pytest.raises(TaskError, match=rf"^a\.txt\.gz: .*{words}"):
        read_source("a.txt.gz", data)


def test_every_file_of_a_zip_is_read_and_one_bad_one_costs_nothing_else() -> None:
    data = zipped(
        {
            "one.txt": b"first", "deep/two.md": b"# second", "three.jsonl.gz": gzip.compress(b'{"text": "third"}'),
            "photo.png": b"\x89PNG", "empty.txt": b"", "__MACOSX/._one.txt": b"x", ".DS_Store": b"x",
            "inner.zip": b"PK",
        }
    )  # fmt: skip
    contents = read_source("all.zip", data)
    usable = [content.name for content in contents if not isinstance(content, Unreadable)]
    reasons = [content.reason for content in contents if isinstance(content, Unreadable)]
    assert usable == ["all.zip/one.txt", "all.zip/deep/two.md", "all.zip/three.jsonl.gz"]
    bad = ("photo.png", "empty.txt", "inner.zip")
    assert [reason.split(":")[0] for reason in reasons] == [f"all.zip/{name}" for name in bad]


@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/etc/evil.txt", "C:\\evil.txt", "..\\evil.txt"])
def test_a_zip_whose_names_lead_out_of_it_is_refused(name: str) -> None:
    with pytest.raises(TaskError, match=r"^all\.zip: the file name .* leads out of it; pack the files again"):
        read_source("all.zip", zipped({"good.txt": b"x", name: b"y"}))


def test_a_zip_that_would_grow_beyond_the_cap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 100_000)
    bomb = zipped({"a.txt": b"0" * 200_000})
    assert len(bomb) < 1000
    with pytest.raises(TaskError, match=r"all\.zip: unpacked it would be larger than"):
        read_source("all.zip", bomb)


def test_a_zip_that_lies_about_its_sizes_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 100_000)
    data = bytearray(zipped({"a.txt": b"0" * 200_000}))
    size = (200_000).to_bytes(4, "little")
    lie = (10).to_bytes(4, "little")
    with pytest.raises(TaskError):
        read_source("all.zip", bytes(data).replace(size, lie))


def test_a_gzip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 100_000)
    with pytest.raises(TaskError, match=r"a\.txt\.gz: unpacked it would be larger than"):
        read_source("a.txt.gz", gzip.compress(b"0" * 200_000))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"nothing of the kind", "damaged or cut off"),
        (zipped({"a.txt": b"hello"})[:-30], "damaged or cut off"),
        (zipped({}), "holds no files"),
        (zipped({"a.png": b"x", "b.png": b"y"}), "none of its 2 files can be used"),
    ],
)
def test_a_bad_zip_gets_one_sentence(data: bytes, words: str) -> None:
    with pytest.raises(TaskError, match=rf"^all\.zip: .*{words}"):
        read_source("all.zip", data)


def test_a_damaged_member_is_named_and_the_others_are_read() -> None:
    data = zipped({"good.txt": b"fine text", "bad.txt": b"will be damaged"}, zipfile.ZIP_STORED)
    contents = read_source("all.zip", data.replace(b"will be damaged", b"has been damage"))
    assert [type(content) for content in contents] == [Text, Unreadable]
    assert contents[1].name == "all.zip/bad.txt"
