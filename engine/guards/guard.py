"""Guards: prompts with what must stay true of a model's answers."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from engine.common.parameters import no_boolean
from engine.common.quoting import quoted, shortened
from engine.tasks.spec import one_or_many

OF_ANSWERS, KINDS = ("contains", "equals", "matches"), ("contains", "equals", "matches", "likelier", "loss_at_most")
MOST_GUARDS, MOST_ANSWER_TOKENS = 200, 1024
"""Of one list, and of one answer."""
TEXT_FIELDS = ("name", "prompt", "contains", "equals", "matches", "likelier", "than", "text")
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

    _no_boolean = field_validator("loss_at_most", "answer_tokens", mode="before")(no_boolean)

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
        of_answer = kind in OF_ANSWERS and not str(getattr(self, kind)).strip()
        if of_answer or "" in (self.likelier, *self.than) or (self.text is not None and not self.text.strip()):
            raise ValueError(f"{kind}: an empty text says nothing; write what must hold")
        if self.likelier in self.than:
            raise ValueError("likelier: it stands in than as well, and nothing is likelier than itself")
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


def check_titles(guards: Sequence[Guard]) -> None:
    """Raises ValueError where two guards go by the same title."""
    doubled = [title for title, times in Counter(guard.title for guard in guards).items() if times > 1]
    if doubled:
        raise ValueError(f"two guards are called {quoted(doubled[0])}; give one of them another name")


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
