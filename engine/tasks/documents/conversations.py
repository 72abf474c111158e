"""Conversations as data sets hold them, to turns with a role and a content.

Read are lists of messages under `role`/`content` (OpenAI, TRL), `from`/`value` (ShareGPT) and a few spellings of
these, lists of texts whose speakers take turns, and lists of pairs of a question and its answer. A message with a
`weight` of 0 is only read (OpenAI).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from engine.tasks.documents.task import Turn
from engine.tasks.files.encodings import clean

_ROLES = {
    "system": "system", "developer": "system", "context": "system",
    "user": "user", "human": "user", "prompter": "user", "customer": "user", "student": "user", "question": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
    "ai": "assistant", "bing": "assistant", "bard": "assistant", "agent": "assistant", "teacher": "assistant",
    "answer": "assistant", "function_call": "assistant", "claude": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "tool_response": "tool",
    "ipython": "tool", "environment": "tool",
}  # fmt: skip
_SPEAKER_KEYS, _CONTENT_KEYS = ("role", "from", "speaker", "author"), ("content", "value", "text", "message")
_FOR_TEMPLATES = ("tool_calls", "tool_call_id", "name", "reasoning_content", "thinking")
"""What chat templates of models read beside role and content."""
_SAID = ("tool_calls", "reasoning_content", "thinking")
"""Which of these an assistant's turn without a content can be learnt by."""
_LISTS_WITHIN = ("messages", "conversations", "conversation", "dialog", "dialogue", "turns")


class NoConversationError(ValueError):
    """The value is not a conversation; the text says why, fit to stand after "row 3: "."""


def turns_of(value: Any, unused: Counter[str] | None = None) -> tuple[Turn, ...]:
    """The turns of one conversation. `unused` counts keys of messages that no turn takes over.

    Raises NoConversationError.
    """
    if isinstance(value, Mapping) and _speaker(value):
        value = [value]
    if isinstance(value, Mapping):
        within = [key for key in _LISTS_WITHIN if isinstance(value.get(key), list)]
        if len(within) != 1:
            raise NoConversationError("an object where a list of messages is expected")
        value = value[within[0]]
    if not isinstance(value, list | tuple) or not value:
        raise NoConversationError("no list of messages" if value else "the list of messages is empty")
    if all(isinstance(item, str) for item in value):
        return tuple(Turn(("user", "assistant")[i % 2], clean(item)) for i, item in enumerate(value))
    if all(isinstance(item, list | tuple) and len(item) == 2 for item in value):
        return history_turns(value)
    return tuple(_turn(item, unused if unused is not None else Counter()) for item in value)


def history_turns(pairs: Any) -> tuple[Turn, ...]:
    """The turns of a list of [question, answer]. Raises NoConversationError."""
    if not isinstance(pairs, list | tuple):
        raise NoConversationError(f"{_kind(pairs)} where a list of questions with their answers is expected")
    turns: list[Turn] = []
    for pair in pairs:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise NoConversationError("a list where a pair of question and answer is expected")
        turns += [Turn("user", clean(pair[0])), Turn("assistant", clean(pair[1]))]
    return tuple(turns)


def are_messages(value: Any) -> bool:
    """Whether these are messages with their speakers: lists of texts alone are not."""
    if isinstance(value, Mapping) and not _speaker(value):
        value = next((value[key] for key in _LISTS_WITHIN if isinstance(value.get(key), list)), None)
    one = isinstance(value, Mapping) and bool(_speaker(value))
    if not one and not (isinstance(value, list) and all(isinstance(item, Mapping) for item in value)):
        return False
    try:
        return bool(turns_of(value))
    except NoConversationError:
        return False


def is_conversation(value: Any) -> bool:
    """Whether these are messages with their speakers, one of them the assistant at least."""
    return are_messages(value) and any(turn.role == "assistant" for turn in turns_of(value))


