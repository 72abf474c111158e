"""Turns to text by a chat template, and that text to tokens with their places in it.

Contents are text: a control token spelled out in one stays text, as `transformers` offers by `sanitize_control_tokens`;
only what the template writes itself becomes special. Templates that write today's date are given a fixed one, so that
the same conversation has the same tokens on every day.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from transformers.utils.chat_template_utils import encode_marked_chat, mark_control_tokens, render_jinja_template

from engine.common.foreign_errors import model_errors
from engine.tasks.documents import Turn
from engine.tasks.documents.conversations import to_messages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = NDArray[np.int32]
Places = NDArray[np.int64]
Message = dict[str, Any]

DATE = datetime(2024, 7, 26)
"""What templates that ask for the date are told: the day that Llama's own templates fall back to."""
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_OPEN, _SHUT = mark_control_tokens("a", re.compile("a")).split("a")
"""What stands around a control token of a content until the text is encoded."""
_HOLDS_A_PLACE = "\U000f0010{}\U000f0011"
_CALL = '{"type": "function", "function": {"name": "a", "arguments": {}}}'
_PROBES = (
    (Turn("system", "a"), Turn("user", "a"), Turn("assistant", "a"), Turn("user", "a")),
    (Turn("user", "a"), Turn("assistant", "a"), Turn("user", "a")),
    (Turn("user", "a"), Turn("assistant", "a", f'{{"tool_calls": [{_CALL}]}}'), Turn("tool", "a")),
)


@dataclass(frozen=True, eq=False)
class Whole:
    """A conversation as its chat template writes it."""

    messages: Sequence[Message]
    marked: bool
    """Markers stand around control tokens of contents, in messages and text."""
    text: str
    ids: Ids
    """[n]"""
    places: Places | None
    """[n, 2]: where in the text each token begins and ends; None where the tokenizer doesn't say."""
    control: Places
    """Which tokens are control tokens, in order."""
    spans: tuple[tuple[int, int], ...] | None
    """Where in the text the template's own marks of what the assistant says are; None where it has none."""


