"""Texts that a model writes on from prompts: its likeliest tokens, or a seeded sample."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, StoppingCriteria, StoppingCriteriaList

from engine.common.random_streams import Streams
from engine.insight.measures.prompts import Sampling
from engine.models.eval_mode import without_dropout

AT_ONCE = 32
"""Prompts: few enough for the memory of a run that trains beside them."""
Written = Callable[[Sequence[Tensor]], None]
"""Is shown, after every token, what has been written so far, int64 [n] for each prompt; it may raise."""


@torch.no_grad()
def continuations(
    model: PreTrainedModel,
    prompts: Sequence[Tensor],
    most_tokens: int,
    ends: Sequence[int],
    sampling: Sampling | None = None,
    seen: Written = lambda written: None,
) -> list[Tensor]:
    """What the model writes after each prompt, int64 [n], without the token of `ends` that it closes with.

    `prompts` are int [m ≥ 1] each; `AT_ONCE` of like length are read side by side, shorter ones filled up on the left
    where attention does not look. Greedy without `sampling`. In float32 with dropout off; settings that the model's
    folder has for generation (temperature, penalties) are left aside, so that one model's answers compare with
    another's.
    """
    found = [torch.zeros(0, dtype=torch.int64)] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    with without_dropout(model), _neutral(model):
        for batch, start in enumerate(range(0, len(order), AT_ONCE)):
            numbers = order[start : start + AT_ONCE]

            def grown(written: Sequence[Tensor], numbers: Sequence[int] = numbers) -> None:
                for number, tokens in zip(numbers, written, strict=True):
                    found[number] = tokens
                seen(found)

            grown(_side_by_side(model, [prompts[n] for n in numbers], most_tokens, ends, sampling, batch, grown))
    return found


def _side_by_side(
    model: PreTrainedModel, prompts: Sequence[Tensor], most_tokens: int, ends: Sequence[int],
    sampling: Sampling | None, batch: int, grown: Written,
) -> list[Tensor]:  # fmt: skip
    longest = max(len(prompt) for prompt in prompts)
    read = torch.full((len(prompts), longest), ends[0], dtype=torch.int64)
    looked_at = torch.zeros_like(read)
    for row, prompt in enumerate(prompts):
        read[row, longest - len(prompt) :] = prompt.long()
        looked_at[row, longest - len(prompt) :] = 1
    listener = StoppingCriteriaList([_Listener(longest, frozenset(ends), grown)])
    with _seeded(model, sampling, batch):
        found = model.generate(
            input_ids=read.to(model.device),
            attention_mask=looked_at.to(model.device),
            generation_config=_config(most_tokens, ends, sampling),
            stopping_criteria=listener,
        )
    return [_until_end(row, frozenset(ends)) for row in found[:, longest:].cpu()]


def _config(most_tokens: int, ends: Sequence[int], sampling: Sampling | None) -> GenerationConfig:
    drawn: dict[str, Any] = {}
    if sampling is not None:
        drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    return GenerationConfig(max_new_tokens=most_tokens, eos_token_id=list(ends), pad_token_id=ends[0], **drawn)


@contextlib.contextmanager
def _neutral(model: PreTrainedModel) -> Iterator[None]:
    """Without the model's own settings for generation, which would fill in what a call leaves open."""
    own, model.generation_config = model.generation_config, GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own


@contextlib.contextmanager
def _seeded(model: PreTrainedModel, sampling: Sampling | None, batch: int) -> Iterator[None]:
    """With torch's global streams at a batch's own place of the sample's seed, and as they were after it."""
    if sampling is None:
        yield
        return
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(Streams(sampling.seed).number("answers", batch))
        yield


class _Listener(StoppingCriteria):
    """Shows what is written and stops nothing."""

    def __init__(self, prompt: int, ends: frozenset[int], seen: Written) -> None:
        self._prompt, self._ends, self._seen = prompt, ends, seen

    def __call__(self, input_ids: Tensor, scores: Any, **further: Any) -> Tensor:
        self._seen([_until_end(row, self._ends) for row in input_ids[:, self._prompt :].cpu()])
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def _until_end(tokens: Tensor, ends: frozenset[int]) -> Tensor:
    at = next((place for place, token in enumerate(tokens.tolist()) if token in ends), len(tokens))
    return tokens[:at]
