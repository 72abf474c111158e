"""A task's texts as tokens, encoded once for all runs: kept on disk by the content of its files and the tokenizer."""

import dataclasses
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import tokenizers
import transformers
from transformers import PreTrainedTokenizerBase

from engine.common.errors import TaskError
from engine.common.overrides import OVERRIDES
from engine.models.folder_hashes import files_hash, tokenizer_hash
from engine.models.loading import marks_of, tokenizer_folder
from engine.models.tokenizer_checks import SAMPLE_DOCUMENTS, check_tokens
from engine.persistence.content_keys import content_key
from engine.persistence.shared_results import SharedResults
from engine.tasks.documents import Document, Fingerprint, Task, TaskReading
from engine.tasks.library import facts_beside
from engine.tasks.streamed import StoredDocuments, StoredTask, open_task
from engine.tokens.document_encoding import DocumentEncoder, Tokenisation, make_rendering
from engine.tokens.encoded_documents import EncodedDocuments, encode_with, read, write
from engine.tokens.encoding_remarks import remarks_on
from engine.tokens.tokenisation import TOKENISATION_VERSION

if TYPE_CHECKING:
    from engine.tasks.spec import TaskSpec

_READING_VERSION = 4
"""Changed with every change of `engine/tasks/` that makes other documents of the same files."""
_RENDERING_VERSION = 1
"""Changed with every change that makes other tokens, bytes or remarks of the same documents."""
_TRAIN, _HELD_OUT, _ABOUT = "train", "held-out", "about.json"
_TEXT_SUFFIXES = (".txt", ".md", ".text", ".markdown")
_log = logging.getLogger(__name__)

_Made = TypeVar("_Made")
Texts = tuple[str, str, str]
"""The texts of a task are told from others by its name and the fingerprints of both sides."""


class Tokens(Protocol):
    """A base model as far as its tokens go: a `LoadedModel` or a `TokensOf`."""

    @property
    def name(self) -> str: ...
    @property
    def tokenizer(self) -> PreTrainedTokenizerBase: ...
    @property
    def bos(self) -> int: ...
    @property
    def eos(self) -> int: ...


@dataclass(frozen=True, eq=False)
class TokensOf:
    """A base model's tokenizer, without its weights."""

    name: str
    tokenizer: PreTrainedTokenizerBase
    bos: int
    eos: int

    @classmethod
    def from_tokenizer(cls, name: str, tokenizer: PreTrainedTokenizerBase) -> "TokensOf":
        """Raises ModelError where it has no token that ends a text."""
        return cls(name, tokenizer, *marks_of(name, tokenizer))


@dataclass(frozen=True, eq=False)
class TaskTokens:
    """Both sides of a task in a model's tokens."""

    name: str
    train: EncodedDocuments
    held_out: EncodedDocuments
    train_fingerprint: str
    held_out_fingerprint: str
    reading: TaskReading
    """The reading of the task, with what the model's tokens and the block made necessary among its remarks."""
    separator: str | None = None
    """The text between prompt and completion, where the task holds pairs."""
    chat_template: str | None = None
    """The template that conversations are rendered with, where the task holds any."""

    @property
    def texts(self) -> Texts:
        return self.name, self.train_fingerprint, self.held_out_fingerprint


def task_tokens(spec: "TaskSpec", base: Tokens, shared: SharedResults | None, block_size: int) -> TaskTokens:
    """The task in the tokens of `base`, left on disk in `shared`; in memory where that is None or has no room.

    Pairs and conversations keep to `block_size`. Raises TaskError that names file and line or column, ModelError where
    the model can't render conversations as the task wants.
    """
    if shared is not None:
        folder = shared.files(_key(spec, base, block_size), partial(_write, spec, base, block_size))
        try:
            if folder is not None:
                return _read(spec.label, folder)
        except (OSError, ValueError) as error:
            _log.warning("The tokens of %s went away while they were opened: %s", spec.name, error)
    return _in_memory(spec, base, block_size)


def _key(spec: "TaskSpec", base: Tokens, block_size: int) -> str:
    paths = [Path(name) for name in (*spec.train, *spec.test)]
    try:
        contents = [[path.name, files_hash([path])] for path in paths]
    except OSError:
        open_task(spec)  # says which file and what to do
        raise
    reading = spec.model_dump(mode="json", exclude={"name", "train", "test", *OVERRIDES})
    tokenizer = [tokenizer_hash(tokenizer_folder(base.name)), base.bos, base.eos]
    versions = [
        _READING_VERSION,
        _RENDERING_VERSION,
        TOKENISATION_VERSION,
        tokenizers.__version__,
        transformers.__version__,
    ]
    block = None if _is_text(spec, paths) else block_size
    facts = facts_beside(spec.train)  # remarks of the task that the files belong to: files of another may be equal
    kept = None if facts is None else dataclasses.asdict(facts)
    return content_key("tokens", contents, len(spec.train), reading, tokenizer, versions, block, kept)


