"""What can be asked of models that are there. Requests are plain, hashable data: equal ones are answered once.

Pages import this module before torch has loaded."""

from dataclasses import dataclass

MOST_PROMPTS, MOST_SOURCES, MOST_ANSWER_TOKENS = 200, 24, 1024
"""Of one request."""


@dataclass(frozen=True)
class Source:
    """A run's model after a stage; stage 0 is its base model."""

    run_id: str
    stage: int


@dataclass(frozen=True)
class Sampling:
    """Each token is drawn from softmax(logits / temperature), from its likeliest tokens alone: as many as together
    have a probability of `top_p`."""

    temperature: float
    seed: int
    top_p: float = 1.0


@dataclass(frozen=True)
class Prompt:
    """A text to write on from; or, where it is `chat`, what a user says, put through the model's chat template."""

    text: str
    chat: bool = False


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


Request = AnswersRequest | PassagesRequest | PassageRequest
