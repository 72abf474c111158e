"""What a run is scored on at every evaluation: the held-out texts of its tasks with their questions, the general text,
and guards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.events.scores import GENERAL, AnswerSums
from engine.guards.guard import Guard
from engine.insight.measures.answers import ends_of
from engine.insight.measures.expected_answers import Question, answer_tokens, answered, questions
from engine.models.loading import LoadedModel
from engine.persistence.content_keys import content_key
from engine.tokens.encoded_documents import EncodedDocuments
from engine.training.drift import Drift
from engine.training.scoring import HeldOut


@dataclass(frozen=True, eq=False)
class HeldOutQuestions:
    """The questions of a task whose answers are marked after every stage."""

    asked: Sequence[Question]
    ends: tuple[int, ...]
    """The tokens that end an answer."""

    def sums(self, base: LoadedModel, check: Callable[[], None]) -> AnswerSums:
        """The marks of the model's greedy answers. `check` is called after every token and may raise."""
        found = answered(base, self.asked, self.ends, answer_tokens(self.asked), lambda done, of: check())
        return AnswerSums(len(found), sum(answer.exact for answer in found), sum(answer.f1 for answer in found))


def held_out_questions(base: LoadedModel, documents: EncodedDocuments, most: int) -> HeldOutQuestions | None:
    """The first `most` questions of some held-out documents that leave room for an answer; None where there are none,
    as of plain text."""
    ends = ends_of(base)
    asked, _ = questions(documents, ends, base.context, most) if most else ([], 0)
    return HeldOutQuestions(tuple(asked), tuple(ends)) if asked else None


class ScoredText(Protocol):
    """A text as far as it is scored: a task's, or the general one."""

    @property
    def name(self) -> str: ...
    @property
    def held_out(self) -> HeldOut: ...
    @property
    def held_out_key(self) -> str:
        """Tells it, with all that is measured on it, from all others: the results of scoring are named by it."""
        ...

    @property
    def questions(self) -> HeldOutQuestions | None: ...
    @property
    def drift(self) -> Drift | None: ...


@dataclass(frozen=True, eq=False)
class GeneralText:
    """The text that no task touches, scored beside them."""

    held_out: HeldOut
    held_out_key: str
    drift: Drift
    facts: dict[str, Any] = field(default_factory=dict)
    name: str = GENERAL
    questions: None = None


@dataclass(frozen=True)
class Scored:
    """All that an evaluation measures, or a part of it."""

    texts: tuple[ScoredText, ...]
    guards: tuple[Guard, ...] = ()

    @property
    def keys(self) -> list[Any]:
        """What tells it from any other, as plain data."""
        return [*([text.name, text.held_out_key] for text in self.texts), *([self.guards_key] if self.guards else ())]

    @property
    def guards_key(self) -> str:
        """Tells its guards from all others."""
        return content_key("guards", [guard.model_dump(mode="json") for guard in self.guards])
