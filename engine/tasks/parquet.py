"""Parquet tables, read by a process of their own.

The library that reads them is native code: a file made for it can end the program that reads it, or fill its memory. So
that this ends a child and not the server, the child reads the file and hands its cells back as plain text.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import TaskError
from engine.tasks.cells import cell_text, unique_names
from engine.tasks.contents import Table
from engine.tasks.encodings import clean
from engine.tasks.limits import Room, check_columns, check_pieces

SECONDS = 300
MEMORY_BYTES = 6 * 2**30
"""Address space of the child; what it holds at a time is the file, its cells, and its cells as they are handed back."""
_ROOT = Path(__file__).resolve().parents[2]
_CHILD = [sys.executable, "-c", "from engine.tasks.parquet import child; child()"]
_REFUSED = 3
_ROWS = 1024


def read_parquet(name: str, data: bytes) -> Table:
    """Read a Parquet table, nested values as JSON. Raises TaskError."""
    import pandas as pd
    import pyarrow.ipc

    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    command = [*_CHILD, name.encode("utf-8", "replace").decode().replace("\0", "\ufffd")]
    try:
        done = subprocess.run(  # noqa: S603 - the name is an argument that is only printed
            command, input=data, capture_output=True, cwd=_ROOT, env=environment, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TaskError(f"{name}: reading it takes too long; split it, or export it as CSV.") from error
    if done.returncode == _REFUSED:
        raise TaskError(done.stderr.decode("utf-8", "replace").strip())
    if done.returncode:
        raise _damaged(name)
    with pyarrow.ipc.open_stream(done.stdout) as stream:
        cells = stream.read_all()
    if not cells.num_rows:
        many = "1 column" if cells.num_columns == 1 else f"{cells.num_columns} columns"
        raise TaskError(f"{name}: the table has {many} but no row; add rows.")
    frame = pd.DataFrame({label: cells.column(label).to_pylist() for label in cells.column_names}, dtype=str)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return Table(name, frame, "parquet", row_word="row")


def child() -> None:
    """Read a Parquet file from stdin, write its cells to stdout as an Arrow stream, or a sentence to stderr."""
    import pyarrow as pa

    _limit_memory()
    try:
        columns = columns_of(sys.argv[1], sys.stdin.buffer.read())
        table = pa.table({label: pa.array(cells, pa.large_string()) for label, cells in columns.items()})
    except TaskError as error:
        sys.stderr.write(str(error))
        sys.exit(_REFUSED)
    with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as stream:
        stream.write_table(table)


def columns_of(name: str, data: bytes) -> dict[str, list[str]]:
    """The cells by column. Raises TaskError where the file is damaged or holds too much."""
    import pyarrow as pa

    try:
        return _columns(name, io.BytesIO(data))
    except MemoryError as error:  # of Arrow's, too
        raise TaskError(f"{name}: reading it takes more memory than one upload may; split it into several.") from error
    except (pa.ArrowException, OSError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise _damaged(name) from error


def _columns(name: str, file: io.BytesIO) -> dict[str, list[str]]:
    """Such a file keeps equal texts once, so that a small one can hold a great deal: texts are read as references, and
    counted before they are written out."""
    import pyarrow.parquet

    metadata = pyarrow.parquet.read_metadata(file)
    check_columns(name, metadata.num_columns)
    check_pieces(name, metadata.num_rows * max(1, metadata.num_columns))
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type != "DECIMAL"]
    read = pyarrow.parquet.ParquetFile(file, read_dictionary=texts)
    columns: dict[str, list[str]] = {label: [] for label in unique_names(map(clean, read.schema_arrow.names))}
    room, pieces = Room(), 0
    for batch in read.iter_batches(_ROWS):
        for cells, array in zip(columns.values(), batch.columns, strict=True):
            size, values = _written_out(array)
            room.take(name, size)
            pieces += values
            check_pieces(name, pieces)
            cells.extend(map(cell_text, array.to_pylist()))
    return columns


def _written_out(array: Any) -> tuple[int, int]:
    """Bytes and number of an Arrow array's values, at any depth, once each is written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        if not (pa.types.is_string(kind.value_type) or pa.types.is_binary(kind.value_type)):
            return 16 * len(array), len(array)
        lengths = pc.binary_length(array.dictionary).cast(pa.int64())
        return pc.sum(lengths.take(array.indices)).as_py() or 0, len(array)
    if pa.types.is_struct(kind):
        parts = [_written_out(array.field(i)) for i in range(kind.num_fields)]
    elif pa.types.is_nested(kind):
        parts = [_written_out(array.flatten())]
    else:
        return array.nbytes, len(array)
    return sum(size for size, _ in parts), len(array) + sum(values for _, values in parts)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    with suppress(OSError, ValueError):  # where a stricter limit stands, or macOS
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _damaged(name: str) -> TaskError:
    return TaskError(f"{name}: this is not a whole Parquet file; copy or export it again.")
