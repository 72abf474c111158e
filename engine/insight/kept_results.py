"""Where scores and answers are kept, so that nothing is computed twice. Pages import this before torch has loaded."""

from pathlib import Path

from engine.persistence.content_keys import content_key
from engine.persistence.shared_results import SharedResults

FOLDER, LIMIT_BYTES = "insight", 2_000_000_000
"""In this folder of the data folder; the least recently used go once they are larger than the limit."""

JSON_FILE = "answers.json"
"""In the folder of a result that is plain data."""
_VERSION = 1
"""Changed with every change of this room that makes another result of the same models and texts."""


def kept_results(data_folder: Path) -> SharedResults:
    """The kept scores and answers of a data folder."""
    return SharedResults(data_folder / FOLDER, LIMIT_BYTES)


def kept_name(key: str) -> str:
    """The name under which the result that `key` stands for is kept."""
    return content_key(_VERSION, key)
