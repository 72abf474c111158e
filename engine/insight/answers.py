"""Prompts in tokens, and answers as text."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from engine.common.errors import ConfigError
from engine.insight.generation import continuations
from engine.insight.requests import MOST_ANSWER_TOKENS, MOST_PROMPTS, MOST_SOURCES, AnswersRequest, Prompt, Sampling
from engine.models.loading import LoadedModel
from engine.tasks.documents import Turn
from engine.tokens.chat_templates import ChatTemplate
from engine.tokens.tokenisation import make_encoder


@dataclass(frozen=True)
class Answer:
    """What a model wrote on a prompt."""

    text: str
    tokens: int
    is_cut: bool
    """Whether it had more to say than it was allowed to."""


def check(request: AnswersRequest) -> None:
    """Raises ConfigError, with what to change, where too much or nothing is asked."""
    if not request.prompts or not all(prompt.text.strip() for prompt in request.prompts):
        raise ConfigError("There is an empty prompt; write what the models shall go on from.")
    for what, number, most in (
        ("prompts", len(request.prompts), MOST_PROMPTS),
        ("models", len(request.sources), MOST_SOURCES),
        ("tokens an answer", request.most_tokens, MOST_ANSWER_TOKENS),
    ):
        if not 1 <= number <= most:
            raise ConfigError(f"{number} {what} are asked for; 1 to {most} can be, so choose others.")


def answers(
    base: LoadedModel,
    prompts: Sequence[Prompt],
    most_tokens: int,
    sampling: Sampling | None,
    seen: Callable[[list[Answer]], None],
) -> list[Answer]:
    """The answers of a model; `seen` is shown them as they grow, and may raise. Raises ConfigError where a prompt and
    its answer are longer than the model's context, ModelError where its chat template can't write a prompt."""
    encoded = [_encoded(base, prompt) for prompt in prompts]
    longest = max(range(len(encoded)), key=lambda number: len(encoded[number]))
    if (tokens := len(encoded[longest])) + most_tokens > base.context:
        raise ConfigError(
            f"Prompt {longest + 1} has {tokens:,} tokens and its answer up to {most_tokens:,}; together they must "
            f"not be longer than the {base.context:,} that this model reads at once. Shorten the prompt or the answer."
        )
    ends = sorted({base.eos, *_ends_of_turns(base)})

    def read(written: Sequence[Tensor]) -> list[Answer]:
        return [_answer(base, tokens, most_tokens) for tokens in written]

    return read(continuations(base.model, encoded, most_tokens, ends, sampling, lambda written: seen(read(written))))


def plain(found: Sequence[Answer]) -> list[dict[str, object]]:
    """As JSON takes them."""
    return [asdict(answer) for answer in found]


def _encoded(base: LoadedModel, prompt: Prompt) -> Tensor:
    """Bos and the prompt's tokens, as a task's text begins; special tokens in what people type are text like any."""
    if prompt.chat:
        ids = ChatTemplate(base.tokenizer, "auto").asked([Turn("user", prompt.text)])
        return torch.from_numpy(ids.astype("int64"))
    ids, _ = make_encoder(base.tokenizer)([prompt.text])
    return torch.tensor([base.bos, *ids.tolist()])


def _ends_of_turns(base: LoadedModel) -> set[int]:
    """What models for chat were taught to end a turn with, where that is not the end of a text."""
    own = getattr(base.model.generation_config, "eos_token_id", None)
    return set(own) if isinstance(own, list) else {own} if isinstance(own, int) else set()


def _answer(base: LoadedModel, tokens: Tensor, most_tokens: int) -> Answer:
    text = base.tokenizer.decode(tokens.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return Answer(str(text), len(tokens), len(tokens) >= most_tokens)
