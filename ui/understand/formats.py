"""Forms in which a prompt can be put to a model: as it is, as a task puts its own, as what a user says in a chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.insight.requests import Prompt
from ui.understand import words


@dataclass(frozen=True)
class Format:
    """What becomes of a typed text."""

    name: str
    """In an address."""
    title: str
    separator: str = ""
    """Follows the text, unless it ends with it."""
    chat: bool = False

    def prompt(self, text: str) -> Prompt:
        return Prompt(text if text.endswith(self.separator) else text + self.separator, self.chat)


TEXT = Format("text", words.PLAIN_TEXT)
CHAT = Format("chat", words.CHAT_TURN, chat=True)


def formats_of(facts: Sequence[Mapping[str, Any]]) -> tuple[list[Format], Format]:
    """The formats that fit an experiment's tasks, and the usual one: that of its tasks where all have the same.

    `facts` are those that a run has recorded of its tasks; without any, texts and chat turns are offered.
    """
    own = [_of_task(fact) for fact in facts]
    found = [TEXT, CHAT, *dict.fromkeys(format for format in own if format not in (TEXT, CHAT))]
    alike = {(format.separator, format.chat) for format in own}
    return found, own[0] if len(alike) == 1 else TEXT


def _of_task(fact: Mapping[str, Any]) -> Format:
    kind = fact.get("kind", "text")
    if kind == "chat" or (kind == "pairs" and fact.get("chat_template")):
        return CHAT
    if kind == "pairs" and fact.get("separator"):
        name = str(fact["name"])
        return Format(f"task {name}", words.as_in_task(name), str(fact["separator"]))
    return TEXT
