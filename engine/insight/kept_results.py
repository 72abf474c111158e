"""Where scores and answers are kept, so that nothing is computed twice. Pages import this before torch has loaded."""

from pathlib import Path

from engine.persistence.shared_results import SharedResults

FOLDER, LIMIT_BYTES = "insight", 2_000_000_000
"""In this folder of the data folder; the least recently used go once they are larger than the limit."""


def kept_results(data_folder: Path) -> SharedResults:
    """The kept scores and answers of a data folder."""
    return SharedResults(data_folder / FOLDER, LIMIT_BYTES)
