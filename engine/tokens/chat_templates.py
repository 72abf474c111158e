"""Conversations to tokens: rendered by a chat template, with a mark on every token that is learnt.

Which tokens an assistant's turn has is taken from the template's own `{% generation %}` marks, else found by rendering:
what stands before an answer, and what stands before it with the answer, must both be prefixes of the whole, as text and
in tokens, or the turn is not learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from engine.common.errors import ModelError
from engine.common.foreign_errors import first_line, model_errors
from engine.tasks.documents import Turn
from engine.tokens.chat_text import ChatText, Ids, Whole

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
    written: tuple[str, ...]
    """Of every such turn, what the template writes of it."""
    refused: tuple[str, ...] = ()
    """Why turns of the assistant are not learnt."""


_BEGINS = "the conversation begins with it, so that there is nothing it answers"
_INTRODUCED = "the chat template introduces an answer otherwise than it writes this one"
_CHANGED = "the chat template writes it otherwise once others follow it"
_CHANGED_BEFORE = "the chat template writes what stands before it otherwise once it follows"
_JOINED = "the tokenizer joins its beginning with what stands before it"
_JOINED_AFTER = "the tokenizer joins its end with what follows it"
_NOTHING = "the chat template leaves nothing of it"
_REASONING = ("reasoning_content", "thinking")
"""Templates are given either under both names."""


@dataclass(frozen=True)
class _End:
    """Where a beginning of a conversation ends in the whole."""

    character: int
    token: int


@dataclass(frozen=True)
class _Asked:
    """A beginning of a conversation to be found in the whole, by the text after the last control token in both."""

    character: int
    tail: str
    marked: bool
    first: int
    """Of the tail, in tokens."""


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
            self._chat = ChatText(tokenizer, self.text)
        self._special = set(tokenizer.all_special_ids)

    @property
    def description(self) -> str:
        """Which template it is, in a few words."""
        return "the plain template of Palimpsest" if self.is_plain else "the model's own chat template"

    @property
    def is_dated(self) -> bool:
        """Whether it asks for the date of the day, and is given a fixed one."""
        return self._chat.is_dated

    def render(self, conversations: Sequence[Sequence[Turn]]) -> list[Rendered | str]:
        """Every conversation in tokens; a sentence instead where nothing of it can be learnt."""
        return self.answers(conversations, self.wholes(conversations))

    def wholes(self, conversations: Sequence[Sequence[Turn]]) -> list[Whole | str]:
        """Every conversation in tokens, with no mark on what is learnt; a sentence instead where it is refused."""
        found = self._chat.wholes(conversations)
        return [_refusal(whole) if isinstance(whole, Exception) else whole for whole in found]

    def answers(self, conversations: Sequence[Sequence[Turn]], wholes: Sequence[Whole | str]) -> list[Rendered | str]:
        """The same with marks; a sentence instead where nothing of it can be learnt."""
        found: list[Rendered | str] = []
        unmarked: dict[int, Whole] = {}
        for index, (turns, whole) in enumerate(zip(conversations, wholes, strict=True)):
            if isinstance(whole, str):
                found.append(whole)
            elif whole.spans is None:
                unmarked[index] = whole
                found.append("")
            else:
                found.append(self._by_marks(whole, whole.spans, turns))
        for index, rendered in self._by_prefixes(conversations, unmarked).items():
            found[index] = rendered
        return found

    def asked(self, turns: Sequence[Turn]) -> Ids:
        """A conversation that waits for an answer, in tokens int32 [n], with what introduces the answer.

        Raises ModelError where the template can't write it.
        """
        with model_errors("The model's chat template can't write this conversation"):
            messages, marked = self._chat.messages(turns)
            text, _ = self._chat.written(messages, for_answer=True)
        (found,) = self._chat.encode([(text, marked)])
        if isinstance(found, Exception):
            raise ModelError(f"The conversation can't be encoded ({first_line(found)}); change its words.") from found
        return found[0]

    def unwritten(self, turns: Sequence[Turn], whole: Whole) -> list[int]:
        """The turns whose contents the template leaves out, or does not write as they stand."""
        text, at = self.plain(whole), 0
        for turn in turns:
            found = text.find(turn.content.strip(), at)
            if found < 0:
                break
            at = found + len(turn.content.strip())
        else:
            return []
        # Some are missing, or stand in another order.
        there = [number for number, turn in enumerate(turns) if turn.content.strip()]
        in_place = self._chat.in_place(turns, there)
        stand = there if in_place is None else in_place[1]
        return [number for number in there if number not in stand or turns[number].content.strip() not in text]

    def bytes_written(self, turns: Sequence[Turn], whole: Whole, which: Sequence[int]) -> int:
        """UTF-8 bytes of what the template writes of some turns, with their tool calls and reasoning."""
        in_place = self._chat.in_place(turns, which)
        return max(0, _utf8(self.plain(whole)) - _utf8(in_place[0] if in_place is not None else ""))

    def unused_keys(self, turns: Sequence[Turn]) -> list[str]:
        """What messages hold under keys that the template does not name, once per message."""
        keys = [key for message in self._chat.messages(turns)[0] for key in message if key not in ("role", "content")]
        return [key for key in keys if not any(map(self._chat.names, _REASONING if key in _REASONING else (key,)))]

    def plain(self, whole: Whole) -> str:
        """The text of a whole conversation."""
        return self._chat.without_markers(whole.text, whole.marked)

    def _by_marks(self, whole: Whole, spans: Sequence[tuple[int, int]], turns: Sequence[Turn]) -> Rendered | str:
        """Spans that the template marks as the assistant's, each with the special token that ends it."""
        answers = [number for number, turn in enumerate(turns) if turn.role == "assistant"]
        if not spans or len(spans) != len(answers):
            return f"its chat template marks {len(spans)} answers where the conversation has {len(answers)}"
        learnt, written = [], []
        for number, (start, end) in zip(answers, spans, strict=True):
            if turns[number].is_answer:
                first, last = _tokens_of(whole, start, end)
                learnt.append((number, first, last + self._ends_turn(whole.ids, first, last)))
                written.append(self._chat.without_markers(whole.text[start:end], whole.marked))
        mask = _mask(len(whole.ids), [(start, end) for _, start, end in learnt])
        return Rendered(whole.ids, mask, tuple(learnt), tuple(written))

    def _ends_turn(self, ids: Ids, start: int, end: int) -> int:
        """1 where the span's last token but white space does not end the turn and that after the span does."""
        last = end - 1
        while last >= start and not self._tokenizer.decode([int(ids[last])], skip_special_tokens=False).strip():
            last -= 1
        ended = last >= start and int(ids[last]) in self._special
        return int(not ended and end < len(ids) and int(ids[end]) in self._special)

    def _by_prefixes(
        self, conversations: Sequence[Sequence[Turn]], wholes: dict[int, Whole]
    ) -> dict[int, Rendered | str]:
        """The same from renderings of what stands before each answer, and of that with the answer."""
        asked = [(i, n) for i in wholes for n, turn in enumerate(conversations[i]) if turn.is_answer]
        before = self._ends([(wholes[i], n, True) for i, n in asked])
        through = self._ends([(wholes[i], n + 1, False) for i, n in asked])
        answers: dict[int, list[tuple[int, int, int]]] = {index: [] for index in wholes}
        written: dict[int, list[str]] = {index: [] for index in wholes}
        refused: dict[int, list[str]] = {index: [] for index in wholes}
        for (index, number), start, end in zip(asked, before, through, strict=True):
            if isinstance(start, str) or isinstance(end, str):
                refused[index].append(start if isinstance(start, str) else str(end))
            elif end.token <= start.token:
                refused[index].append(_NOTHING)
            else:
                answers[index].append((number, start.token, end.token))
                text = wholes[index].text[start.character : end.character]
                written[index].append(self._chat.without_markers(text, wholes[index].marked))
        found: dict[int, Rendered | str] = {}
        for index, whole in wholes.items():
            if answers[index]:
                mask = _mask(len(whole.ids), [(start, end) for _, start, end in answers[index]])
                found[index] = Rendered(
                    whole.ids, mask, tuple(answers[index]), tuple(written[index]), tuple(refused[index])
                )
            else:
                found[index] = _none_learnt(refused[index])
        return found

    def _ends(self, asked: Sequence[tuple[Whole, int, bool]]) -> list[_End | str]:
        """Where the first so many turns end in the whole, with what introduces an answer where that is asked for; a
        reason instead where the whole does not begin with them."""
        found: list[_End | str] = []
        left: dict[int, _Asked] = {}
        for index, (whole, turns, for_answer) in enumerate(asked):
            one = self._asked(whole, turns, for_answer)
            if isinstance(one, _Asked):
                left[index] = one
            found.append("" if isinstance(one, _Asked) else one)
        tails = self._chat.encode([(one.tail, one.marked) for one in left.values()])
        for (index, one), tokens in zip(left.items(), tails, strict=True):
            whole, _, for_answer = asked[index]
            if isinstance(tokens, Exception):
                found[index] = _refusal(tokens)
                continue
            end = one.first + len(tokens[0])
            same = np.array_equal(whole.ids[one.first : end], tokens[0])
            found[index] = _End(one.character, end) if same else _JOINED if for_answer else _JOINED_AFTER
        return found

    def _asked(self, whole: Whole, turns: int, for_answer: bool) -> _Asked | _End | str:
        if not turns:
            return _BEGINS
        if turns == len(whole.messages) and not for_answer:
            return _End(len(whole.text), len(whole.ids))
        try:
            text, _ = self._chat.written(whole.messages[:turns], for_answer)
        except Exception as error:
            return _refusal(error)
        if not whole.text.startswith(text):
            return self._otherwise(whole, turns) if for_answer else _CHANGED
        first, at = _last_control_token(whole, len(text))
        return _Asked(len(text), text[at:], whole.marked, first)

    def _otherwise(self, whole: Whole, turns: int) -> str:
        """Why the whole does not begin with these turns and what introduces an answer."""
        try:
            text, _ = self._chat.written(whole.messages[:turns])
        except Exception:
            return _INTRODUCED
        return _INTRODUCED if whole.text.startswith(text) else _CHANGED_BEFORE


