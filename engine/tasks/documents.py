"""What a task is once its files are read: documents on two sides, none on both."""

import hashlib
import json
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
        return _fingerprint(self.train)

    @cached_property
    def held_out_fingerprint(self) -> str:
        """Hash of the held-out documents in order: equal where scores may be compared."""
        return _fingerprint(self.held_out)


def _fingerprint(documents: tuple[Document, ...]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(json.dumps([document.prompt, document.text], ensure_ascii=False).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]
