"""What a task is once its files are read: documents on two sides, none on both."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Document:
    """One independent text. `text` is what is learnt and scored; `prompt` is context that is only read."""

    text: str
    prompt: str = ""


@dataclass(frozen=True)
class Task:
    """A named body of text, split by document into training and held-out text."""

    name: str
    train: tuple[Document, ...]
    held_out: tuple[Document, ...]

    @cached_property
    def train_fingerprint(self) -> str:
        """Hash of the training documents in order: equal where the same text would be learnt."""
        return Fingerprint().of(self.train)

    @cached_property
    def held_out_fingerprint(self) -> str:
        """Hash of the held-out documents in order: equal where scores may be compared."""
        return Fingerprint().of(self.held_out)


class Fingerprint:
    """A hash of documents in order, taken while they pass by."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def __str__(self) -> str:
        return self._digest.hexdigest()[:16]

    def passing(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents themselves."""
        for document in documents:
            row = json.dumps([document.prompt, document.text], ensure_ascii=False)
            self._digest.update(row.encode("utf-8", "surrogatepass"))
            yield document

    def of(self, documents: Iterable[Document]) -> str:
        for _ in self.passing(documents):
            pass
        return str(self)
