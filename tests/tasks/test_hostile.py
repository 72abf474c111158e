"""Files from strangers: whatever they hold, errors are ours, memory is bounded, and nothing is written anywhere."""

import gzip
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.common.errors import TaskError
from engine.common.quoting import clean_name, visible
from engine.tasks.columns import Columns
from engine.tasks.documents import Document, Task
from engine.tasks.files import limits
from engine.tasks.files.contents import ReadingOptions, Table, Text, Unreadable
from engine.tasks.files.encodings import ENCODINGS
from engine.tasks.files.kinds import SUFFIXES
from engine.tasks.library import Library
from engine.tasks.load import documents_of
from engine.tasks.readers import read_source

ROOT = Path(__file__).resolve().parents[2]
QUICK = settings(max_examples=60, deadline=None)
ODD = "ab \n\t\r\0\x1b\ufeff\u202e\u2028\ud800\U0010ffff,;|\"'{}[]:\\=<é图🙂0-.e"
TEXTS = st.text(st.sampled_from(ODD), max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def read(name: str, data: bytes, encoding: str | None = None) -> None:
    """Read and cut an upload as the page does; errors of our family are what may happen."""
    said = ""
    try:
        contents = read_source(name, data, ReadingOptions(encoding))
        for content in contents:
            assert isinstance(content, Text | Table | Unreadable)
            if isinstance(content, Table):
                content.frame.to_csv().encode()  # no half of a character, in no name of a column
        documents_of("upload", contents, None, "auto", Columns(), 0.1)
    except TaskError as error:
        said = str(error)
    assert len(said) < 3000


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with some bytes changed, cut out or put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pa.parquet.write_table(table, file)
    return file.getvalue()


IN_A_CHILD = ("parquet", "xlsx", "html")
"""Endings whose files start a process each; what it does is tested without."""
WHOLE_ZIP = zipped(("a.txt", b"one\n\ntwo"), ("b.csv", b"text,n\nx,1\n"), ("c.jsonl.gz", gzip.compress(b'{"a": "b"}')))
WHOLE_PARQUET = parquet(pa.table({"text": ["a", "b"], "n": [1, None], "list": [["x"], []], "raw": [b"x", b"y"]}))


@QUICK
@given(st.sampled_from([s for s in SUFFIXES if s not in IN_A_CHILD]), st.binary(max_size=300) | TEXTS.map(raw))
def test_any_bytes_under_any_name_are_read_or_refused(ending: str, data: bytes) -> None:
    read(f"upload.{ending}", data)


@QUICK
@given(TEXTS.map(raw), st.sampled_from([*ENCODINGS, "undefined", "idna", "a\0b", "hex", "", "x" * 999]) | TEXTS)
def test_any_encoding_is_taken_or_refused(data: bytes, encoding: str) -> None:
    read("upload.txt", data, encoding)


@QUICK
@given(st.lists(JSON, max_size=4), st.sampled_from(["json", "jsonl"]))
def test_any_json_is_read_or_refused(rows: list[object], ending: str) -> None:
    lines = [json.dumps(row) for row in rows]
    read(f"upload.{ending}", raw("\n".join(lines) if ending == "jsonl" else f"[{','.join(lines)}]"))


@QUICK
@given(st.lists(st.lists(TEXTS, max_size=4), max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_any_table_of_text_is_read_or_refused(rows: list[list[str]], delimiter: str) -> None:
    read("upload.csv", raw("\n".join(delimiter.join(row) for row in rows)))


@QUICK
@given(damaged(WHOLE_ZIP))
def test_any_damaged_zip_is_read_or_refused(data: bytes) -> None:
    read("upload.zip", data)


@QUICK
@given(damaged(gzip.compress(b"one\n\ntwo\n\nthree")))
def test_any_damaged_gzip_is_read_or_refused(data: bytes) -> None:
    read("upload.txt.gz", data)


@QUICK
@given(st.lists(TEXTS.map(lambda t: t.replace("\ud800", "?")), min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_any_names_within_a_zip_are_read_or_refused(names: list[str]) -> None:
    read("upload.zip", zipped(*((f"n{name}.txt", b"some text") for name in names)))


@pytest.mark.parametrize("data", [WHOLE_PARQUET[:-9], WHOLE_PARQUET.replace(b"\x15", b"\x7f"), b"PAR1" + b"\xff" * 99])
def test_a_damaged_parquet_file_is_refused(data: bytes) -> None:
    with pytest.raises(TaskError, match=r"^upload\.parquet: this is not a whole Parquet file"):
        read_source("upload.parquet", data)


def test_a_parquet_file_that_ends_the_program_that_reads_it_costs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.tasks.tables import parquet as module

    monkeypatch.setattr(module, "_CHILD", [sys.executable, "-c", "import os; os.abort()"])
    with pytest.raises(TaskError, match=r"^a\.parquet: this is not a whole Parquet file"):
        read_source("a.parquet", WHOLE_PARQUET)


def test_a_parquet_file_that_fills_the_memory_of_its_reader_is_said_to_be_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from engine.tasks.tables import parquet as module

    def fill(*_: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 7 failed")

    monkeypatch.setattr(module, "_columns", fill)
    with pytest.raises(TaskError, match="takes more memory than one upload may"):
        module.columns_of("a.parquet", WHOLE_PARQUET)


def test_a_link_within_a_zip_is_not_followed() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        link = zipfile.ZipInfo("secret.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.txt", "text")
    link_found, good = read_source("a.zip", file.getvalue())
    assert isinstance(link_found, Unreadable)
    assert "is a link" in link_found.reason
    assert isinstance(good, Text)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_all_at_once_are_refused(method: int) -> None:
    bomb = zipped(("a.txt", b"0" * 20_000_000), method=method)
    with pytest.raises(TaskError, match="packed by an unusual method"):
        read_source("a.zip", bomb)


def test_archives_within_a_zip_share_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 250_000)
    member = gzip.compress(b"x" * 100_000)
    assert len(read_source("a.zip", zipped(("1.txt.gz", member), ("2.txt.gz", member)))) == 2
    with pytest.raises(TaskError, match=r"^a\.zip: unpacked it would be larger"):
        read_source("a.zip", zipped(*((f"{i}.txt.gz", member) for i in range(4))))


def test_what_proves_damaged_has_taken_its_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 250_000)
    whole = zipped(*((f"{i}.txt", bytes([65 + i]) * 100_000) for i in range(2)))
    crc = zipfile.ZipFile(io.BytesIO(whole)).getinfo("0.txt").CRC.to_bytes(4, "little")
    broken = whole.replace(crc, b"\0\0\0\0")
    assert [type(content) for content in read_source("a.zip", broken)] == [Unreadable, Text]
    monkeypatch.setattr(limits, "MAX_BYTES", 200_000 - 1)
    with pytest.raises(TaskError, match="unpacked it would be larger"):
        read_source("a.zip", broken)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", b"x\n" * 1001),
        ("a.csv", b"a,b\n" + b"1,2\n" * 600),
        ("a.csv", b"," * 1001),
        ("a.jsonl", b'{"a": 1}\n' * 1001),
        ("a.jsonl", b"".join(b'{"k%d": 1}\n' % i for i in range(40))),
        ("a.zip", zipped(*((f"{i}.txt", b"x\n" * 300) for i in range(4)))),
        ("a.parquet", parquet(pa.table({"text": ["x"] * 1001}))),
    ],
)
def test_more_lines_or_cells_than_fit_the_memory_are_refused(
    name: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_PIECES", 1000)
    if name == "a.parquet":  # the child that reads it has limits of its own
        from engine.tasks.tables.parquet import columns_of

        with pytest.raises(TaskError, match="more than 1,000 lines or cells"):
            columns_of(name, data)
        return
    with pytest.raises(TaskError, match=rf"^{name}: holds more than 1,000 lines or cells"):
        read_source(name, data)


def test_marks_within_strings_are_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.tasks.tables import json_tables

    monkeypatch.setattr(json_tables, "_LONG_LINE", 100)
    monkeypatch.setattr(limits, "MAX_PIECES", 1000)
    read_source("a.json", json.dumps([{"text": ',[{"\\' * 2000}]).encode())
    with pytest.raises(TaskError, match="more than 1,000 lines or cells"):
        read_source("a.json", json.dumps([[]] * 1001).encode())


def test_a_table_of_a_million_columns_is_refused_in_a_short_sentence() -> None:
    for data in (b",".join(b"c%d" % i for i in range(10**6)), b",".join([b"1"] * 10**6) + b"\n" + b"," * (10**6 - 1)):
        with pytest.raises(TaskError, match="1,000,000 columns") as found:
            read_source("a.csv", data)
        assert len(str(found.value)) < 200


def test_columns_are_listed_only_as_far_as_a_reader_would_read() -> None:
    data = ",".join(f"column number {i}" for i in range(1000)) + "\n" + "," * 999
    with pytest.raises(TaskError, match="and 980 more") as found:
        documents_of("upload", read_source("a.csv", data.encode()), None, "auto", Columns(text="x" * 10_000), 0.1)
    assert len(str(found.value)) < 1000


def test_a_device_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    from engine.tasks import open_task
    from engine.tasks.spec import TaskSpec

    link = tmp_path / "endless.jsonl"
    link.symlink_to("/dev/zero")
    for path in (link, Path("/dev/zero")):
        spec = TaskSpec(name="a", train=(str(path),), test=(str(path),), text_column="text")
        with pytest.raises(TaskError, match="device or a pipe"):
            open_task(spec)


NAMES = (
    "../../up",
    "/etc/passwd",
    "C:\\x",
    "a/b",
    "nul\0l",
    "\u202eevil",
    "<b>",
    "\ud800",
    "..",
    ".",
    "con",
    "🙂",
    "'=1+1",
)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Library]:
    yield Library(tmp_path / "data")
    assert {path.name for path in tmp_path.iterdir()} == {"data"}  # nothing beside the data folder


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NAMES) | TEXTS | st.text(max_size=90))
def test_any_name_of_a_task_is_kept_clean_in_the_data_folder_or_refused(kept: Library, name: str) -> None:
    try:
        task = kept.add(Task(name, (Document("a"),), (Document("b"),)), [name])
    except TaskError:  # too short, too long or taken
        return
    assert task.folder.parent == kept.folder
    assert task.name == clean_name(name) == visible(task.name)
    assert kept.get(task.task_id).spec().name == task.name


