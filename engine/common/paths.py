"""The data folder, in which everything is kept."""

import os
from functools import lru_cache
from pathlib import Path

from engine.common.errors import StoreUnavailableError

VARIABLE = "PALIMPSEST_DATA"
MODEL_ROOTS = "PALIMPSEST_MODEL_ROOTS"
"""Names the folders below which model folders may lie, separated as in PATH; without it they may lie anywhere."""


def data_folder() -> Path:
    """The one folder of all data, made on demand: the environment variable PALIMPSEST_DATA, or ~/.palimpsest.

    Raises StoreError where it can't be made.
    """
    named = os.environ.get(VARIABLE, "").strip()
    folder = _resolved((Path(named).expanduser() if named else Path.home() / ".palimpsest").absolute())
    return made(folder, f"set {VARIABLE} to another folder for all data")


def made(folder: Path, otherwise: str = "choose another folder") -> Path:
    """A folder for data, made where it is missing. Raises StoreUnavailableError, with what to do `otherwise`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(f"{folder} can't be made ({error.strerror}); mend that, or {otherwise}.") from error
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
