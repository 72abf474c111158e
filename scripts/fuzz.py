"""Throw what coverage guides at every reader and at the configuration: only errors of our family may come out.

`make fuzz` gives each target ten minutes; `python scripts/fuzz.py csv zip --seconds 60` is a shorter look at two. Each
target runs in a process of its own with a limit of memory and of time for one input; the caps on sizes are lowered, so
that bombs are small. Inputs that fail stay under `.fuzz/`; `python scripts/fuzz.py csv --input FILE` shows one again.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FOUND = ROOT / ".fuzz"
MEGABYTES, SECONDS_AN_INPUT = 2048, 20
CAP_BYTES, CAP_PIECES = 4_000_000, 100_000
"""The bytes and the pieces that one upload may hold while fuzzing."""
_HARMFUL = ("subprocess.Popen", "os.system", "os.exec", "os.remove", "os.rename", "os.mkdir", "socket.connect")


@dataclass(frozen=True)
class Target:
    """Something that takes bytes from strangers, and inputs to begin from."""

    take: Callable[[bytes], None]
    seeds: Callable[[], tuple[bytes, ...]]


def reader(ending: str, *seeds: bytes) -> Target:
    """Reading an upload of that ending, and cutting it into documents."""

    def take(data: bytes) -> None:
        from engine.tasks.columns import Columns
        from engine.tasks.load import documents_of
        from engine.tasks.readers import read_source

        documents_of("upload", read_source(f"upload.{ending}", data), None, "auto", Columns(), 0.1)

    return Target(take, lambda: seeds)


def take_parquet(data: bytes) -> None:
    """A Parquet table, in this process: what ends it would have ended the child that reads uploads."""
    from engine.tasks.tables.parquet import columns_of

    columns_of("upload.parquet", data)


def take_page(data: bytes) -> None:
    """A web page, in this process: what ends it would have ended the child that reads uploads."""
    from engine.tasks.files.web_pages import text_of

    text_of("upload.html", data)


def take_workbook(data: bytes) -> None:
    """An Excel workbook, in this process."""
    from engine.tasks.tables.grids import lay_out
    from engine.tasks.tables.sheets import rows_of

    lay_out("upload.xlsx", rows_of("upload.xlsx", data)["rows"], None, "row")


def take_encoded(data: bytes) -> None:
    """A text in an encoding that the first byte chooses among all that Python knows, and some that it doesn't."""
    from encodings.aliases import aliases

    from engine.tasks.files.contents import ReadingOptions
    from engine.tasks.readers import read_source

    names = [*sorted(set(aliases.values())), "undefined", "unicode_escape", "idna", "punycode", "a\x00b", "ä", ""]
    if data:
        read_source("upload.txt", data[1:], ReadingOptions(names[data[0] % len(names)]))


def take_configuration(data: bytes) -> None:
    """An experiment file; what is accepted survives being written and read."""
    from engine.experiments.yaml_file import parse_experiment, to_yaml

    experiment = parse_experiment(data.decode("utf-8", "replace"))
    experiment.runs()
    if parse_experiment(to_yaml(experiment)) != experiment:
        raise AssertionError("the experiment changes when it is written and read again")


def take_harness(data: bytes) -> None:
    """A results file of lm-evaluation-harness; what is accepted survives being written and read."""
    from engine.harness.results_file import HarnessValue, results_of

    for value in results_of("upload.json", data).values:
        if HarnessValue.model_validate_json(value.model_dump_json().encode()) != value:
            raise AssertionError("a value changes when it is written and read again")


def take_fields(data: bytes) -> None:
    """Take what is typed as a name, as seeds and as lists of values."""
    from engine.common.parameters import parameters_of
    from engine.experiments.training import Training
    from engine.strategies import registry
    from ui.widgets.forms import parse_seeds, parse_values
    from ui.widgets.text import plain

    text = data.decode("utf-8", "surrogateescape")
    plain(text).encode()
    with ours_expected():
        parse_seeds(text)
    declarations: tuple[type, ...] = (Training, *registry().values())
    for declaring in declarations:
        for declared in parameters_of(declaring):
            with ours_expected():
                parse_values(declared, text)


def zipped(members: dict[str, bytes], method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def parquets() -> tuple[bytes, ...]:
    import pyarrow as pa
    import pyarrow.parquet

    columns = {"text": ["one", "two", None], "n": [1, 2, 3], "list": [["a"], [], None], "raw": [b"x", b"", None]}
    files = [io.BytesIO() for _ in range(3)]
    for file, compression in zip(files, ("none", "snappy", "zstd"), strict=True):
        pyarrow.parquet.write_table(pa.table(columns), file, compression=compression)
    return tuple(file.getvalue() for file in files)


def workbooks() -> tuple[bytes, ...]:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["text", "n"], ["one", 1], ["two", 2.5], [None, True]):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return (file.getvalue(),)


