"""Parquet tables, read by a process of their own, see `child`, which hands their cells back as plain text."""

from __future__ import annotations

import io
from typing import Any

from engine.common.errors import TaskError
from engine.tasks.files.child_process import command, read_in_child, serve
from engine.tasks.files.contents import Table
from engine.tasks.files.encodings import clean
from engine.tasks.files.limits import Room, check_columns, check_pieces
from engine.tasks.tables.cells import cell_text, unique_names
from engine.tasks.tables.nested import find_messages

_CHILD = command("engine.tasks.tables.parquet")
_DAMAGED = "this is not a whole Parquet file; copy or export it again"
_NESTED = b"nested"
"""Marks, on its way from the child, a column of lists or objects."""
_ROWS = 1024


def read_parquet(name: str, data: bytes) -> Table:
    """Read a Parquet table, nested values as JSON. Raises TaskError."""
    import pandas as pd
    import pyarrow.ipc

    out = read_in_child(_CHILD, name, data, _DAMAGED, "split it, or export it as CSV")
    with pyarrow.ipc.open_stream(out) as stream:
        cells = stream.read_all()
    if not cells.num_rows:
        many = "1 column" if cells.num_columns == 1 else f"{cells.num_columns} columns"
        raise TaskError(f"{name}: the table has {many} but no row; add rows.")
    frame = pd.DataFrame({label: cells.column(label).to_pylist() for label in cells.column_names}, dtype=str)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    nested = frozenset(field.name for field in cells.schema if _NESTED in (field.metadata or {}))
    frame, messages = find_messages(frame, besides=nested)
    return Table(name, frame, "parquet", row_word="row", nested=nested | messages)


def child() -> None:
    """Read a Parquet file from stdin, write its cells to stdout as an Arrow stream."""
    serve(_stream)


def _stream(name: str, data: bytes) -> bytes:
    import pyarrow as pa

    columns, nested = columns_of(name, data)
    fields = [
        pa.field(label, pa.large_string(), metadata={_NESTED: b""} if label in nested else None) for label in columns
    ]
    table = pa.table([pa.array(cells, pa.large_string()) for cells in columns.values()], pa.schema(fields))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def columns_of(name: str, data: bytes) -> tuple[dict[str, list[str]], frozenset[str]]:
    """The cells by column, and which columns hold lists or objects.

    Raises TaskError where the file is damaged or holds too much.
    """
    import pyarrow as pa

    try:
        return _columns(name, io.BytesIO(data))
    except MemoryError as error:  # of Arrow's, too
        raise TaskError(f"{name}: reading it takes more memory than one upload may; split it into several.") from error
    except (pa.ArrowException, OSError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise _damaged(name) from error


def _columns(name: str, file: io.BytesIO) -> tuple[dict[str, list[str]], frozenset[str]]:
    """Such a file keeps equal texts once, so that a small one can hold a great deal: texts are read as references, and
    counted before they are written out."""
    import pyarrow as pa
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
    kinds = dict(zip(columns, read.schema_arrow.types, strict=True))
    return columns, frozenset(label for label, kind in kinds.items() if pa.types.is_nested(kind))


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


def _damaged(name: str) -> TaskError:
    return TaskError(f"{name}: {_DAMAGED}.")
