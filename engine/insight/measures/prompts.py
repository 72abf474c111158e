"""Prompts, and how they are answered, as plain data."""

from dataclasses import dataclass

MOST_PROMPTS, MOST_ANSWER_TOKENS = 200, 1024
"""Of one request."""


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
