"""Findings of pydantic's validation in plain sentences: where, what to write instead, and what was found."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.common.quoting import listed, quoted, shortened

Location = tuple[int | str, ...]
FieldsAt = Callable[[Location], Iterable[str]]
"""The names of the fields that there are at a place."""

_SHOWN_PROBLEMS = 10
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_HINTS = {
    "name": "write a name",
    "tasks": "write at least one task with its name and its files, such as {name: support, train: support.txt}",
    "train": "name the file or the files to train on, such as support.txt",
    "strategies": "name at least one, such as naive",
    "seeds": "write at least one, such as 0",
}
_WORDS = {
    "string_type": "expected a text",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "this number is too large",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a number that is not infinite",
    "tuple_type": "expected one value or a list of them",
    "list_type": "expected one value or a list of them",
    "dict_type": "expected names with their values, such as {replay_weight: 0.5}",
    "dataclass_type": "expected settings with their values, such as {epochs: 3}",
    "model_type": "expected fields with their values",
    "model_attributes_type": "expected fields with their values",
    "invalid_key": "the name of a field must be text",
    "string_unicode": "this holds characters that no text can hold",
    "greater_than_equal": "must be {ge} or above",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be {le} or below",
    "less_than": "must be below {lt}",
    "too_long": "holds more than {max_length} entries",
    "string_too_long": "is longer than {max_length} characters",
}

_ENTRIES = {
    "tasks": "expected a task with its fields, such as {name: support, train: support.txt}",
    "strategies": "expected a strategy's name, such as naive, or a name with parameters",
    "reference": "expected a text's files, such as general.txt, or fields such as {train: general.txt}",
    "general": "expected shipped, none, a text's files, such as general.txt, or fields such as {train: general.txt}",
    "resources": "expected what a run computes with, such as {cpus: 2}",
    "guards": 'expected a guard with its fields, such as {prompt: "2 + 2 =", equals: "4"}',
}


class Unquoted:
    """A word of a file that YAML takes for something else, where a text is expected."""

    def __init__(self, text: str, taken_for: str) -> None:
        self.text, self.taken_for = text, taken_for

    def __repr__(self) -> str:
        return self.text


def explain(error: ValidationError, fields_at: FieldsAt) -> str:
    """One sentence per wrong field; what only follows from another problem is left out."""
    problems = _first_causes(error.errors(include_url=False))
    sentences = [_sentence(problem, fields_at, alone=len(problems) == 1) for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        sentences.append(f"and {len(problems) - _SHOWN_PROBLEMS:,} more")
    return "; ".join(sentences) + "."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question to put behind a sentence; empty where none is near."""
    near = difflib.get_close_matches(word[:100], list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def in_words(problem: Mapping[str, Any]) -> str:
    """Say what is wrong with one value and what was found, without its place."""
    kind, found, context = problem["type"], problem.get("input"), problem.get("ctx") or {}
    name = str(problem["loc"][-1]) if problem["loc"] else ""
    if isinstance(found, Unquoted):
        return f'YAML takes {found.text} for {found.taken_for}; put it in quotes: "{shortened(found.text)}"'
    if kind == "missing":
        return f"is missing; {_HINTS.get(name, 'write it')}"
    if kind in ("too_short", "string_too_short") or (found is None and kind not in ("literal_error", "value_error")):
        return f"is empty; {_HINTS.get(name, 'write a value, or leave the field out')}"
    if kind == "literal_error":
        choices = str(context["expected"]).replace("'", "")
        near = did_you_mean(found, choices.replace(" or ", ", ").split(", ")) if isinstance(found, str) else ""
        words = f"choose {choices}{near}"
    else:
        words = _filled(_WORDS[kind], context) if kind in _WORDS else problem["msg"].removeprefix("Value error, ")
    return f"{words} (found {quoted(found)})" if isinstance(found, str | int | float | bool) else words


def _filled(words: str, context: Mapping[str, Any]) -> str:
    """`words` with the validation's bounds in the place of their names."""
    for name in ("ge", "gt", "le", "lt", "max_length"):
        words = words.replace(f"{{{name}}}", str(context.get(name)))
    return words


def _sentence(problem: ErrorDetails, fields_at: FieldsAt, alone: bool) -> str:
    place = problem["loc"]
    where = ".".join(str(part + 1) if isinstance(part, int) else shortened(str(part)) for part in place)
    if problem["type"] in ("model_type", "model_attributes_type") and not isinstance(problem.get("input"), Unquoted):
        return f"{where}: {_ENTRIES.get(str(place[0]) if place else '', _WORDS['model_type'])}"
    if problem["type"] in _UNKNOWN:
        known = sorted(fields_at(place[:-1]))
        near = did_you_mean(str(place[-1]), known)
        others = f"; there are {listed(known, 30)}" if alone and known else "; check its spelling"
        return f"{where}: there is no such field{near or others}"
    return f"{where}: {in_words(problem)}" if where else in_words(problem)


def _first_causes(problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without a list's complaint that it is too short where some of its entries were refused."""
    places = {problem["loc"][:length] for problem in problems for length in range(len(problem["loc"]))}
    return [problem for problem in problems if problem["type"] != "too_short" or problem["loc"] not in places]
