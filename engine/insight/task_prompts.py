"""Prompts that the held-out documents of a task begin with, each beside what the document goes on with."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from engine.insight.requests import Prompt
from engine.tasks import open_task
from engine.tasks.documents import Document

if TYPE_CHECKING:
    from engine.tasks.spec import TaskSpec

BEGINNING_CHARACTERS, SHARE = 200, 0.5
"""Of a text so many are the prompt, and at most this share of it."""
CONTINUATION_CHARACTERS = 600


@dataclass(frozen=True)
class HeldOutPrompt:
    """A prompt, and what the task's own document has in the place of an answer."""

    prompt: Prompt
    own: str


def held_out_prompts(spec: "TaskSpec", most: int) -> list[HeldOutPrompt]:
    """The prompts of the first held-out documents, at most so many. Raises TaskError as reading the task does.

    A pair gives its prompt with the task's separator, a conversation what the user says first, a text its beginning.
    """
    return list(islice(_prompts(spec), most))


def _prompts(spec: "TaskSpec") -> Iterator[HeldOutPrompt]:
    for document in open_task(spec).held_out:
        found = _of_conversation(document) if document.turns else _of_text(document, spec)
        if found is not None and found.prompt.text.strip():
            yield found


def _of_conversation(document: Document) -> HeldOutPrompt | None:
    """None where no answer follows on what the user says."""
    asked = next((number for number, turn in enumerate(document.turns) if turn.role == "user"), None)
    if asked is None:
        return None
    answer = next((turn.content for turn in document.turns[asked + 1 :] if turn.role == "assistant"), "")
    return HeldOutPrompt(Prompt(document.turns[asked].content, chat=True), answer)


def _of_text(document: Document, spec: "TaskSpec") -> HeldOutPrompt:
    if document.prompt and spec.template != "auto":  # rendered as a conversation
        return HeldOutPrompt(Prompt(document.prompt, chat=True), document.text)
    if document.prompt:
        return HeldOutPrompt(Prompt(document.prompt + spec.separator), document.text)
    end = _word_end(document.text, min(BEGINNING_CHARACTERS, int(len(document.text) * SHARE)))
    return HeldOutPrompt(Prompt(document.text[:end]), document.text[end : end + CONTINUATION_CHARACTERS])


def _word_end(text: str, most: int) -> int:
    """The last end of a word within `most` characters; `most` itself where no space is near, as in Chinese."""
    end = max(text.rfind(" ", 0, most + 1), text.rfind("\n", 0, most + 1))
    return end if end >= most // 2 else most