_TEXT = "First paragraph.\nIts second line.\n\n\nZweiter Absatz: ä, 图书馆, 🙂\n\n\nThe third.\n".encode()
_CSV = b'text,n\n"one, two",1\n"three ""four""",2\nfive,3\n'
_LINES = b'{"text": "one", "n": 1}\n{"text": "two", "n": [1.5, {"a": null}]}\n"three"\n'
_PAGE = b"<html><head><meta charset=utf-8></head><body><h1>A<p>b<pre> c\n</pre><table><td>d</table><script>e</script>"
_JSON = b'{"data": [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "\\u00e4"}]}'
_MEMBERS = {"a.txt": _TEXT, "b/c.csv": _CSV, "d.jsonl.gz": gzip.compress(_LINES)}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_YAML = b"""name: x
model: tiny-gpt2
tasks:
  - &a {name: a, train: [a.txt], test: b.txt}
  - {<<: *a, name: b, text_column: text, held_out_share: 0.2}
training: {epochs: 3, learning_rate: 5e-4, precision: auto}
strategies: [naive, {replay: {replay_weight: 0.5}}, {ewc: {ewc_lambda: [10, 1e2]}}, replay+ewc, joint]
seeds: [0, 1]
"""
_ODD_YAML = b"""? [a, b]
: !!set {x, y}
when: 2020-02-30T25:61:00+99:99
many: [0o17, 0x1F, 1_000, 190:20:30, .inf, .nan, 1e999, ~, yes, !!int "", !!float x, !!bool maybe, !!binary "/w=="]
more: &self [*self, !!python/object:os.system x, !!timestamp x, !!omap [a: 1], "\\ud800\\0"]
text: |+2
    block
  >-
"""
_HARNESS = b"""{"results": {"t": {"alias": "t", "acc,none": 0.5, "acc_stderr,none": "N/A", "f1,x": NaN, "em,y": "1e3"}},
"n-samples": {"t": {"original": 9, "effective": 4}}, "n-shot": {"t": 0}, "higher_is_better": {"t": {"acc": true}},
"config": {"model_args": "pretrained=a,peft=b"}, "lm_eval_version": "0.4.13"}"""

TARGETS = {
    "txt": reader("txt", _TEXT, _TEXT.decode().encode("utf-16"), "Ä ö ß".encode("latin-1"), "图书馆".encode("gb18030")),
    "md": reader("md", _TEXT),
    "csv": reader("csv", _CSV, b"a;b\n1;2\n", b"text\nx\n", b'a|b\n"open|1\n'),
    "tsv": reader("tsv", _CSV.replace(b",", b"\t")),
    "jsonl": reader("jsonl", _LINES, _JSON),
    "json": reader("json", _JSON, b'["one", "two"]', _LINES),
    "parquet": Target(take_parquet, parquets),
    "xlsx": Target(take_workbook, workbooks),
    "html": Target(take_page, lambda: (_PAGE, b"<p>" * 50, b"<ul><li>a<li>b")),
    "gz": reader("jsonl.gz", gzip.compress(_LINES), gzip.compress(_CSV)),
    "zip": reader("zip", *(zipped(_MEMBERS, method) for method in _METHODS)),
    "encoding": Target(take_encoded, lambda: (b"\x00" + _TEXT, b"\x20abc")),
    "harness": Target(take_harness, lambda: (_HARNESS,)),
    "configuration": Target(take_configuration, lambda: (_YAML, _ODD_YAML)),
    "fields": Target(take_fields, lambda: (b"1, 2, 3", b"0.5 1e-3", b"exact", b"https://a.b :smile: `x` <b>")),
}


@contextlib.contextmanager
def ours_expected() -> Iterator[None]:
    from engine.common.errors import PalimpsestError

    with contextlib.suppress(PalimpsestError):
        yield


def lower_caps() -> None:
    """Make bombs small."""
    from engine.tasks.files import limits

    limits.MAX_BYTES, limits.MAX_PIECES = CAP_BYTES, CAP_PIECES


def forbid_harm() -> Callable[[bool], None]:
    """Watch, while switched on, for anything that a reader has no business to do: processes, sockets, written files."""
    watching = False

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if not watching:
            return
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if writes or event in _HARMFUL:
            raise AssertionError(f"{event} {arguments!r:.200}")

    def switch(on: bool) -> None:
        nonlocal watching
        watching = on

    sys.addaudithook(look)
    return switch


def fuzz(name: str, options: list[str]) -> None:
    """Run one target in this process, under libFuzzer's options."""
    import atheris

    for known in ("zipfile", "gzip"):
        del sys.modules[known]  # so that they are loaded again, counted
    with atheris.instrument_imports(include=["engine", "ui", "yaml", "zipfile", "gzip"]):
        for module in ("engine.experiments.experiment", "engine.tasks.load", "ui.widgets.forms", "ui.widgets.text"):
            importlib.import_module(module)
    lower_caps()
    switch, target = forbid_harm(), TARGETS[name]

    def once(data: bytes) -> None:
        switch(True)
        try:
            with ours_expected():
                target.take(data)
        finally:
            switch(False)

    for seed in target.seeds():
        with ours_expected():
            target.take(seed)  # loads what is loaded on demand, before anything is watched
    atheris.Setup([sys.argv[0], *options], once)
    atheris.Fuzz()


def run(name: str, seconds: int) -> bool:
    """One target in a process of its own; says how often it was tried and whether anything was found."""
    folder = FOUND / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEGABYTES}", f"-timeout={SECONDS_AN_INPUT}"]
    options = [str(corpus), f"-artifact_prefix={folder}/", *limits, "-max_len=65536"]
    command = [sys.executable, __file__, name, "--child", *options]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=ROOT)
    (folder / "log.txt").write_text(done.stderr + done.stdout, encoding="utf-8")
    counted = re.findall(r"^(?:Done |#)(\d+)", done.stderr, re.MULTILINE)
    outcome = "nothing found" if done.returncode == 0 else f"FAILED, see {folder / 'log.txt'}"
    print(f"{name}: {int(counted[-1]) if counted else 0:,} inputs, {outcome}", flush=True)
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all without any")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--input", type=Path, help="take this one file instead, without atheris")
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    names = asked.targets or list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; choose from {', '.join(TARGETS)}")
    if asked.child is not None:
        fuzz(names[0], asked.child)
    elif asked.input is not None:
        lower_caps()
        TARGETS[names[0]].take(asked.input.read_bytes())
    else:
        outcomes = [run(name, asked.seconds) for name in names]
        sys.exit(not all(outcomes))


if __name__ == "__main__":
    main()
