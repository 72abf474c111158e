"""What can be asked of models that are there. Requests are plain, hashable data: equal ones are answered once.

Pages import this module before torch has loaded."""

from dataclasses import dataclass

from engine.common.errors import ConfigError
from engine.insight.measures.prompts import MOST_ANSWER_TOKENS as MOST_ANSWER_TOKENS
from engine.insight.measures.prompts import MOST_PROMPTS as MOST_PROMPTS
from engine.insight.measures.prompts import Prompt as Prompt
from engine.insight.measures.prompts import Sampling as Sampling

MOST_SOURCES, MOST_PROBED = 24, 200
"""Of one request for answers, and for probes."""


@dataclass(frozen=True)
class Source:
    """A run's model after a stage; stage 0 is its base model."""

    run_id: str
    stage: int


@dataclass(frozen=True)
class AnswersRequest:
    """Every prompt answered by every source, side by side: greedily, or sampled."""

    sources: tuple[Source, ...]
    prompts: tuple[Prompt, ...]
    most_tokens: int = 64
    sampling: Sampling | None = None


@dataclass(frozen=True)
class PassagesRequest:
    """The held-out documents of a task by what they lost from one source to another."""

    task: str
    before: Source
    after: Source


@dataclass(frozen=True)
class PassageRequest:
    """One of these documents, by its number, token by token."""

    task: str
    before: Source
    after: Source
    document: int


@dataclass(frozen=True)
class TurnedRequest:
    """The held-out questions of a task answered by two sources: which answers turned right or wrong."""

    task: str
    before: Source
    after: Source


@dataclass(frozen=True)
class Span:
    """Two models of a run; the later one may have lost what the earlier one knew."""

    before: Source
    after: Source


@dataclass(frozen=True)
class ReportTask:
    """What a report shows of a task: passages that the first span lost most of, with what the other spans made of
    the very same; and the answers of all spans, where the task `has_answers` that are expected."""

    task: str
    spans: tuple[Span, ...]
    has_answers: bool


@dataclass(frozen=True)
class ReportRequest:
    """All tasks that a report tells of."""

    tasks: tuple[ReportTask, ...]


@dataclass(frozen=True)
class ProbesRequest:
    """Every probe held against every source, and against the base model, whether it is among them or not."""

    sources: tuple[Source, ...]


Request = AnswersRequest | PassagesRequest | PassageRequest | TurnedRequest | ReportRequest | ProbesRequest


def usual_before(own: int, after: int) -> int:
    """The earlier stage that a task is looked at from where none is named: the end of its own stage, or the base model
    where `after` does not come later."""
    return own if own < after else 0


def check(request: AnswersRequest) -> None:
    """Raises ConfigError, with what to change, where too much or nothing is asked."""
    if not request.prompts or not all(prompt.text.strip() for prompt in request.prompts):
        raise ConfigError("There is an empty prompt; write what the models shall go on from.")
    if any("\ud800" <= character <= "\udfff" for prompt in request.prompts for character in prompt.text):
        raise ConfigError("A prompt holds bytes that are no text; write it in UTF-8.")
    _check_number("prompts", len(request.prompts), MOST_PROMPTS)
    _check_number("models", len(request.sources), MOST_SOURCES)
    _check_number("tokens an answer", request.most_tokens, MOST_ANSWER_TOKENS)


def check_probed(request: ProbesRequest) -> None:
    """Raises ConfigError, with what to change, where too many models or none are asked for."""
    _check_number("models", len(request.sources), MOST_PROBED)


def _check_number(what: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        raise ConfigError(f"{number} {what} are asked for; 1 to {most} can be, so choose others.")
