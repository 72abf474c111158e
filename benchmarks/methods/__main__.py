"""`python -m benchmarks.methods`: the runs of methods.yaml that are not there yet, or (`--table`) what they say."""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.methods.document import update
from benchmarks.methods.lines import lines
from benchmarks.methods.runs import HELD_OUT_EVERY, Planned, measure, missing, planned, read, with_fewer_held_out
from engine.common.errors import ConfigError, PalimpsestError
from engine.experiments.experiment import Experiment
from engine.experiments.yaml_file import load_experiment

_ROOT = Path(__file__).resolve().parents[2]
_EXPERIMENT = _ROOT / "benchmarks" / "methods.yaml"
NUMBERS = Path(__file__).parent / "measured"
DOCUMENT, FIGURE = _ROOT / "docs" / "methods.md", _ROOT / "docs" / "images" / "methods.svg"


def main(given: list[str] | None = None) -> int:
    """Returns the exit status: 1 where a run failed or the input is bad."""
    options = _options(given)
    try:
        experiment = load_experiment(options.experiment)
        plan = _chosen(planned(experiment), options.only, options.seeds)
        if options.table:
            order = [(each.line, each.setting) for each in planned(experiment)]
            update(options.document, options.figure, lines(read(options.numbers), order))
            print(f"written to {options.document} and {options.figure}")
            return 0
        return _run(experiment, plan, options)
    except PalimpsestError as error:
        print(error, file=sys.stderr)
        return 1


def _run(experiment: Experiment, plan: list[Planned], options: argparse.Namespace) -> int:
    if options.out is None:
        raise ConfigError("--out: say in which folder checkpoints may lie while runs need them, or ask for --table.")
    if options.out.is_dir() and any(options.out.iterdir()) and not options.resume:
        raise ConfigError(f"{options.out}: holds something already; add --resume to go on with it, or name another.")
    options.numbers.mkdir(parents=True, exist_ok=True)
    if not missing(plan, options.numbers):
        print("every run is there")
        return 0
    every = options.held_out_every
    shorter = experiment if every == 1 else with_fewer_held_out(experiment, options.out / "texts", every)
    failed = 0
    for each in plan:
        if not missing([each], options.numbers):
            continue
        started = time.monotonic()
        try:
            numbers = measure(shorter, each, options.out)
        except PalimpsestError as error:  # the others go on: a night must not end with the first of them
            failed, said = failed + 1, f"failed: {error}"
        else:
            _write(options.numbers / each.file, numbers)
            said = "done"
        print(f"{each.run.label}, seed {each.run.seed}: {said}; {time.monotonic() - started:.0f} s", flush=True)
    return 1 if failed else 0


def _write(path: Path, numbers: dict[str, object]) -> None:
    """The file is there once it is whole."""
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(numbers, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(path)


def _chosen(plan: list[Planned], only: list[str] | None, seeds: list[int] | None) -> list[Planned]:
    """The runs of these lines and seeds; all where nothing is said. Raises ConfigError."""
    known = {each.line for each in plan}
    if unknown := sorted(set(only or ()) - known):
        raise ConfigError(f"--only: {unknown[0]!r} is no line of the experiment; it has: {', '.join(sorted(known))}")
    return [each for each in plan if (not only or each.line in only) and (not seeds or each.run.seed in seeds)]


def _options(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.methods", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for checkpoints and texts while runs need them")
    parser.add_argument("--resume", action="store_true", help="go on with what --out holds")
    parser.add_argument("--seeds", type=int, nargs="+", help="these seeds alone")
    parser.add_argument("--only", nargs="+", metavar="LINE", help="these lines of the table alone")
    parser.add_argument("--table", action="store_true", help="write the document and the figure from what is there")
    parser.add_argument("--experiment", type=Path, default=_EXPERIMENT, help="the experiment's file")
    parser.add_argument("--numbers", type=Path, default=NUMBERS, help="folder of the runs' numbers, a file each")
    parser.add_argument(
        "--held-out-every", type=int, default=HELD_OUT_EVERY, metavar="N",
        help="score one held-out document in N; 1 scores all, of conversations too",
    )  # fmt: skip
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="the document whose tables are written")
    parser.add_argument("--figure", type=Path, default=FIGURE, help="the drawing")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
