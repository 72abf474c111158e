"""Strategies in words: what pages print of what a strategy declares, and by which words it is found."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import get_args

from engine import strategies
from engine.common.parameters import parameters_of
from engine.strategies.base import Needs, Strategy
from ui.widgets.text import plain, plural

GROUPS: tuple[Needs, ...] = get_args(Needs)
"""The groups in which strategies are offered."""


@dataclass(frozen=True)
class Described:
    """What a strategy, or several joined with +, declares for its reader. All of it is ours, none of it typed."""

    title: str
    summary: str
    choose_when: str
    needs: str
    """What it needs, without a full stop."""
    sources: tuple[tuple[str, str], ...]
    """Papers and their addresses."""
    words: str
    """All words that it is found by, in lower case."""

    @property
    def source_links(self) -> str:
        """The papers as links (Markdown)."""
        return ", ".join(f"[{plain(paper)}]({address})" for paper, address in self.sources)


@cache
def described(name: str) -> Described:
    """The words of a strategy of the registry, or of a pair."""
    parts = strategies.parts_of(name)
    first = parts[0]
    title, summary, choose_when = strategies.title_of(name), first.summary, first.choose_when
    if len(parts) > 1:
        summary = f"{' and '.join(part.title for part in parts)} at once: their loss terms and pulls are added."
        choose_when = "Where you want both at once; their costs add up."
    labels = [declared.label for part in parts for declared in parameters_of(part)]
    texts = [text for part in parts for text in (part.name, part.title, part.summary, part.choose_when)]
    words = " ".join([title, summary, choose_when, *texts, *labels]).lower()
    needs = strategies.heading_of(*strategies.needs_of(name))
    return Described(title, summary, choose_when, needs, tuple(part.source for part in parts), words)


def is_found(name: str, query: str) -> bool:
    """Whether every word of `query` stands in the strategy's title, name, sentences or parameters."""
    words = described(name).words
    return all(word in words for word in query.lower().split())


def cost_in_words(strategy: Strategy) -> str:
    """What a stage after the first costs beside plain training on its task."""
    cost, tasks = strategy.cost(2), strategy.plan(2).tasks
    parts = [
        "every stage reads the texts of all tasks so far" if len(tasks) > 1 else "",
        _beside(cost.tokens_per_new_token, "read beside each new one"),
        _beside(cost.forward_per_new_token, "looked at by a teacher for each new one"),
        f"{plural(cost.written_texts, 'text')} written by the model before the stage" if cost.written_texts else "",
        *(f"up to {plural(each.documents, 'document')} read at a stage's end" for each in cost.readings),
        f"{plural(cost.documents, 'past document')} kept" if cost.documents else "",
        *(f"{plural(each.numbers_per_token, 'number')} remembered of each of their tokens" for each in cost.remembered),
        f"{_copies(cost.tensors)} remembered" if cost.tensors else "",
        f"{_copies(cost.copies)} in memory while it trains" if cost.copies else "",
    ]
    return "; ".join(part for part in parts if part) or "none beside plain training"


def _beside(tokens: float, what: str) -> str:
    return f"{tokens:.3g} {'token' if tokens == 1 else 'tokens'} {what}" if tokens else ""


def _copies(number: int) -> str:
    return "a tensor of the weights' size" if number == 1 else f"{number} tensors of the weights' size"


def titles(names: Iterable[str]) -> str:
    """Titles of strategies, each once."""
    return ", ".join(dict.fromkeys(described(name).title for name in names))
