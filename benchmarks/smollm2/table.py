"""`python -m benchmarks.smollm2.table`: the table of `docs/smollm2.md`, from the numbers of the runs that are there."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.methods.document import put_between
from benchmarks.methods.runs import planned, read
from engine.common.errors import PalimpsestError, StoreError
from engine.experiments.yaml_file import load_experiment
from engine.results.summaries import summarize

_ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT, DOCUMENT = _ROOT / "benchmarks" / "smollm2.yaml", _ROOT / "docs" / "smollm2.md"
NUMBERS = Path(__file__).parent / "measured"
BEGIN = "<!-- From here on `python -m benchmarks.smollm2.table` writes. -->"
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


def as_markdown(runs: Sequence[Run]) -> str:
    """The base model's scores and a row for each run, in the order given."""
    tasks = [task["name"] for task in runs[0]["tasks"]]
    names = ["strategy", "seed", "forgetting", "final average", "after own stage"]
    names += [*tasks, "tokens forward, backward", "processor seconds", "memory", "gradients left"]
    base = bits_per_byte(runs[0])[0]
    cells = ["base model", "", "", _number(fmean(base)), "", *map(_number, base), "", "", "", ""]
    lines = [names, ["---"] * len(names), cells, *map(_cells, runs)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(run: Run) -> list[str]:
    matrix = bits_per_byte(run)
    found = summarize(matrix, lower_is_better=True)
    if found.forgetting is None or found.average is None or found.learning_accuracy is None:
        raise StoreError(f"{run['line']}, seed {run['seed']}: its score matrix is not whole; run it again.")
    seconds, tokens, end = run.get("processor_seconds"), run["tokens"], matrix[-1]
    own = [matrix[task + 1][task] for task in range(len(end))]
    arrows = [f"{_number(first)} → {_number(last)}" for first, last in zip(own[:-1], end[:-1], strict=True)]
    return [
        f"`{run['line']}`",
        str(run["seed"]),
        *(_number(value) for value in (found.forgetting, -found.average, -found.learning_accuracy)),
        *arrows,
        _number(end[-1]),
        f"{tokens['forward'] / 1000:.0f} k, {tokens['backward'] / 1000:.0f} k",
        "–" if seconds is None else f"{seconds:.0f}",
        f"{sum(run['memory'].values()) / 1e6:.1f} MB",
        f"{100 * fmean(stage['kept_share'] for stage in run['clipping']):.0f} %",
    ]


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def main(given: list[str] | None = None) -> int:
    """Returns the exit status: 1 where there are no numbers, not all of one experiment, or no place for the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.smollm2.table", description=__doc__)
    parser.add_argument("--numbers", type=Path, default=NUMBERS, help="folder of the runs' numbers, a file each")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="the document whose table is written")
    options = parser.parse_args(given)
    try:
        found = {(run["line"], run["seed"]): run for run in read(options.numbers)}
        order = [(each.line, each.run.seed) for each in planned(load_experiment(EXPERIMENT))]
        runs = [found[place] for place in order if place in found]
        if not runs:
            raise StoreError(f"{options.numbers}: holds no numbers of runs yet.")
        put_between(options.document, BEGIN, as_markdown(runs))
    except PalimpsestError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(runs)} of {len(order)} runs are there; written to {options.document}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
