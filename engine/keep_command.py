"""`python -m engine keep`: fewer checkpoints of runs that have finished, and of those that are still to finish."""

from pathlib import Path

import typer

from engine.common.errors import ConfigError
from engine.common.quoting import visible
from engine.experiments.kept_checkpoints import KEEPS

_MB = 10**6


def keep(folder: Path, checkpoints: str) -> None:
    """Keep no more of the runs in a folder than `checkpoints` says, and print what became free. Raises ConfigError,
    StoreError."""
    from engine.running.results_folder import keep_checkpoints

    found = next((each for each in KEEPS if each == checkpoints), None)
    if found is None:
        raise ConfigError(f"--checkpoints: {checkpoints!r} is none of {', '.join(KEEPS)}.")
    freed = keep_checkpoints(folder, found)
    typer.echo(f"{visible(str(folder))}: {freed / _MB:,.1f} MB became free.")