def test_names_that_look_alike_are_the_same_name(kept: Library) -> None:
    def add(name: str) -> None:
        kept.add(Task(name, (Document("a"),), (Document("b"),)))

    add("Café")
    for twin in ("Cafe\u0301", "CAFÉ", "Ca\u200bfé", " Café\n", "Caf\u202eé", "Ｃafé"):
        with pytest.raises(TaskError, match="already a task named"):
            add(twin)
    with pytest.raises(TaskError, match="1 to 80 characters"):
        add("x" * 10_000)


BOMBS = """
import gzip, io, json, resource, struct, sys, time, zipfile, zlib
written = []
sys.addaudithook(lambda event, a: written.append(a[0]) if event == "open" and set(str(a[1])) & set("wax+") else None)
import pandas, pyarrow.parquet
from engine.common.errors import TaskError
from engine.tasks.files import limits
from engine.tasks.readers import read_source
limits.MAX_BYTES, limits.MAX_PIECES = 32_000_000, 600_000

def zipped(*members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()

def many_entries(count):
    one = zipped(("a.txt", b"x"))
    start, end = one.index(b"PK\\x01\\x02"), one.index(b"PK\\x05\\x06")
    tail = struct.pack("<4s4H2LH", b"PK\\x05\\x06", 0, 0, 0xFFFF, 0xFFFF, count * (end - start), start, 0)
    return one[:start] + one[start:end] * count + tail

def zeros(megabytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (megabytes - 1)

cases = {
    "10 GB of zeros": ("a.txt.gz", zeros(10_000)),
    "10 GB of zeros in a zip": ("a.zip", zipped(*((f"{i}.txt.gz", zeros(1000)) for i in range(10)))),
    "100,000 entries": ("a.zip", many_entries(100_000)),
    "a line of 1 GB": ("a.jsonl.gz", zeros(1000)),
    "a million lists": ("a.json", b"[" + b"[]," * 2_000_000 + b"[]]"),
    "a million columns": ("a.csv", b"," * 500_000),
    "a million rows": ("a.jsonl", b"7\\n" * 1_000_000),
}
base, took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, {}
written.clear()
for case, (name, data) in cases.items():
    began = time.monotonic()
    try:
        read_source(name, data)
        took[case] = -1
    except TaskError:
        took[case] = time.monotonic() - began
print(json.dumps([took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024, list(map(str, written))]))
"""


def test_bombs_are_refused_in_little_memory_and_nothing_is_written() -> None:
    done = subprocess.run([sys.executable, "-c", BOMBS], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    took, megabytes, written = json.loads(done.stdout)
    assert min(took.values()) >= 0, f"read: {took}"
    assert megabytes < 400
    assert written == []


def test_a_small_parquet_file_of_many_gigabytes_is_refused() -> None:
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 1_000_000]))
    for column in (one, pa.ListArray.from_arrays(pa.array([0, 20_000], pa.int32()), one)):
        data = parquet(pa.table({"text": column}))
        assert len(data) < 300_000
        with pytest.raises(TaskError, match=r"^a\.parquet: unpacked it would be larger"):
            read_source("a.parquet", data)
