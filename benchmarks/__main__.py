"""`python -m benchmarks`: measure on this machine, print a table, write it as JSON."""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.environments import EnvironmentMissing, python_of
from benchmarks.figure import as_svg
from benchmarks.sections import Bench, Effort, Model, arithmetic, continual, default_run, many_tasks, speed
from benchmarks.table import Row, as_data, as_text
from benchmarks.workers import Worker, WorkerFailed

_SHARED = Path(__file__).resolve().parents[2] / "shared"
_TASKS = ("customer_service_banking77", "medical_pubmedqa")
"""The shortest texts and the longest."""
_SECTIONS = ("embedded", "strategies", "many-tasks", "run", "gpt2", "gpt2-arithmetic", "gpt2-strategies")


@dataclass
class _Report:
    """The lines of the report, printed as soon as they are known."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)
        print(text, flush=True)

    def add(self, measure: Callable[[], list[Row]]) -> None:
        """A section that fails costs its own rows alone."""
        try:
            rows = measure()
        except WorkerFailed as error:
            self.note(f"A section is left out: {error}")
            return
        self.rows += rows
        print(as_text(rows), flush=True)


def main() -> None:
    options = _options()
    started = time.monotonic()
    report = _Report()
    with tempfile.TemporaryDirectory() as folder, _bench(Path(folder), report) as bench:
        machine = bench.ours.ask(do="machine")
        print(", ".join(f"{name} {value}" for name, value in machine.items()) + "\n", flush=True)
        try:
            _measure(bench, options, Path(folder), report)
        finally:
            seconds = time.monotonic() - started
            _write(options.out, machine, bench, report, seconds)
    print(f"{seconds / 60:.1f} minutes; written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds on few texts: six minutes instead of thirty")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results.json", help="where to write the numbers"
    )
    parser.add_argument("--tasks", type=Path, default=_SHARED / "data" / "tasks", help="folders that hold a train.txt")
    parser.add_argument(
        "--tokenizer", type=Path, default=_SHARED / "models" / "gpt2-tokenizer", help="GPT-2's, for the large model"
    )
    parser.add_argument(
        "--only", choices=_SECTIONS, nargs="+", default=_SECTIONS, metavar="SECTION", help=f"of {', '.join(_SECTIONS)}"
    )
    parser.add_argument("--smoke", action="store_true", help="try everything once on next to nothing; no measurement")
    return parser.parse_args()


@contextlib.contextmanager
def _bench(folder: Path, report: _Report) -> Iterator[Bench]:
    """All participants, each in a process of its own."""
    with contextlib.ExitStack() as stack:

        def start(name: str, python: Path, module: str) -> Worker:
            return stack.enter_context(Worker(name, python, f"benchmarks.peers.{module}", folder))

        def start_apart(name: str, module: str) -> Worker | None:
            try:
                return start(name, python_of(name), module)
            except EnvironmentMissing as error:
                report.note(str(error))
                return None

        own = Path(sys.executable)
        yield Bench(
            ours=start("ours", own, "ours"),
            tutorial=start("tutorial", own, "tutorial"),
            trainer=start_apart("trainer", "trainer"),
            avalanche=start_apart("avalanche", "avalanche_loop"),
        )


@dataclass(frozen=True)
class _Efforts:
    """How much is done of each section."""

    small: Effort
    small_stages: Effort
    many_tasks: Effort
    large: Effort
    large_steps: Effort
    large_stages: Effort | None
    run: Effort
    run_tasks: int


_RUN = Effort(rounds=1, tokens=0, seconds=0)
_FULL = _Efforts(
    small=Effort(rounds=5, tokens=12_000, seconds=120),
    small_stages=Effort(rounds=5, tokens=5_000, seconds=120),
    many_tasks=Effort(rounds=3, tokens=2_100, seconds=120),
    large=Effort(rounds=3, tokens=1_990, seconds=150, sparse=4),
    large_steps=Effort(rounds=2, tokens=6_300, seconds=60),
    large_stages=Effort(rounds=2, tokens=1_500, seconds=220, least=1, past_tasks=1),
    run=_RUN,
    run_tasks=4,
)
_QUICK = _Efforts(
    small=Effort(rounds=3, tokens=6_000, seconds=50),
    small_stages=Effort(rounds=3, tokens=2_500, seconds=40),
    many_tasks=Effort(rounds=1, tokens=2_100, seconds=0),
    large=Effort(rounds=2, tokens=980, seconds=50, least=1, sparse=4),
    large_steps=Effort(rounds=1, tokens=6_300, seconds=0),
    large_stages=None,
    run=_RUN,
    run_tasks=2,
)
_SMOKE = _Efforts(
    small=Effort(rounds=1, tokens=4_000, seconds=0, sparse=4),
    small_stages=Effort(rounds=1, tokens=1_200, seconds=0),
    many_tasks=Effort(rounds=1, tokens=1_100, seconds=0),
    large=Effort(rounds=1, tokens=550, seconds=0, sparse=4),
    large_steps=Effort(rounds=1, tokens=4_200, seconds=0),
    large_stages=None,
    run=_RUN,
    run_tasks=1,
)


def _measure(bench: Bench, options: argparse.Namespace, folder: Path, report: _Report) -> None:
    quick = options.quick or options.smoke
    efforts = _SMOKE if options.smoke else _QUICK if options.quick else _FULL
    file = str(folder / "workload.json")
    texts = [path for name in _TASKS if (path := options.tasks / name / "train.txt").is_file()]
    sources = ["samples", *map(str, texts)]
    if len(texts) < len(_TASKS) and not quick:
        report.note(f"The samples stand alone: {options.tasks} does not hold {' and '.join(_TASKS)}.")

    def add(section: str, measure: Callable[..., list[Row]], *arguments: Any) -> None:
        if section in options.only:
            report.add(partial(measure, bench, *arguments))

    small = Model("embedded model", **bench.ours.ask(do="model", name="embedded"))
    for source in sources[:1] if quick else sources:
        add("embedded", speed, small, source, efforts.small, file)
    add("strategies", continual, small, efforts.small_stages, file)
    add("many-tasks", many_tasks, small, efforts.many_tasks, file)
    add("run", default_run, efforts.run, efforts.run_tasks)

    if not any(section.startswith("gpt2") for section in options.only):
        return
    if not (options.tokenizer / "tokenizer.json").is_file():
        report.note(f"GPT-2 with 124 M parameters is left out: there is no tokenizer in {options.tokenizer}.")
        return
    asked = {"name": "gpt2-124m", "tokenizer": str(options.tokenizer), "folder": str(folder / "gpt2")}
    large = Model("GPT-2 124 M", **bench.ours.ask(do="model", **asked))
    add("gpt2", speed, large, sources[min(1, len(sources) - 1)], efforts.large, file)
    add("gpt2-arithmetic", arithmetic, large, sources[-1], efforts.large_steps, file, 2048)
    if efforts.large_stages is not None:
        add("gpt2-strategies", continual, large, efforts.large_stages, file)


def _write(file: Path, machine: dict[str, Any], bench: Bench, report: _Report, seconds: float) -> None:
    if report.rows:
        file.with_suffix(".svg").write_text(as_svg(report.rows), encoding="utf-8")
    data = {
        "machine": machine,
        "seconds": seconds,
        "notes": report.notes,
        "rows": as_data(report.rows),
        "timings": bench.timings,
    }
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