def _last_control_token(whole: Whole, end: int) -> tuple[int, int]:
    """The last control token that ends no later, and where in the text it begins: the tokens before it are the same
    whatever follows it. The beginning where there is none."""
    if whole.places is None or not len(whole.control):
        return 0, 0
    at = int(np.searchsorted(whole.places[whole.control, 1], end, "right")) - 1
    return (int(whole.control[at]), int(whole.places[whole.control[at], 0])) if at >= 0 else (0, 0)


def _tokens_of(whole: Whole, start: int, end: int) -> tuple[int, int]:
    """The tokens of a stretch of the text. `transformers`' own mask leaves out the later tokens of a character that has
    several."""
    assert whole.places is not None
    begins, ends = whole.places[:, 0], whole.places[:, 1]
    inside = np.flatnonzero((ends > start) & (begins < end) & (ends > begins))
    at = int(inside[0]) if len(inside) else int(np.searchsorted(begins, start))
    return at, int(inside[-1]) + 1 if len(inside) else at


def _mask(length: int, spans: Sequence[tuple[int, int]]) -> Mask:
    mask = np.zeros(length, np.bool_)
    for start, end in spans:
        mask[start:end] = True
    return mask


def _none_learnt(reasons: Sequence[str]) -> str:
    """Why a conversation without a turn to learn is left out."""
    if not reasons:
        return "it has no turn of the assistant"
    return f"no turn of the assistant in it can be learnt ({reasons[0]})"


def _refusal(error: Exception) -> str:
    return f"the chat template refuses it ({first_line(error)})"


def _utf8(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