def check_turns(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns that count: empty ones at the end go, and empty answers before others are only read, for what they
    would teach is to say nothing. Raises NoConversationError where nothing could be learnt."""
    kept = list(turns)
    while kept and not _says_something(kept[-1]):
        kept.pop()
    if not any(turn.is_answer and _says_something(turn) for turn in kept):
        raise NoConversationError("it has no turn of the assistant that could be learnt")
    return tuple(turn if _says_something(turn) or not turn.is_answer else replace(turn, given=True) for turn in kept)


def empty_answers(checked: Sequence[Turn], turns: Sequence[Turn]) -> int:
    """How many of the answers are only read because they are empty."""
    return sum(one.given != other.given for one, other in zip(checked, turns, strict=False))


def _says_something(turn: Turn) -> bool:
    if turn.content.strip() or not turn.more:
        return bool(turn.content.strip())
    return turn.role != "assistant" or any(key in _SAID for key in json.loads(turn.more))


def flattened(value: Any) -> str | None:
    """The one text within a list or object: a list of one text, several equal ones, or `{"text": [...]}` as SQuAD
    has it; "" for an empty list. None where there are several or none."""
    value = text_within(value)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value) and len(set(value)) <= 1:
        return clean(value[0]) if value else ""
    return None


def text_within(value: Any) -> Any:
    """The `text` of an object that holds no other texts, which would be lost; else None. All else is itself."""
    if not isinstance(value, Mapping):
        return value
    others = [other for key, other in value.items() if key != "text"]
    return None if any(map(_holds_text, others)) else value.get("text")


def _holds_text(value: Any) -> bool:
    if isinstance(value, Mapping | list):
        return any(map(_holds_text, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, str) and bool(value.strip())


def to_messages(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """The turns as chat templates and data sets take them."""
    return [{"role": turn.role, "content": turn.content, **_further(turn)} for turn in turns]


def to_rows(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """The same with a weight of 0 for answers that are only read, as `turns_of` reads them back."""
    return [
        message | ({"weight": 0} if turn.given else {}) for message, turn in zip(to_messages(turns), turns, strict=True)
    ]


def as_given(turns: Iterable[Turn]) -> list[Turn]:
    """The turns as a prompt has them: only read."""
    return [replace(turn, given=turn.role == "assistant") for turn in turns]


def _further(turn: Turn) -> dict[str, Any]:
    return dict(json.loads(turn.more)) if turn.more else {}


def _turn(item: Any, unused: Counter[str]) -> Turn:
    if not isinstance(item, Mapping):
        raise NoConversationError(f"{_kind(item)} where a message with its role is expected")
    speaker = _speaker(item)
    present = [key for key in _CONTENT_KEYS if key in item]
    content_key = next((key for key in present if item[key] is not None), present[0] if present else None)
    if speaker is None:
        raise NoConversationError("a message that does not say whose it is ('role' or 'from')")
    role = _ROLES.get(item[speaker].strip().lower())
    if role is None:
        raise NoConversationError(
            f"a message of the role '{item[speaker][:40]}', which is none of system, user, assistant and tool"
        )
    more = {key: item[key] for key in _FOR_TEMPLATES if item.get(key) and key != "tool_calls"}
    calls = _tool_calls(item)
    if calls:
        more["tool_calls"] = calls
    if content_key is None and "tool_calls" not in more:
        raise NoConversationError("a message without 'content' or 'value'")
    for key in item:
        taken = key in (speaker, content_key, "weight", *more) or (key == "function_call" and _old_call(item))
        if not taken and item[key] not in (None, "", [], {}):
            unused[str(key)] += 1
    content = _content(item[content_key]) if content_key else ""
    given = role == "assistant" and not _weight(item.get("weight"))
    return Turn(role, content, json.dumps(more, ensure_ascii=False) if more else "", given)


def _weight(value: Any) -> bool:
    """Whether an answer is learnt. A weight between would need a loss with weights, which there is none of here."""
    weight = 1.0 if value in (None, "") else -1.0
    if isinstance(value, int | float | str) and value != "":
        with suppress(ValueError, OverflowError):
            weight = float(value)
    if weight not in (0.0, 1.0):
        raise NoConversationError(f"a message of the weight {str(value)[:40]}, which is neither 0 nor 1")
    return weight == 1.0


def _tool_calls(item: Mapping[str, Any]) -> Any:
    """The calls of tools of a message, with their arguments as objects: templates write them as JSON, and would write
    JSON in a text a second time. Raises NoConversationError for what is no list of calls."""
    calls = item.get("tool_calls") or _old_call(item)
    if isinstance(calls, str):
        with suppress(ValueError, RecursionError):
            calls = json.loads(calls) or []
    if not isinstance(calls, list):
        raise NoConversationError(f"{_kind(calls)} where a list of calls of tools is expected ('tool_calls')")
    return [_call(call) for call in calls]


def _old_call(item: Mapping[str, Any]) -> list[Any]:
    """OpenAI's earlier spelling of one call."""
    call = item.get("function_call")
    is_call = isinstance(call, Mapping) and isinstance(call.get("name"), str) and not item.get("tool_calls")
    return [{"type": "function", "function": call}] if is_call else []


def _call(call: Any) -> Any:
    if not isinstance(call, Mapping):
        return call
    if isinstance(call.get("function"), Mapping):
        return {**call, "function": _call(call["function"])}
    try:
        arguments = json.loads(call["arguments"]) if isinstance(call.get("arguments"), str) else None
    except (ValueError, RecursionError):
        return call
    return {**call, "arguments": arguments} if isinstance(arguments, dict) else call


def _speaker(item: Mapping[str, Any]) -> str | None:
    """The key under which a message says whose it is."""
    return next((key for key in _SPEAKER_KEYS if isinstance(item.get(key), str)), None)


def _content(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return "\n".join(map(_part, value))
    raise NoConversationError(f"a message whose content is {_kind(value)}")


def _part(part: Any) -> str:
    if isinstance(part, str):
        return clean(part)
    if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return clean(part["text"])
    kind = part.get("type") if isinstance(part, Mapping) else None
    raise NoConversationError(f"a message with a part that is no text ({str(kind)[:40]})")


def _kind(value: Any) -> str:
    words = {list: "a list", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return words.get(type(value), "a number")
