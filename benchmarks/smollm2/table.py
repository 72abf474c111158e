"""`python -m benchmarks.smollm2.table`: the rows of the tables of `docs/smollm2.md`, from the numbers of the runs."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.methods.runs import read
from engine.common.errors import PalimpsestError, StoreError
from engine.results.summaries import summarize

NUMBERS = Path(__file__).parent / "measured"
Run = Mapping[str, Any]


def bits_per_byte(run: Run) -> list[list[float]]:
    """The score matrix over all held-out documents: of each task, the two halves' values weighted by their bytes."""
    first, second = run["halves"].values()
    return [
        [
            (a * a_bytes + b * b_bytes) / (a_bytes + b_bytes)
            for a, b, a_bytes, b_bytes in zip(row_a, row_b, first["text_bytes"], second["text_bytes"], strict=True)
        ]
        for row_a, row_b in zip(first["bits_per_byte"], second["bits_per_byte"], strict=True)
    ]


def row(run: Run) -> str:
    """One run: its scores, and what it cost."""
    matrix = bits_per_byte(run)
    found = summarize(matrix, lower_is_better=True)
    if found.forgetting is None or found.average is None or found.learning_accuracy is None:
        raise StoreError(f"{run['line']}, seed {run['seed']}: its score matrix is not whole; run it again.")
    seconds, tokens = run.get("processor_seconds"), run["tokens"]
    cells = [
        f"`{run['line']}`" + (f", {run['setting']}" if run["setting"] else ""),
        str(run["seed"]),
        *(_number(value) for value in (found.forgetting, -found.average, -found.learning_accuracy)),
        *(_number(matrix[stage][task]) for stage, task in _places(len(matrix) - 1)),
        f"{tokens['forward'] / 1000:.0f} k, {tokens['backward'] / 1000:.0f} k",
        "–" if seconds is None else f"{seconds:.0f}",
        f"{sum(run['memory'].values()) / 1e6:.1f} MB",
        f"{100 * fmean(stage['kept_share'] for stage in run['clipping']):.0f} %",
    ]
    return f"| {' | '.join(cells)} |"


def _places(tasks: int) -> list[tuple[int, int]]:
    """(stage, task) of each task after its own stage and at the end; the last task's own stage is the end."""
    return [place for task in range(tasks) for place in dict.fromkeys([(task + 1, task), (tasks, task)])]


def header(tasks: Sequence[str]) -> str:
    """The first two lines of the table."""
    names = ["strategy", "seed", "forgetting", "final average", "after own stage"]
    for stage, task in _places(len(tasks)):
        names.append(f"{tasks[task]}, " + ("end" if stage == len(tasks) else "own stage"))
    names += ["tokens forward, backward", "processor seconds", "memory", "gradients left"]
    return f"| {' | '.join(names)} |\n| {' | '.join('---' for _ in names)} |"


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def main(given: list[str] | None = None) -> int:
    """Returns the exit status: 1 where there are no numbers or not all of one experiment."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.smollm2.table", description=__doc__)
    parser.add_argument("--numbers", type=Path, default=NUMBERS, help="folder of the runs' numbers, a file each")
    options = parser.parse_args(given)
    try:
        runs = read(options.numbers)
        if not runs:
            raise StoreError(f"{options.numbers}: holds no numbers of runs yet.")
        tasks = [task["name"] for task in runs[0]["tasks"]]
        base = zip(tasks, bits_per_byte(runs[0])[0], strict=True)
        print("Base model: " + ", ".join(f"{name} {_number(value)}" for name, value in base) + ".\n")
        print(header(tasks))
        print("\n".join(row(run) for run in runs))
    except PalimpsestError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
