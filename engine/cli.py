"""The command line: `python -m engine run EXPERIMENT.yaml --out DIR`, `python -m engine strategies`."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, Self

import typer
from tqdm import tqdm

from engine.control import Control
from engine.errors import PalimpsestError
from engine.events import Event
from engine.experiment import Experiment
from engine.experiment_file import load_experiment
from engine.names import visible
from engine.parameters import Parameter, parameters_of
from engine.strategies import registry

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

FAILED, INTERRUPTED = 1, 130


@app.callback()
def main() -> None:
    """Palimpsest: teach a language model task after task, and see what it keeps."""


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="The experiment's YAML file.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder for results.json and the checkpoints.", show_default=False)],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what this folder holds unfinished.")] = False,
) -> None:
    """Execute all runs of an experiment. Ctrl-C stops and keeps what was reached."""
    control = Control()
    try:
        loaded = load_experiment(experiment)
        from engine.headless import RESULTS, run_experiment  # loads torch: help and bad input needn't wait for it

        with _stopping(control), _Progress(loaded) as progress:
            found = run_experiment(loaded, out, resume=resume, control=control, watch=progress.see)
    except PalimpsestError as error:
        _fail(str(error), FAILED)
    except KeyboardInterrupt:
        _fail(f"Interrupted. {_how_to_resume(experiment, out)}", INTERRUPTED)
    _report(found, out / RESULTS)
    statuses = [run["status"] for run in found["runs"]]
    failed = sorted({run["reason"] for run in found["runs"] if run["status"] == "failed"})
    if failed:
        _fail(f"{statuses.count('failed')} of {len(statuses)} runs failed: {' '.join(failed)}", FAILED)
    if any(status != "finished" for status in statuses):
        left = len(statuses) - statuses.count("finished")
        _fail(f"Stopped with {left} of {len(statuses)} runs unfinished. {_how_to_resume(experiment, out)}", INTERRUPTED)


@app.command()
def strategies() -> None:
    """List the strategies with their parameters, defaults and ranges."""
    for name, strategy in registry().items():
        typer.echo(f"{name}: {strategy.summary}")
        rows = [
            (p.name, _value(p.default), _range(p), f"{p.help} [{p.unit}]" if p.unit else p.help)
            for p in parameters_of(strategy)
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(3)] if rows else []
        for row in rows:
            cells = "  ".join(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True))
            typer.echo(f"  {cells}  {row[3]}".rstrip())
    typer.echo("\nJoin two with +, as in replay+ewc; a list of values makes a run of each.")


class _Progress:
    """One bar on stderr over the steps of the run in progress."""

    def __init__(self, experiment: Experiment) -> None:
        self._labels = [f"{run.label}, seed {run.seed}" for run in experiment.runs()]
        self._bar: Any = None
        self._run_id = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def see(self, run_id: str, event: Event) -> None:
        kind, said = type(event).__name__, vars(event)
        if run_id != self._run_id:
            self.__exit__()
            self._run_id, number = run_id, int(run_id.rsplit("-", 1)[1])
            name = f"[{number + 1}/{len(self._labels)}] {self._labels[number]}"
            self._bar = tqdm(desc=name, unit="step", file=sys.stderr, dynamic_ncols=True)
        if kind == "RunStarted":
            self._bar.total = said["steps"]
        elif kind == "StageStarted":
            self._bar.n = said["first_step"] - 1  # a resumed run begins further on
            self._bar.set_postfix_str(said["task"])
        elif kind == "StepDone":
            self._bar.update(said["step"] - self._bar.n)
        elif kind == "Phase":
            self._bar.set_postfix_str(said["text"])
        elif kind == "Waiting" and said["reason"]:
            self._bar.write(said["reason"], file=sys.stderr)


@contextmanager
def _stopping(control: Control) -> Iterator[None]:
    """The first Ctrl-C asks the run to stop and keep what it reached; the second ends at once."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if control.stopping:
            raise KeyboardInterrupt
        control.stop()
        sys.stderr.write("\nStopping; press Ctrl-C again to end at once.\n")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(found: dict[str, Any], path: Path) -> None:
    """A line per run on stdout: what it kept, and at what cost."""
    for one in found["runs"]:
        summary = one["summary"]["bits_per_byte"]
        numbers = ", ".join(
            f"{words} {summary[name]:.3f}"
            for name, words in (("average", "average −bits per byte"), ("forgetting", "forgetting"))
            if summary[name] is not None
        )
        end = f" ({numbers}; {one['seconds']:.0f} s)" if numbers else ""
        typer.echo(f"{one['label']}, seed {one['seed']}: {one['status']}{end}")
    typer.echo(f"Results: {path}")


def _how_to_resume(experiment: Path, out: Path) -> str:
    return f'Go on with: python -m engine run "{experiment}" --out "{out}" --resume'


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(visible(sentence), err=True)  # what files hold must not steer the terminal
    raise typer.Exit(code)


def _range(parameter: Parameter) -> str:
    if parameter.choices:
        return " | ".join(parameter.choices)
    if parameter.type is bool:
        return "true | false"
    low = _value(parameter.minimum) if parameter.minimum is not None else "…"
    high = _value(parameter.maximum) if parameter.maximum is not None else "…"
    return f"{low} to {high}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
