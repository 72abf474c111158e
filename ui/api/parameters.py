"""What a question may say after its `?`: declared once, for the check of what comes and for the description of all
routes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ui.api.request_errors import RequestError

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`."""

    name: str
    default: int | None
    """None where the question must name one."""
    least: int
    most: int
    description: str

    @property
    def schema(self) -> dict[str, Any]:
        """The values in the words of JSON Schema."""
        default = {} if self.default is None else {"default": self.default}
        return {"type": "integer", "minimum": self.least, "maximum": self.most, **default}

    def value(self, text: str) -> int:
        """Raises RequestError where `text` is no such number."""
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < 16 and self.least <= int(text) <= self.most:
            return int(text)
        raise RequestError(400, f"{self.name} must be a whole number from {self.least} to {self.most}, not {text!r}.")


@dataclass(frozen=True)
class OneOf:
    """One of a few words."""

    name: str
    default: str
    words: tuple[str, ...]
    description: str

    @property
    def schema(self) -> dict[str, Any]:
        """The values in the words of JSON Schema."""
        return {"type": "string", "enum": list(self.words), "default": self.default}

    def value(self, text: str) -> str:
        """Raises RequestError where `text` is none of the words."""
        if text in self.words:
            return text
        raise RequestError(400, f"{self.name} must be one of {', '.join(self.words)}, not {text!r}.")


@dataclass(frozen=True)
class Text:
    """Any text."""

    name: str
    default: str | None
    """None where the question must name one."""
    description: str

    @property
    def schema(self) -> dict[str, Any]:
        """The values in the words of JSON Schema."""
        return {"type": "string"} | ({} if self.default is None else {"default": self.default})

    def value(self, text: str) -> str:
        """The text itself."""
        return text


Parameter = Whole | OneOf | Text


def values_of(given: Iterable[tuple[str, str]], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """The value of every parameter by its name. Raises RequestError for what is wrong, missing, there twice or not
    known."""
    known = {parameter.name: parameter for parameter in parameters}
    found: dict[str, Any] = {}
    for name, text in given:
        if name not in known:
            there_are = f"there are {', '.join(known)}" if known else "it takes none"
            raise RequestError(400, f"This route has no parameter {name!r}; {there_are}.")
        if name in found:
            raise RequestError(400, f"{name} is given twice.")
        found[name] = known[name].value(text)
    for parameter in parameters:
        if parameter.name not in found and parameter.default is None:
            raise RequestError(400, f"{parameter.name} is missing: {parameter.description}")
        found.setdefault(parameter.name, parameter.default)
    return found
