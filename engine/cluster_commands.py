"""`python -m engine join`: results of many machines, made into one folder."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from engine.common.paths import VARIABLE
from engine.common.quoting import visible
from engine.experiments.experiment import experiment_from


def join(folders: Sequence[Path], out: Path) -> None:
    """Join results folders and print what the new one holds. Raises PalimpsestError."""
    from engine.running.joining import join as joined  # loads torch: help and bad input needn't wait for it
    from engine.running.results_folder import RESULTS

    found = joined(folders, out)
    runs, there = found["runs"], {int(run["run_id"].rsplit("-", 1)[1]) for run in found["runs"]}
    ended = Counter(run["status"] for run in runs)
    typer.echo(f"Joined {_counted(len(runs))}: {', '.join(f'{count} {status}' for status, count in ended.items())}.")
    planned = experiment_from(found["experiment"]).runs()
    for number, run in enumerate(planned):
        if number not in there:
            typer.echo(f"Run {number + 1} ({visible(run.label)}, seed {run.seed}) was begun in none of these folders.")
    if ended["finished"] < len(planned):
        typer.echo(f"The rest: python -m engine run EXPERIMENT.yaml --out {shlex.quote(str(out))} --resume")
    typer.echo(f"On pages: set {VARIABLE} to {visible(str(out.resolve()))} and start the app.")
    typer.echo(f"Results: {visible(str(out / RESULTS))}")


def _counted(runs: int) -> str:
    return f"{runs} run" if runs == 1 else f"{runs} runs"
