"""A task's texts as tokens, encoded once for all runs: kept on disk by the content of its files and the tokenizer."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tokenizers
import transformers

from engine.encoded import EncodedDocuments, encode, read, write
from engine.models import BaseModel, locate
from engine.sharing import SharedResults, content_key, files_hash, tokenizer_hash
from engine.tasks.documents import Document, Fingerprint
from engine.tasks.stored import open_task
from engine.tokenisation import TOKENISATION_VERSION, make_encoder

if TYPE_CHECKING:
    from engine.experiment import TaskSpec

_READING_VERSION = 3
"""Changed with every change of `engine/tasks/` that makes other documents of the same files."""
_TRAIN, _HELD_OUT, _ABOUT = "train", "held-out", "about.json"
_log = logging.getLogger(__name__)

Texts = tuple[str, str, str]
"""What tells the texts of tasks apart: name, and the fingerprints of both sides."""


@dataclass(frozen=True, eq=False)
class TaskTokens:
    """Both sides of a task in a model's tokens."""

    name: str
    train: EncodedDocuments
    held_out: EncodedDocuments
    train_fingerprint: str
    held_out_fingerprint: str

    @property
    def texts(self) -> Texts:
        return self.name, self.train_fingerprint, self.held_out_fingerprint


def task_tokens(spec: "TaskSpec", base: BaseModel, shared: SharedResults | None) -> TaskTokens:
    """The task in the tokens of `base`, left on disk in `shared`; in memory where that is None or has no room.

    Raises TaskError that names file and line or column.
    """
    if shared is not None:
        folder = shared.files(_key(spec, base), partial(_write, spec, base))
        try:
            if folder is not None:
                return _read(spec.name, folder)
        except (OSError, ValueError) as error:
            _log.warning("The tokens of %s went away while they were opened: %s", spec.name, error)
    return _in_memory(spec, base)


def _key(spec: "TaskSpec", base: BaseModel) -> str:
    paths = [Path(name) for name in (*spec.train, *spec.test)]
    try:
        contents = [[path.name, files_hash([path])] for path in paths]
    except OSError:
        open_task(spec)  # says which file and what to do
        raise
    reading = spec.model_dump(mode="json", exclude={"name", "train", "test"})
    tokenizer = [tokenizer_hash(locate(base.name)), base.bos, base.eos]
    versions = [_READING_VERSION, TOKENISATION_VERSION, tokenizers.__version__, transformers.__version__]
    return content_key("tokens", contents, len(spec.train), reading, tokenizer, versions)


def _write(spec: "TaskSpec", base: BaseModel, folder: Path) -> None:
    task, encode_texts = open_task(spec), make_encoder(base.tokenizer)
    about = {}
    for side, documents in ((_TRAIN, task.train), (_HELD_OUT, task.held_out)):
        fingerprint = Fingerprint()
        write(folder / side, encode_texts, fingerprint.passing(documents), base.bos, base.eos)
        about[side] = str(fingerprint)
    (folder / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _read(name: str, folder: Path) -> TaskTokens:
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    return TaskTokens(name, read(folder / _TRAIN), read(folder / _HELD_OUT), about[_TRAIN], about[_HELD_OUT])


def _in_memory(spec: "TaskSpec", base: BaseModel) -> TaskTokens:
    task = open_task(spec)

    def encoded(documents: Iterable[Document]) -> tuple[EncodedDocuments, str]:
        fingerprint = Fingerprint()
        return encode(base.tokenizer, fingerprint.passing(documents), base.bos, base.eos), str(fingerprint)

    (train, train_print), (held_out, held_out_print) = encoded(task.train), encoded(task.held_out)
    return TaskTokens(task.name, train, held_out, train_print, held_out_print)
