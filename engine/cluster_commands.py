"""`python -m engine sbatch` and `join`: the runs of an experiment on many machines, each on its own, and their results
made into one folder."""

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer

from engine.common.paths import VARIABLE
from engine.common.quoting import visible
from engine.experiments.experiment import experiment_from
from engine.experiments.yaml_file import load_experiment
from engine.running.slurm_script import slurm_script


def sbatch(file: Path, out: Path) -> None:
    """Print the script of an experiment's array, with this Python and whole paths. Raises ConfigError."""
    project, experiment = Path(__file__).absolute().parents[1], load_experiment(file)
    script = slurm_script(experiment, str(file.absolute()), str(out.absolute()), sys.executable, str(project))
    typer.echo(script, nl=False)


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
