"""`python -m benchmarks.scale`: how many runs one driver process takes, and what each costs it."""

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path

from benchmarks.scale.measure import Measured, measure
from benchmarks.scale.story import Story

_COLUMNS = (
    "runs", "at once", "steps", "steps/s", "driver cores", "ms a step", "late, median", "95 %", "after arrival", "95 %",
    "bytes a step", "peak MB",
)  # fmt: skip


def main() -> None:
    options = _options()
    found: dict[str, list[Measured]] = {}
    print(f"{processor()}\n{_line(_COLUMNS)}", flush=True)
    pace = options.steps_per_second
    if "sizes" in options.what:
        story = Story(2 * round(pace * options.seconds / 4), options.evaluate_every)
        for runs in options.runs:
            _add(found, "sizes", measure(runs, runs, story, pace, options.seconds / 6))
    if "pace" in options.what:
        story = Story(2 * round(pace * options.seconds / 2), options.evaluate_every)
        _add(found, "pace", measure(100, 100, story, pace, options.seconds / 6))
    if "many" in options.what:
        story = Story(options.steps, options.evaluate_every)
        _add(found, "many", measure(options.many, min(options.executors, options.many), story, None, 2.0))
    data = {name: [asdict(each) for each in rows] for name, rows in found.items()}
    options.out.write_text(json.dumps({"processor": processor(), **data}, indent=2) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


def processor() -> str:
    """The processor's name and the number of its cores."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (
        f"{names[0] if names else platform.machine()}, {max(1, len(names))} cores, Python {platform.python_version()}"
    )


def _add(found: dict[str, list[Measured]], name: str, measured: Measured) -> None:
    found.setdefault(name, []).append(measured)
    print(_line(_cells(measured)), flush=True)


def _cells(measured: Measured) -> tuple[str, ...]:
    return (
        f"{measured.runs:,}", f"{measured.executors:,}", f"{measured.steps:,}", f"{measured.steps_per_second:,.0f}",
        f"{measured.driver_cores:.2f}", f"{1000 * measured.driver_seconds / measured.steps:.3f}",
        f"{measured.late_seconds:.2f} s", f"{measured.late_seconds_95:.2f} s",
        f"{measured.late_after_arrival_seconds:.2f} s", f"{measured.late_after_arrival_seconds_95:.2f} s",
        f"{measured.store_bytes_per_step:.0f}", f"{measured.peak_mb:,.0f}",
    )  # fmt: skip


def _line(cells: tuple[str, ...]) -> str:
    return "  ".join(cell.rjust(max(9, len(title))) for cell, title in zip(cells, _COLUMNS, strict=True))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("what", choices=["pace", "many", "sizes"], nargs="+", help="which measurements to take")
    parser.add_argument("--seconds", type=float, default=60, help="pace: how long; sizes: half of it for each")
    parser.add_argument("--steps-per-second", type=float, default=50, help="pace, sizes: of each run")
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 10, 50, 100, 200], help="sizes: how many at once")
    parser.add_argument("--many", type=int, default=1_000, help="many: how many runs")
    parser.add_argument("--executors", type=int, default=200, help="many: how many runs at once")
    parser.add_argument("--steps", type=int, default=400, help="many: of each run")
    parser.add_argument("--evaluate-every", type=int, default=250, help="steps between two looks at the tasks")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "scale.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
