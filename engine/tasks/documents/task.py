"""What a task is once its files are read: documents on two sides, none on both."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Kind = Literal["text", "pairs", "chat"]


@dataclass(frozen=True)
class Turn:
    """One message of a conversation. `role` is "system", "user", "assistant" or "tool"."""

    role: str
    content: str
    more: str = ""
    """A JSON object of what chat templates read beside role and content, such as tool calls; "" for none."""
    given: bool = False
    """Of an assistant's turn: it is only read, as one in a prompt is."""

    @property
    def is_answer(self) -> bool:
        """Whether it is a turn to learn."""
        return self.role == "assistant" and not self.given


@dataclass(frozen=True)
class Document:
    """One independent text. `text` is what is learnt and scored; `prompt` is context that is only read."""

    text: str
    prompt: str = ""
    turns: tuple[Turn, ...] = ()
    """Of a conversation, in order; `text` then joins the turns to learn by line breaks, `prompt` the others."""

    @classmethod
    def conversation(cls, turns: tuple[Turn, ...]) -> "Document":
        """A conversation; what a template makes of it depends on the model."""
        learnt = [turn.content for turn in turns if turn.is_answer]
        read = [turn.content for turn in turns if not turn.is_answer]
        return cls("\n".join(learnt), "\n".join(read), turns)


@dataclass(frozen=True)
class TaskReading:
    """What was read to make a task, for whoever looks at its numbers later."""

    kind: Kind = "text"
    columns: tuple[str, ...] = ()
    """The columns of tables that are used."""
    unused_columns: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    """Whole sentences: encodings, rows and duplicates left out, readings that are a guess."""
    scored_on_training: bool = False
    """Nothing is held out: the task is scored on its own training text."""


@dataclass(frozen=True)
class Task:
    """A named body of text, split by document into training and held-out text."""

    name: str
    train: tuple[Document, ...]
    held_out: tuple[Document, ...]
    reading: TaskReading = field(default=TaskReading(), compare=False)

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

    def __init__(self, rendering: str = "") -> None:
        """`rendering` says how documents become text where that is not fixed: a separator, a chat template."""
        self._digest = hashlib.sha256(rendering.encode("utf-8", "surrogatepass"))

    def __str__(self) -> str:
        return self._digest.hexdigest()[:16]

    def passing(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents themselves."""
        for document in documents:
            parts: list[Any] = [[turn.role, turn.content, turn.more, turn.given] for turn in document.turns]
            parts = parts or [document.prompt, document.text]
            row = json.dumps(parts, ensure_ascii=False)
            self._digest.update(row.encode("utf-8", "surrogatepass"))
            yield document

    def of(self, documents: Iterable[Document]) -> str:
        for _ in self.passing(documents):
            pass
        return str(self)


def kind_of(documents: Sequence[Document]) -> Kind:
    """What a task is, by its documents."""
    if any(document.turns for document in documents):
        return "chat"
    return "pairs" if any(document.prompt for document in documents) else "text"
