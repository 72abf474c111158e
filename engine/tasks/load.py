"""From a task's specification to its documents: read the files, cut them, hold a part out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.errors import TaskError
from engine.common.quoting import listed, shortened
from engine.tasks.columns import Columns, chosen_columns, unused_columns
from engine.tasks.documents import Document, Task, TaskReading, kind_of
from engine.tasks.files.contents import (
    Content,
    LeftOut,
    ReadingOptions,
    Table,
    Text,
    Unreadable,
    doubtful_encoding,
    explain_left_out,
)
from engine.tasks.files.limits import check_size
from engine.tasks.readers import read_source
from engine.tasks.rows import rows_to_documents
from engine.tasks.splitting import Division, Splits, divide, resolve_split, split_text
from engine.tasks.tables.nested import is_written_messages

if TYPE_CHECKING:
    from engine.tasks.spec import Split, TaskSpec


SCORED_ON_TRAINING = "Nothing is held out: every score is measured on the training text itself."


@dataclass
class Cut:
    """The documents of some contents, and what a user has to know of them."""

    documents: list[Document] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)
    """Whole sentences, each once, in order."""
    columns: dict[str, None] = field(default_factory=dict)
    """The columns of tables that are used, in order."""
    unused_columns: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class Divided:
    """A task's documents on two sides, with what is to be said of them."""

    division: Division
    reading: TaskReading


def load_task(spec: "TaskSpec") -> Task:
    """Read and divide a task; paths in `spec` are absolute. Raises TaskError that names file and line or column."""
    options = ReadingOptions(spec.encoding, spec.header, spec.delimiter, spec.quotes, spec.front_matter)
    held_out = _read_files(spec.test, options) if spec.test else None
    divided = documents_of(
        _source(spec), _read_files(spec.train, options), held_out, spec.split, Columns.of(spec), spec.held_out_share,
        spec.split_seed, on_training=spec.held_out == "train",
    )  # fmt: skip
    return Task(spec.name, divided.division.train, divided.division.held_out, divided.reading)


def documents_of(
    name: str, train: Sequence[Content], held_out: Sequence[Content] | None, split: "Split", columns: Columns,
    share: float, seed: int = 0, on_training: bool = False,
) -> Divided:  # fmt: skip
    """Cut and divide contents that were read. Raises TaskError, which names `name` where the whole task is meant."""
    train, held_out, set_aside = _sides(train, held_out, on_training)
    splits = resolve_split(_texts(train), split)
    learnt = cut(train, splits, columns)
    tested = cut(held_out, splits, columns) if held_out is not None else None
    _refuse_mixture(name, learnt.documents + (tested.documents if tested else []))
    division = divide(name, learnt.documents, tested.documents if tested else None, share, seed, on_training)
    both = [learnt, *([tested] if tested else [])]
    unused = tuple(n for n in _names(s.unused_columns for s in both) if n not in learnt.columns)
    remarks = [*set_aside, *(remark for side in both for remark in side.remarks)]
    if unused:
        remarks.insert(0, unused_remark(unused))
    remarks += division_remarks(division.repeated, division.on_both_sides)
    if on_training:
        remarks.append(SCORED_ON_TRAINING)
    reading = TaskReading(
        kind=kind_of((*division.train, *division.held_out)),
        columns=_names(side.columns for side in both),
        unused_columns=unused,
        remarks=tuple(dict.fromkeys(remarks)),
        scored_on_training=on_training,
    )
    return Divided(division, reading)


def _sides(
    train: Sequence[Content], held_out: Sequence[Content] | None, on_training: bool
) -> tuple[list[Content], list[Content] | None, list[str]]:
    """What each side takes where files themselves bring rows to hold out; with a sentence for each list not used."""
    within = [content for content in train if _side(content) == "held_out"]
    learnt = [content for content in train if _side(content) != "held_out"]
    if held_out is None:
        unused = within if on_training else []
        why = "nothing is held out"
        tested = within or None if not on_training else None
    else:
        unused, why = within, "other files are held out"
        tested = list(held_out)
    remarks = [f"{content.name}: is not used, since {why}." for content in unused]
    if tested is not None and any(_side(content) == "held_out" for content in tested):
        remarks += [
            f"{content.name}: is not used, since the file is to be held out and has another list for that."
            for content in tested
            if _side(content) == "train"
        ]
        tested = [content for content in tested if _side(content) != "train"]
    return learnt, tested, remarks


def _side(content: Content) -> str:
    return content.side if isinstance(content, Table) else ""


def cut(contents: Sequence[Content], splits: Splits, columns: Columns) -> Cut:
    """Cut contents into documents in their order. Raises TaskError for missing columns and texts cut as rows."""
    found = Cut()
    for content in contents:
        if isinstance(content, Unreadable):
            found.remarks[content.reason] = None
            continue
        if isinstance(content, Table):
            _cut_table(content, columns, found)
        else:
            pieces = split_text(content.text, splits.of(content))
            _refuse_messages(content.name, pieces)
            found.documents.extend(map(Document, pieces))
        for remark in content.remarks:
            found.remarks[f"{content.name}: {remark}"] = None
        if not content.certain:
            found.remarks[doubtful_encoding(content)] = None
    return found


def _cut_table(table: Table, columns: Columns, found: Cut) -> None:
    chosen = chosen_columns(table, columns)
    rows = rows_to_documents(table, chosen)
    found.documents.extend(rows.documents)
    found.columns |= dict.fromkeys(chosen.names)
    found.unused_columns |= dict.fromkeys(unused_columns(table, chosen))
    for remark in rows.remarks():
        found.remarks[f"{table.name}: {remark}"] = None
    left_out: tuple[LeftOut, ...] = (*table.left_out, *rows.left_out)
    if left_out:
        found.remarks[f"{table.name}: {explain_left_out(left_out)}"] = None


def _refuse_messages(name: str, pieces: Sequence[str]) -> None:
    """Lines of conversations under a name of plain text would be learnt as JSON."""
    looked_at = pieces[:50]
    if sum(map(is_written_messages, looked_at)) * 2 > len(looked_at):
        raise TaskError(f"{name}: its documents are conversations written as JSON; name the file .jsonl or .json.")


def _refuse_mixture(name: str, documents: Sequence[Document]) -> None:
    if any(d.turns for d in documents) and any(not d.turns and not d.prompt for d in documents):
        raise TaskError(f"{name}: holds conversations and plain texts; make a task of each.")


def unused_remark(names: Sequence[str]) -> str:
    """One sentence that names the columns nothing is taken from."""
    word = "column is" if len(names) == 1 else "columns are"
    quoted = [f"'{name}'" for name in names]
    return f"{len(names):,} {word} not used: {listed(quoted, 12)}."


def division_remarks(repeated: int, on_both_sides: int) -> list[str]:
    """What a division dropped, in whole sentences."""
    remarks = []
    if repeated:
        were = "1 repeated document was" if repeated == 1 else f"{repeated:,} repeated documents were"
        remarks.append(f"{were} left out.")
    if on_both_sides:
        were = "1 training document was" if on_both_sides == 1 else f"{on_both_sides:,} training documents were"
        them = "it" if on_both_sides == 1 else "them"
        remarks.append(f"{were} left out because the held-out text has {them} too.")
    return remarks


def _names(parts: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part))


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
