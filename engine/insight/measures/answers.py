"""Prompts in tokens, and answers as text."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from engine.common.errors import ConfigError
from engine.insight.measures.generation import continuations
from engine.insight.measures.prompts import Prompt, Sampling
from engine.models.loading import LoadedModel
from engine.tasks.documents import Turn
from engine.tokens.chat_templates import ChatTemplate
from engine.tokens.tokenisation import make_encoder


class Tokens(Protocol):
    """A model as far as its tokens go."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase: ...
    @property
    def bos(self) -> int: ...


@dataclass(frozen=True)
class Answer:
    """What a model wrote on a prompt."""

    text: str
    tokens: int
    is_cut: bool
    """Whether it had more to say than it was allowed to."""


def answers(
    base: LoadedModel,
    prompts: Sequence[Prompt],
    most_tokens: int,
    sampling: Sampling | None,
    seen: Callable[[Callable[[], list[Answer]]], None],
) -> list[Answer]:
    """The answers of a model; `seen` is called after every token with what gives them so far, and may raise.

    Raises ConfigError where a prompt and its answer are longer than the model's context, ModelError where its chat
    template can't write a prompt.
    """
    encoded = [_encoded(base, prompt) for prompt in prompts]
    for number, tokens in enumerate(encoded, start=1):
        _check_room(len(tokens), base.context, most_tokens, f"Prompt {number}")
    ends = ends_of(base)

    def read(written: Sequence[Tensor], so_far: bool) -> list[Answer]:
        return [_answer(base, tokens, most_tokens, so_far) for tokens in written]

    def grown(written: Sequence[Tensor]) -> None:
        seen(partial(read, written, so_far=True))

    return read(continuations(base.model, encoded, most_tokens, ends, sampling, grown), so_far=False)


def check_room(base: Tokens, context: int, prompt: Prompt, most_tokens: int, name: str) -> None:
    """Raises ConfigError, which begins with the prompt's name, where it and its answer are longer than the model's
    context."""
    _check_room(len(_encoded(base, prompt)), context, most_tokens, name)


def _check_room(tokens: int, context: int, most_tokens: int, name: str) -> None:
    if tokens + most_tokens > context:
        raise ConfigError(
            f"{name} has {tokens:,} tokens and its answer up to {most_tokens:,}; together they must not be longer than "
            f"the {context:,} that this model reads at once. Shorten the prompt or the answer."
        )


def plain(found: Sequence[Answer]) -> list[dict[str, object]]:
    """As JSON takes them."""
    return [asdict(answer) for answer in found]


def _encoded(base: Tokens, prompt: Prompt) -> Tensor:
    """Bos and the prompt's tokens, as a task's text begins; special tokens in what people type are text like any."""
    if prompt.chat:
        ids = ChatTemplate(base.tokenizer, "auto").asked([Turn("user", prompt.text)])
        return torch.from_numpy(ids.astype("int64"))
    ids, _ = make_encoder(base.tokenizer)([prompt.text])
    return torch.tensor([base.bos, *ids.tolist()])


def ends_of(base: LoadedModel) -> list[int]:
    """The tokens that end an answer: that of a text, and what models for chat were taught to end a turn with."""
    own = getattr(base.model.generation_config, "eos_token_id", None)
    return sorted({base.eos, *(own if isinstance(own, list) else [] if own is None else [own])})


def _answer(base: LoadedModel, tokens: Tensor, most_tokens: int, so_far: bool) -> Answer:
    text = str(base.tokenizer.decode(tokens.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False))
    if so_far:  # its last character may lack tokens
        text = text.rstrip("\N{REPLACEMENT CHARACTER}")
    return Answer(text, len(tokens), len(tokens) >= most_tokens)
