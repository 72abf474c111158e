"""Conversations to tokens: rendered by a chat template, with a mark on every token that is learnt.

Contents are text: a special token spelled out in one stays text, as `transformers` offers by
`sanitize_control_tokens`; only what the template writes itself becomes special. Which tokens an assistant's turn has is
taken from the template's own `{% generation %}` marks, else found by rendering: what stands before an answer, and what
stands before it with the answer, must both be prefixes of the whole in tokens, or the turn is not learnt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from transformers.utils.chat_template_utils import render_jinja_template

from engine.common.errors import ModelError
from engine.common.foreign_errors import first_line, model_errors
from engine.tasks.conversations import to_messages
from engine.tasks.documents import Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLAIN = (
    "{{- bos_token or eos_token -}}\n"
    "{%- for message in messages -%}\n"
    "{{- '\\n\\n' if not loop.first -}}\n"
    "{{- message.role | capitalize + ':\\n' + (message.content | trim) -}}\n"
    "{%- if message.tool_calls -%}\n"
    "{{- ('\\n' if message.content | trim else '') + (message.tool_calls | tojson) -}}\n"
    "{%- endif -%}\n"
    "{{- eos_token if message.role == 'assistant' -}}\n"
    "{%- endfor -%}\n"
    "{{- '\\n\\nAssistant:\\n' if add_generation_prompt -}}\n"
)
"""The template for models that have none: every turn under the name of its role, the end-of-text token after every
answer, so that a model which has learnt it stops there."""

_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")

Ids = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rendered:
    """A conversation in tokens."""

    ids: Ids
    """[n]"""
    learnt: Mask
    """[n]: the assistant's turns, the token that ends each included."""
    answers: tuple[tuple[int, int, int], ...]
    """Of every turn that is learnt: its number, and where its tokens begin and end."""
    refused: tuple[str, ...] = ()
    """Why turns of the assistant are not learnt."""


