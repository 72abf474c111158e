"""From a task's specification to its documents: read the files, cut them, hold a part out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import TaskError
from engine.names import shortened
from engine.tasks.columns import Columns, chosen_columns, rows_to_documents
from engine.tasks.contents import Content, LeftOut, ReadingOptions, Table, Text, Unreadable, explain_left_out
from engine.tasks.documents import Document, Task
from engine.tasks.limits import check_size
from engine.tasks.readers import read_source
from engine.tasks.splitting import Division, Splits, divide, resolve_split, split_text

if TYPE_CHECKING:
    from engine.experiment import Split, TaskSpec

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cut:
    """The documents of some contents, and what could not be used, one sentence a file."""

    documents: tuple[Document, ...]
    notes: tuple[str, ...]


def load_task(spec: "TaskSpec") -> Task:
    """Read and divide a task; paths in `spec` are absolute. Raises TaskError that names file and line or column.

    Rows left out and encodings that are a guess are logged as warnings.
    """
    columns = Columns(spec.text_column, spec.prompt_column or (), spec.completion_column, spec.messages_column)
    options = ReadingOptions(spec.encoding, spec.header, spec.delimiter, spec.quotes, spec.front_matter)
    train_contents = _read_files(spec.train, options)
    splits = resolve_split(_texts(train_contents), spec.split)
    train = cut(train_contents, splits, columns)
    held_out = cut(_read_files(spec.test, options), splits, columns) if spec.test else None
    for note in train.notes + (held_out.notes if held_out else ()):
        _log.warning("%s", note)
    tested = held_out.documents if held_out else None
    division = divide(_source(spec), train.documents, tested, spec.held_out_share, spec.split_seed)
    return Task(spec.name, division.train, division.held_out)


def cut(contents: Sequence[Content], splits: Splits, columns: Columns) -> Cut:
    """Cut contents into documents in their order. Raises TaskError for missing columns and texts cut as rows."""
    documents: list[Document] = []
    notes: list[str] = []
    for content in contents:
        if isinstance(content, Unreadable):
            notes.append(content.reason)
            continue
        if isinstance(content, Table):
            rows, empty = rows_to_documents(content, chosen_columns(content, columns))
            documents.extend(rows)
            left_out: tuple[LeftOut, ...] = (*content.left_out, *empty)
            if left_out:
                notes.append(f"{content.name}: {explain_left_out(left_out)}")
        else:
            documents.extend(Document(piece) for piece in split_text(content.text, splits.of(content)))
        if not content.certain:
            notes.append(
                f"{content.name}: read as {content.encoding} because of {content.how}; if wrong, set the encoding."
            )
    return Cut(tuple(documents), tuple(notes))


def documents_of(
    name: str, train: Sequence[Content], held_out: Sequence[Content] | None, split: "Split", columns: Columns,
    share: float, seed: int = 0,
) -> tuple[Division, tuple[str, ...]]:  # fmt: skip
    """Cut and divide contents already read, for the page's preview; the notes of both sides follow."""
    splits = resolve_split(_texts(train), split)
    learnt = cut(train, splits, columns)
    tested = cut(held_out, splits, columns) if held_out is not None else None
    division = divide(name, learnt.documents, tested.documents if tested else None, share, seed)
    return division, learnt.notes + (tested.notes if tested else ())


def _texts(contents: Sequence[Content]) -> list[Text]:
    return [content for content in contents if isinstance(content, Text)]


def _read_files(paths: Sequence[str], options: ReadingOptions) -> list[Content]:
    return [content for path in paths for content in read_source(Path(path).name, _bytes(Path(path)), options)]


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file() and path.exists() and not path.is_dir():
            raise TaskError(f"{path}: this is not a file but a device or a pipe; name a file.")
        with path.open("rb") as file:
            check_size(str(path), file.seek(0, 2))
            file.seek(0)
            return file.read()
    except FileNotFoundError as error:
        raise TaskError(f"{path}: there is no such file; check the path.") from error
    except IsADirectoryError as error:
        raise TaskError(f"{path}: this is a folder; name the files in it, or a .zip of them.") from error
    except OSError as error:
        raise TaskError(
            f"{shortened(str(path), 300)}: can't be read ({error.strerror}); check the path and its permissions."
        ) from error


def _source(spec: "TaskSpec") -> str:
    """What to name in errors about the task as a whole."""
    first = Path(spec.train[0]).name
    return first if len(spec.train) == 1 else f"{first} and {len(spec.train) - 1} more files of '{spec.name}'"
