"""Answers of several models side by side, as HTML."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.insight.requests import AnswersRequest, Source
from ui.understand import words
from ui.widgets.shown_text import BOX, PRE, QUIET, SMALL, shortened, shown

SHOWN_CHARACTERS = 1000
"""Of a prompt."""
_GRID = "display:grid;gap:.75rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr))"
_NAME = "font-size:.85rem;font-weight:600;margin:0 0 .35rem"
_TEXT = f"{PRE};max-height:22rem;overflow:auto"

Answers = Sequence[Sequence[Mapping[str, Any]]]
"""Of every source the answers to all prompts, as `AnswersRequest` gives them."""


@dataclass(frozen=True)
class Asked:
    """A request for answers, with what stands beside them."""

    request: AnswersRequest
    names: tuple[str, ...]
    """Of its models."""
    own: tuple[str, ...] = ()
    """What the task's documents have in the place of each answer; none for prompts of the user's own."""


def answers_html(asked: Asked, found: Answers, grows: bool = False) -> str:
    """Every prompt with the answers of all models; where the result still `grows`, as much as there is."""
    return "".join(_prompt_html(asked, number, found, grows) for number in range(len(asked.request.prompts)))


def names_of(sources: Sequence[Source], names: Mapping[Source, str]) -> tuple[str, ...]:
    """The names of models; of those that are gone, what is known."""
    return tuple(names.get(source, words.gone_model(source.run_id, source.stage)) for source in sources)


def _prompt_html(asked: Asked, number: int, found: Answers, grows: bool) -> str:
    prompt = asked.request.prompts[number]
    several = len(asked.request.prompts) > 1
    title = words.prompt_number(number + 1) if several else words.PROMPT
    cards = [
        _card(name, found[place][number] if place < len(found) else None, grows and place >= len(found) - 1)
        for place, name in enumerate(asked.names)
    ]
    if asked.own and asked.own[number]:
        cards.insert(0, _own_card(asked.own[number]))
    chat = words.AS_CHAT if prompt.chat else ""
    return (
        f'<div style="margin-bottom:1.5rem"><p style="{_NAME}">{title}{chat}</p>'
        f'<div style="{_TEXT};{QUIET};margin-bottom:.6rem">{shown(shortened(prompt.text, SHOWN_CHARACTERS))}</div>'
        f'<div style="{_GRID}">{"".join(cards)}</div></div>'
    )


def _card(name: str, answer: Mapping[str, Any] | None, grows: bool) -> str:
    text = shown(answer["text"], marked=True) if answer is not None else ""
    if answer is None or grows:
        note = words.WAITING if grows else words.NO_ANSWER
        if answer is not None:
            note, text = words.WRITING, f"{text}▍"
    elif not answer["text"].strip():
        note = words.WROTE_NOTHING
    else:
        note = words.tokens(answer["tokens"], answer["is_cut"])
    return _box(name, text, note)


def _own_card(text: str) -> str:
    return _box(
        words.OWN_DOCUMENT,
        shown(shortened(text, SHOWN_CHARACTERS), marked=True),
        "",
        "border-style:dashed;",
    )


def _box(name: str, text: str, note: str, more: str = "") -> str:
    below = f'<p style="{SMALL};{QUIET};margin-top:.35rem">{html.escape(note)}</p>' if note else ""
    return (
        f'<div style="{BOX};{more}"><p style="{_NAME}">{shown(name)}</p>'
        f'<div style="{_TEXT}" tabindex="0">{text}</div>{below}</div>'
    )