class ChatTemplate:
    """A chat template with the tokenizer that it is for."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, wanted: Literal["auto", "model", "plain"]) -> None:
        """Raises ModelError where the model's own is wanted and there is none, or where it can't be used."""
        self._tokenizer = tokenizer
        own = bool(getattr(tokenizer, "chat_template", None))
        if wanted == "model" and not own:
            raise ModelError(
                "This model's tokenizer has no chat template; set template to plain, or choose a model for chat."
            )
        self.is_plain = wanted == "plain" or not own
        with model_errors("The model's chat template can't be read"):
            self.text: str = PLAIN if self.is_plain else tokenizer.get_chat_template()
        self._control = _control_tokens(tokenizer)

    @property
    def description(self) -> str:
        """Which template it is, in a few words."""
        return "the plain template of Palimpsest" if self.is_plain else "the model's own chat template"

    @cached_property
    def _marks(self) -> bool:
        return not self.is_plain and self._tokenizer.is_fast and bool(_GENERATION.search(self.text))

    def render(self, conversations: Sequence[Sequence[Turn]]) -> list[Rendered | str]:
        """Every conversation in tokens; a sentence instead where nothing of it can be learnt."""
        found: list[Rendered | str] = []
        unmarked: dict[int, Ids] = {}
        for index, (turns, whole) in enumerate(zip(conversations, self._whole(conversations), strict=True)):
            if isinstance(whole, str):
                found.append(whole)
                continue
            ids, marks = whole
            if marks is None:
                unmarked[index] = ids
            found.append("" if marks is None else self._by_marks(ids, marks, turns))
        for index, rendered in self._by_prefixes(conversations, unmarked).items():
            found[index] = rendered
        return found

    def _whole(self, conversations: Sequence[Sequence[Turn]]) -> list[tuple[Ids, list[tuple[int, int]] | None] | str]:
        """The tokens of whole conversations, with the template's own marks where it has them."""
        if not self._marks:
            return [one if isinstance(one, str) else (one, None) for one in self._ids(conversations, False)]
        found: list[tuple[Ids, list[tuple[int, int]] | None] | str] = []
        for turns in conversations:
            if self._has_control_tokens(turns):
                one = self._ids([turns], False)[0]
                found.append(one if isinstance(one, str) else (one, None))
                continue
            try:
                found.append(self._marked(turns))
            except Exception as error:
                found.append(_refusal(error))
        return found

    def _marked(self, turns: Sequence[Turn]) -> tuple[Ids, list[tuple[int, int]]]:
        """A conversation's tokens, and the spans of them that the template marks.

        Written out here since transformers' own mask leaves out the later tokens of a character that has several.
        """
        options = self._tokenizer.special_tokens_map
        messages = to_messages(turns)
        (text,), (marks,) = render_jinja_template(
            conversations=[messages], chat_template=self.text, return_assistant_tokens_mask=True, **options
        )
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = np.array(encoded["offset_mapping"], np.int64).reshape(-1, 2)
        spans = []
        for start, end in marks:
            inside = np.flatnonzero((offsets[:, 1] > start) & (offsets[:, 0] < end) & (offsets[:, 1] > offsets[:, 0]))
            at = int(inside[0]) if len(inside) else int(np.searchsorted(offsets[:, 0], start))
            spans.append((at, int(inside[-1]) + 1 if len(inside) else at))
        return np.array(encoded["input_ids"], np.int32), spans

    def _by_marks(self, ids: Ids, spans: Sequence[tuple[int, int]], turns: Sequence[Turn]) -> Rendered | str:
        """Spans that the template marks as the assistant's, each with the special token that ends it."""
        answers = [number for number, turn in enumerate(turns) if turn.role == "assistant"]
        if not spans or len(spans) != len(answers):
            return f"its chat template marks {len(spans)} answers where the conversation has {len(answers)}"
        spans = [(start, end + self._ends_turn(ids, end)) for start, end in spans]
        learnt = [(number, *span) for number, span in zip(answers, spans, strict=True) if turns[number].is_answer]
        return Rendered(ids, _mask(len(ids), [(start, end) for _, start, end in learnt]), tuple(learnt))

    def _ends_turn(self, ids: Ids, at: int) -> int:
        """1 where the token before `at` does not end the turn and that at it does."""
        special = set(self._tokenizer.all_special_ids)
        return int(at < len(ids) and int(ids[at]) in special and int(ids[at - 1]) not in special)

    def _by_prefixes(
        self, conversations: Sequence[Sequence[Turn]], wholes: Mapping[int, Ids]
    ) -> dict[int, Rendered | str]:
        """The same from renderings of what stands before each answer, and of that with the answer."""
        asked = [(i, n) for i in wholes for n, turn in enumerate(conversations[i]) if turn.is_answer]
        inner = [(i, n) for i, n in asked if n < len(conversations[i]) - 1]
        before = self._ids([conversations[i][:n] for i, n in asked], for_answer=True)
        after = self._ids([conversations[i][: n + 1] for i, n in inner], for_answer=False)
        through = dict(zip(inner, after, strict=True))
        answers: dict[int, list[tuple[int, int, int]]] = {index: [] for index in wholes}
        refused: dict[int, list[str]] = {index: [] for index in wholes}
        for (index, number), prefix in zip(asked, before, strict=True):
            span = _span(wholes[index], prefix, through.get((index, number), wholes[index]))
            if isinstance(span, str):
                refused[index].append(span)
            else:
                answers[index].append((number, *span))
        found: dict[int, Rendered | str] = {}
        for index, ids in wholes.items():
            if answers[index]:
                mask = _mask(len(ids), [(start, end) for _, start, end in answers[index]])
                found[index] = Rendered(ids, mask, tuple(answers[index]), tuple(refused[index]))
            else:
                found[index] = next(iter(refused[index]), "it has no turn of the assistant")
        return found

    def _ids(self, conversations: Sequence[Sequence[Turn]], for_answer: bool) -> list[Ids | str]:
        """Token ids of each conversation, with what introduces an answer where it is `for_answer`; else a sentence."""
        texts: list[str] = []
        places: list[int] = []
        found: list[Ids | str] = [""] * len(conversations)
        for index, turns in enumerate(conversations):
            if not turns:
                found[index] = "nothing stands before it"
                continue
            try:
                options = {"chat_template": self.text, "add_generation_prompt": for_answer}
                if self._has_control_tokens(turns):
                    found[index] = np.array(
                        self._tokenizer.apply_chat_template(
                            to_messages(turns),
                            sanitize_control_tokens=True,
                            return_dict=False,
                            tokenizer_kwargs={"verbose": False},
                            **options,
                        ),
                        np.int32,
                    )
                else:
                    texts.append(self._tokenizer.apply_chat_template(to_messages(turns), tokenize=False, **options))
                    places.append(index)
            except Exception as error:
                found[index] = _refusal(error)
        if texts:
            with model_errors("The model's tokenizer can't encode these conversations; choose another model"):
                encoded = self._tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
            for index, ids in zip(places, encoded, strict=True):
                found[index] = np.array(ids, np.int32)
        return found

    def _has_control_tokens(self, turns: Sequence[Turn]) -> bool:
        return any(self._control.search(turn.content) or self._control.search(turn.more) for turn in turns)


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Every added token: spelled out in a content it must stay text."""
    tokens = {str(token) for token in tokenizer.added_tokens_decoder.values() if str(token).strip()}
    longest_first = sorted(tokens | set(tokenizer.all_special_tokens), key=len, reverse=True)
    # The markers that sanitising uses itself are taken out of contents there.
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def _span(whole: Ids, before: Ids | str, through: Ids | str) -> tuple[int, int] | str:
    """Where an answer's tokens stand in the whole."""
    for prefix in (before, through):
        if isinstance(prefix, str):
            return prefix
        if not np.array_equal(whole[: len(prefix)], prefix):
            return "the chat template writes a turn otherwise once others follow it"
    if len(through) <= len(before):
        return "the chat template leaves nothing of the answer"
    return len(before), len(through)


def _mask(length: int, spans: Sequence[tuple[int, int]]) -> Mask:
    mask = np.zeros(length, np.bool_)
    for start, end in spans:
        mask[start:end] = True
    return mask


def _refusal(error: Exception) -> str:
    return f"the chat template refuses it ({first_line(error)})"
