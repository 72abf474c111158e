"""Where everything is kept."""

import os
from functools import lru_cache
from pathlib import Path

from engine.errors import StoreError

VARIABLE = "PALIMPSEST_DATA"
MODEL_ROOTS = "PALIMPSEST_MODEL_ROOTS"
"""Names the folders below which model folders may lie, separated as in PATH; without it they may lie anywhere."""


def data_folder() -> Path:
    """The one folder of all data, made on demand: the environment variable PALIMPSEST_DATA, or ~/.palimpsest.

    Raises StoreError where it can't be made.
    """
    named = os.environ.get(VARIABLE, "").strip()
    return made(_resolved((Path(named).expanduser() if named else Path.home() / ".palimpsest").absolute()))


def made(folder: Path) -> Path:
    """A folder for data, made where it is missing. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder} can't be made ({error.strerror}); mend that, or set {VARIABLE} to another folder for all data."
        ) from error
    return folder


@lru_cache(maxsize=1)
def _resolved(folder: Path) -> Path:
    """Pages ask a dozen times in a run."""
    return folder.resolve()


def is_file(path: str | Path) -> bool:
    """Whether there is a file that may be looked at; paths that no system takes name none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