def _is_text(spec: "TaskSpec", paths: list[Path]) -> bool:
    """Whether the task is surely neither pairs nor conversations, whose tokens depend on the block."""
    return spec.text_column is not None or all(path.suffix.lower() in _TEXT_SUFFIXES for path in paths)


@dataclass(frozen=True)
class _Encoding:
    """A task on its way to tokens."""

    task: Task | StoredTask
    rendering: Tokenisation
    remarks: tuple[str, ...]
    """Remarks on tokens that the model's tokenizer does not know."""

    def side(self, name: str, make: Callable[[DocumentEncoder, Iterable[Document]], _Made]) -> tuple[_Made, str]:
        """What `make` gives for one side's documents, and their fingerprint."""
        fingerprint = Fingerprint(self.rendering.key)
        documents = self.task.train if name == _TRAIN else self.task.held_out
        return make(self.rendering.encoder, fingerprint.passing(documents)), str(fingerprint)

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides to encode: one where the task is scored on its own training text."""
        return (_TRAIN,) if self.task.reading.scored_on_training else (_TRAIN, _HELD_OUT)

    def reading(self) -> TaskReading:
        """The reading with its remarks, once both sides are encoded."""
        remarks = (*self.task.reading.remarks, *self.remarks, *remarks_on(self.rendering.encoder.counts))
        return dataclasses.replace(self.task.reading, remarks=remarks)


def _encoding(spec: "TaskSpec", base: Tokens, block_size: int) -> _Encoding:
    task = open_task(spec)
    rendering = make_rendering(base.tokenizer, base.bos, base.eos, task.reading.kind, spec, block_size)
    texts = [text for side in (task.train, task.held_out) for text in _some_texts(side)]
    return _Encoding(task, rendering, check_tokens(base.tokenizer, spec.called, texts))


def _some_texts(documents: Sequence[Document] | StoredDocuments) -> list[str]:
    """Return texts from all over one side of a task."""
    step = max(1, len(documents) // SAMPLE_DOCUMENTS)
    return [document.text for document in islice(iter(documents), 0, None, step)]


def _write(spec: "TaskSpec", base: Tokens, block_size: int, folder: Path) -> None:
    encoding = _encoding(spec, base, block_size)
    about: dict[str, Any] = {}
    for side in encoding.sides:
        _, about[side] = encoding.side(side, partial(write, folder / side))
    _check(spec, read(folder / _TRAIN), read(folder / encoding.sides[-1]), encoding.rendering.encoder.counts)
    about["reading"] = dataclasses.asdict(encoding.reading())
    about["separator"], about["chat_template"] = encoding.rendering.separator, encoding.rendering.chat_template
    (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _read(name: str, folder: Path) -> TaskTokens:
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    found: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in about["reading"].items()}
    reading = TaskReading(**found)
    held_out = _TRAIN if reading.scored_on_training else _HELD_OUT
    return TaskTokens(
        name, read(folder / _TRAIN), read(folder / held_out), about[_TRAIN], about[held_out], reading,
        about["separator"], about["chat_template"],
    )  # fmt: skip


def _in_memory(spec: "TaskSpec", base: Tokens, block_size: int) -> TaskTokens:
    encoding = _encoding(spec, base, block_size)
    made = [encoding.side(side, encode_with) for side in encoding.sides]
    (train, train_print), (held_out, held_out_print) = made[0], made[-1]
    _check(spec, train, held_out, encoding.rendering.encoder.counts)
    return TaskTokens(
        spec.label, train, held_out, train_print, held_out_print, encoding.reading(),
        encoding.rendering.separator, encoding.rendering.chat_template,
    )  # fmt: skip


def _check(spec: "TaskSpec", train: EncodedDocuments, held_out: EncodedDocuments, counts: Counter[str]) -> None:
    """Raises TaskError where a side came to nothing: texts without tokens, conversations that can't be rendered."""
    for side, documents in (("train on", train), ("score", held_out)):
        if documents.target_tokens == 0 or not len(documents):
            why = " ".join(remarks_on(counts)) or "The model's tokenizer makes no tokens of these texts."
            raise TaskError(f"{spec.called}: nothing is left to {side}. {why}")
