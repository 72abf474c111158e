"""What one upload may hold, so that a small file can't fill the memory."""

from engine.common.errors import TaskError

MAX_BYTES = 512 * 1024 * 1024
"""Uncompressed."""
MAX_FILES = 10_000
MAX_PIECES = 10_000_000
"""Lines of a text, or cells of a table: each takes a hundred bytes or so, however little it holds."""
MAX_COLUMNS = 2_000


class Room:
    """The bytes that one upload may still hold unpacked: what proves to be damaged has taken its part all the same."""

    def __init__(self) -> None:
        self.left = MAX_BYTES

    def take(self, name: str, size: int) -> None:
        """Raises TaskError, which names the upload, where there is no room for so much."""
        self.left -= size
        if self.left < 0:
            raise TaskError(
                f"{name}: unpacked it would be larger than {MAX_BYTES // 2**20} MB, the most that one upload may "
                "hold; split it into several files."
            )


def check_size(name: str, size: int) -> None:
    """Raises TaskError for a file of too many bytes."""
    if size > MAX_BYTES:
        raise TaskError(f"{name}: holds more than {MAX_BYTES // 2**20} MB; split it into several files.")


def check_pieces(name: str, pieces: int) -> None:
    """Raises TaskError for too many lines or cells."""
    if pieces > MAX_PIECES:
        raise TaskError(f"{name}: holds more than {MAX_PIECES:,} lines or cells; split it into several files.")


def check_columns(name: str, columns: int) -> None:
    """Raises TaskError for a table that is wider than any table of texts."""
    if columns > MAX_COLUMNS:
        raise TaskError(
            f"{name}: has {columns:,} columns, more than the {MAX_COLUMNS:,} that a table may have; "
            "keep those that hold the texts."
        )
