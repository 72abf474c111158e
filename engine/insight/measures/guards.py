"""Guards: prompts with what must stay true of a model's answers, read from a file as data."""

import json
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from engine.common.errors import ConfigError, TaskError
from engine.common.explanations import Location, explain
from engine.common.quoting import quoted, shortened
from engine.experiments.yaml_reading import read_yaml
from engine.insight.measures.prompts import MOST_ANSWER_TOKENS, MOST_PROMPTS
from engine.tasks.files.contents import Table
from engine.tasks.readers import read_source
from engine.tasks.spec import one_or_many

OF_ANSWERS, KINDS = ("contains", "equals", "matches"), ("contains", "equals", "matches", "likelier", "loss_at_most")
_LONGEST, _LONGEST_PATTERN, _MOST_ALTERNATIVES = 20_000, 1_000, 50
_Text = Annotated[str, Field(max_length=_LONGEST)]


class Guard(BaseModel):
    """A prompt, and one thing that must hold: of the greedy answer, that it `contains` or `equals` a text or `matches`
    a pattern; that a continuation is `likelier` than all of `than`; that a `text` has a loss of `loss_at_most`."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    name: str = Field("", max_length=120)
    prompt: _Text = ""
    chat: bool = False
    contains: _Text | None = None
    equals: _Text | None = None
    matches: Annotated[str, Field(max_length=_LONGEST_PATTERN)] | None = None
    likelier: _Text | None = None
    than: Annotated[tuple[_Text, ...], BeforeValidator(one_or_many), Field(max_length=_MOST_ALTERNATIVES)] = ()
    text: _Text | None = None
    loss_at_most: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Nats per token of `text`, read after the prompt."""
    answer_tokens: int = Field(64, ge=1, le=MOST_ANSWER_TOKENS)

    @field_validator("matches")
    @classmethod
    def _can_be_searched(cls, value: str | None) -> str | None:
        if value is not None:
            pattern(value)
        return value

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            what = f"it has {' and '.join(given)}" if given else "it has none"
            raise ValueError(f"give one of {', '.join(KINDS)}; {what}")
        kind = given[0]
        if kind != "loss_at_most" and not self.prompt.strip():
            raise ValueError("prompt: give the text that the model goes on from")
        if (kind == "likelier") != bool(self.than):
            raise ValueError("likelier and than belong together: what must be likelier, and than what")
        if (kind == "loss_at_most") != (self.text is not None):
            raise ValueError("text and loss_at_most belong together: which text, and its largest loss")
        empty = kind in OF_ANSWERS and not str(getattr(self, kind)).strip()
        if empty or "" in (self.likelier, self.text, *self.than):
            raise ValueError(f"{kind}: an empty text says nothing; write what must hold")
        return self

    @property
    def kind(self) -> str:
        """Which of `KINDS` it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def title(self) -> str:
        """Its name, or what it asks."""
        return self.name or shortened(" ".join((self.prompt or self.text or "").split()), 80)

    def accepts(self, answer: str) -> bool:
        """Whether an answer is as it must be. `contains` and `equals` compare normalised texts."""
        if self.contains is not None:
            return normalised(self.contains) in normalised(answer)
        if self.equals is not None:
            return normalised(self.equals) == normalised(answer)
        assert self.matches is not None
        return pattern(self.matches).search(answer) is not None


def normalised(text: str) -> str:
    """The text as two answers are compared: in Unicode's form NFKC, without regard to upper and lower case, with one
    space for any white space, and none around it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def pattern(text: str) -> Any:
    """A pattern by RE2, whose search takes a time that grows with the length of the text alone, so that no pattern can
    hang a server. Raises ValueError with what is wrong."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else error
        raise ValueError(f"{quoted(text)} is no pattern that can be searched for ({why})") from error


def read_guards(path: Path) -> tuple[Guard, ...]:
    """The guards of a YAML or JSON list, JSON lines, or a table with the fields as columns. Raises ConfigError that
    names the file, the guard and the field."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path.name}: it can't be read ({error.strerror}); check the path.") from error
    return guards_of(path.name, data)


def guards_of(name: str, data: bytes) -> tuple[Guard, ...]:
    """As `read_guards`, of a file's content."""
    rows = _rows(name, data)
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{name}: write a list of guards, each with a prompt and what must hold.")
    if len(rows) > MOST_PROMPTS:
        raise ConfigError(f"{name}: holds {len(rows):,} guards; at most {MOST_PROMPTS} can be checked, so split it.")
    found = tuple(_guard(name, number, row) for number, row in enumerate(rows, start=1))
    doubled = [title for title, times in Counter(guard.title for guard in found).items() if times > 1]
    if doubled:
        raise ConfigError(f"{name}: two guards are called {quoted(doubled[0])}; give one of them another name.")
    return found


def _rows(name: str, data: bytes) -> Any:
    suffix = Path(name).suffix.lower()
    if suffix in (".yaml", ".yml"):
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name}: it is not in UTF-8; save it in that encoding.") from error
        texts = [(field,) for field in ("name", "prompt", "contains", "equals", "matches", "likelier", "than", "text")]
        return read_yaml(text, name, texts)
    try:
        contents = read_source(name, data)
    except TaskError as error:
        raise ConfigError(str(error)) from error
    tables = [content for content in contents if isinstance(content, Table)]
    if len(tables) != 1 or len(contents) != 1:
        raise ConfigError(
            f"{name}: it holds no list of guards; write YAML, JSON, or a table with a column for a field."
        )
    return [_cells(row, tables[0].nested) for row in tables[0].frame.to_dict("records")]


def _cells(row: dict[Any, Any], nested: Collection[str]) -> dict[str, Any]:
    """The cells that are not empty: a table has a column for every field. Lists come as JSON."""
    filled = {str(name): value for name, value in row.items() if isinstance(value, str) and value != ""}
    return {name: json.loads(value) if name in nested else value for name, value in filled.items()}


def _guard(name: str, number: int, row: Any) -> Guard:
    if not isinstance(row, dict):
        raise ConfigError(f"{name}: guard {number}: write its fields with their values, such as prompt: and contains:.")
    try:
        return Guard.model_validate(row)
    except ValidationError as error:
        raise ConfigError(f"{name}: guard {number}: {explain(error, _fields)}") from error


def _fields(place: Location) -> Sequence[str]:
    return list(Guard.model_fields)