class ChatText:
    """A chat template and the tokenizer that it is for."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, template: str) -> None:
        self._tokenizer, self._template = tokenizer, template
        self.is_dated = bool(re.search(r"\bstrftime_now\b", template))
        self._source = _with_fixed_date(template) if self.is_dated else template
        self._marks = tokenizer.is_fast and bool(_GENERATION.search(template))
        control = self._control_tokens()
        self._control = _any_of(control)
        self._markers = re.compile(f"{_OPEN}({self._control.pattern}){_SHUT}|[{_OPEN}{_SHUT}]")
        self._control_ids = np.array(tokenizer.convert_tokens_to_ids(sorted(control)), np.int32)

    def names(self, key: str) -> bool:
        """Whether the template's source names a key of messages."""
        return bool(re.search(rf"\b{re.escape(key)}\b", self._template))

    def messages(self, turns: Sequence[Turn]) -> tuple[list[Message], bool]:
        """The turns as the template takes them, and whether control tokens in them had to be marked."""
        found = to_messages(turns)
        if not any(self._control.search(turn.content) or self._control.search(turn.more) for turn in turns):
            return found, False
        return mark_control_tokens(found, self._control), True

    def written(
        self, messages: Sequence[Message], for_answer: bool = False, marks: bool = False
    ) -> tuple[str, tuple[tuple[int, int], ...]]:
        """The text, with what introduces an answer where it is `for_answer`, and the spans that the template marks.

        Raises whatever the template does.
        """
        options = {key: value for key, value in self._tokenizer.special_tokens_map.items() if value is not None}
        (text,), spans = render_jinja_template(
            conversations=[messages], chat_template=self._source, add_generation_prompt=for_answer,
            return_assistant_tokens_mask=marks, **options,
        )  # fmt: skip
        return str(text), tuple(spans[0]) if marks else ()

    def wholes(self, conversations: Sequence[Sequence[Turn]]) -> list[Whole | Exception]:
        """Every conversation as a whole; what the template raises instead where it can't write it."""
        found: list[Whole | Exception] = [ValueError()] * len(conversations)
        texts: dict[int, tuple[list[Message], bool, str, tuple[tuple[int, int], ...]]] = {}
        for index, turns in enumerate(conversations):
            try:
                messages, marked = self.messages(turns)
                texts[index] = messages, marked, *self.written(messages, marks=self._marks)
            except Exception as error:
                found[index] = error
        encoded = self.encode([(text, marked) for _, marked, text, _ in texts.values()], with_places=True)
        for (index, (messages, marked, text, spans)), tokens in zip(texts.items(), encoded, strict=True):
            if isinstance(tokens, Exception):
                found[index] = tokens
            else:
                ids, places = tokens
                control = np.flatnonzero(np.isin(ids, self._control_ids))
                found[index] = Whole(messages, marked, text, ids, places, control, spans if self._marks else None)
        return found

    def encode(
        self, texts: Sequence[tuple[str, bool]], with_places: bool = False
    ) -> list[tuple[Ids, Places | None] | Exception]:
        """The tokens of texts, each with whether markers stand in it, and their places where the tokenizer says them.

        Raises ModelError where the tokenizer fails.
        """
        places = with_places and self._tokenizer.is_fast
        found: list[tuple[Ids, Places | None] | Exception] = [ValueError()] * len(texts)
        plain = [index for index, (_, marked) in enumerate(texts) if not marked]
        with model_errors("The model's tokenizer can't encode these conversations; choose another model"):
            for index, tokens in zip(plain, self._encode([texts[i][0] for i in plain], places), strict=True):
                found[index] = tokens
        for index, (text, marked) in enumerate(texts):
            if marked:
                try:
                    found[index] = self._encode_marked(text, places)
                except Exception as error:  # a token that the tokenizer makes of plain text, too
                    found[index] = error
        return found

    def without_markers(self, text: str, marked: bool) -> str:
        """The text as it is meant."""
        return text.replace(_OPEN, "").replace(_SHUT, "") if marked else text

    def in_place(self, turns: Sequence[Turn], which: Sequence[int]) -> tuple[str, list[int]] | None:
        """The conversation with nothing but a word for each in the place of some turns' contents, those words left out
        again; and which of them the template wrote. None where it refuses that."""
        messages = to_messages(turns)
        words = {number: _HOLDS_A_PLACE.format(number) for number in which}
        for number, word in words.items():
            messages[number] = {"role": turns[number].role, "content": word}
        try:
            text, _ = self.written(messages)
        except Exception:
            return None
        stand = [number for number, word in words.items() if word in text]
        for word in words.values():
            text = text.replace(word, "")
        return text, stand

    def _encode(self, texts: list[str], places: bool) -> Iterator[tuple[Ids, Places | None]]:
        if not texts:
            return
        encoded = self._tokenizer(texts, add_special_tokens=False, verbose=False, return_offsets_mapping=places)
        for index, ids in enumerate(encoded["input_ids"]):
            found = np.array(encoded["offset_mapping"][index], np.int64).reshape(-1, 2) if places else None
            yield np.array(ids, np.int32), found

    def _encode_marked(self, text: str, places: bool) -> tuple[Ids, Places | None]:
        """The same tokens as `encode_marked_chat` gives, with their places."""
        if not self._tokenizer.is_fast:
            return np.array(encode_marked_chat(self._tokenizer, text), np.int32), None
        ids, found = [np.zeros(0, np.int32)], [np.zeros((0, 2), np.int64)]
        (newline, _), *_ = self._encode(["\n"], places=False)
        at = 0
        for match in (*self._markers.finditer(text), None):
            end = len(text) if match is None else match.start()
            if at < end:
                for tokens, where in self._encode([text[at:end] if at == 0 else f"\n{text[at:end]}"], places=True):
                    assert where is not None
                    if at and np.array_equal(tokens[: len(newline)], newline):
                        tokens, where = tokens[len(newline) :], where[len(newline) :] - 1
                    elif at:
                        ((tokens, where),) = self._encode([text[at:end]], places=True)
                        assert where is not None
                    ids.append(tokens)
                    found.append(where + at)
            if match is not None:
                at = match.end()
                if match[1]:
                    spelled = np.array(encode_marked_chat(self._tokenizer, match[0]), np.int32)
                    ids.append(spelled)
                    found.append(np.full((len(spelled), 2), (match.start(), at), np.int64))
        return np.concatenate(ids), np.concatenate(found)

    def _control_tokens(self) -> set[str]:
        """Special tokens, and added tokens that the template writes: by name, or built from pieces as in
        `'<|' + message.role + '|>'`. Those that the tokenizer's maker lists come before both."""
        added = {str(token): token.special for token in self._tokenizer.added_tokens_decoder.values()}
        special = {token for token, is_special in added.items() if is_special and token}
        listed = getattr(self._tokenizer, "chat_control_tokens", None)
        if listed is not None:
            return special | (set(listed) & added.keys())
        written = [self._template]
        for turns in _PROBES:
            for for_answer in (False, True):
                with contextlib.suppress(Exception):  # a template may refuse what it is not made for
                    written.append(self.written(to_messages(turns), for_answer)[0])
        return special | {token for token in added if token.strip() and any(token in text for text in written)}


def _any_of(tokens: set[str]) -> re.Pattern[str]:
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")


def _with_fixed_date(template: str) -> str:
    """The template after a macro that hides `strftime_now`: functions can't be handed to a template."""
    written = "format | replace('%%', '\\x00')"
    for code in (
        "a",
        "A",
        "w",
        "d",
        "b",
        "B",
        "m",
        "y",
        "Y",
        "H",
        "I",
        "p",
        "M",
        "S",
        "f",
        "z",
        "Z",
        "j",
        "U",
        "W",
        "c",
        "x",
        "X",
    ):
        value = DATE.strftime(f"%{code}")
        unpadded = value.lstrip("0") or "0" if value.isdigit() else value
        for directive, text in ((f"%-{code}", unpadded), (f"%{code}", value)):
            written += f" | replace('{directive}', '{text}')"
    written += " | replace('\\x00', '%')"
    return f"{{%+ macro strftime_now(format) +%}}{{{{ {written} }}}}{{%+ endmacro +%}}{template}"
