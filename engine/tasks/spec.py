"""What a user says of a task: where its texts are and how they are read."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engine.common.overrides import Overrides, epochs_parameter, learning_rate_parameter
from engine.common.parameters import no_boolean
from engine.common.quoting import clean_name

SPLITS = ("auto", "two blank lines", "blank line", "line", "file", "row")
Split = Literal["auto", "two blank lines", "blank line", "line", "file", "row"]
Template = Literal["auto", "model", "plain"]

_STRICT = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


def _can_be_a_path(path: str) -> str:
    """Raises ValueError for what no file system takes."""
    if not path.strip():
        raise ValueError("an empty path names no file; write one, or leave the field out")
    if "\0" in path:
        raise ValueError("no path holds the character NUL")
    if len(path.encode()) > 3000 or any(len(part.encode()) > 255 for part in path.split("/")):
        raise ValueError("this is longer than a path can be")
    return path


Name = Annotated[str, BeforeValidator(lambda value: clean_name(value) if isinstance(value, str) else value)]
FilePath = Annotated[str, AfterValidator(_can_be_a_path)]
ColumnName = Annotated[str, Field(max_length=1000)]


def one_or_many(value: Any) -> Any:
    """A list of the one value that stands where a list is expected."""
    return value if value is None or isinstance(value, list | tuple) else (value,)


class TaskSpec(BaseModel):
    """Where a task's text comes from and how it is cut into documents. Paths are relative to the experiment file."""

    model_config = _STRICT

    name: Name = Field(min_length=1, max_length=80)
    train: tuple[FilePath, ...] = Field(min_length=1)
    test: tuple[FilePath, ...] = ()
    """Held-out files; without them a share of the documents is held out."""
    split: Split = "auto"
    """Where documents end in texts; tables are always cut into rows, and "row" allows tables only.

    auto: several .md files are a document each; other text is cut at two blank lines where these run through it,
    else at blank lines, else at lines.
    """
    text_column: ColumnName | None = None
    prompt_column: tuple[ColumnName, ...] | None = None
    """One column or several: the cells that are not empty are joined by a blank line."""
    completion_column: ColumnName | None = None
    messages_column: ColumnName | None = None
    """A column of conversations: lists of messages with their roles."""
    system_column: ColumnName | None = None
    """Beside the others: what is said before conversations that don't begin so; each row is then a conversation."""
    history_column: ColumnName | None = None
    """Beside prompt and completion: a list of earlier [question, answer] of the same conversation."""
    separator: str = Field("\n", max_length=100)
    """Stands between prompt and completion and belongs to the prompt."""
    template: Template = "auto"
    """What conversations are rendered with. auto: the chat template of the model's tokenizer, else the plain one of
    `chat_templates`; model: the tokenizer's, refused where it has none; plain: ours. Pairs are rendered with it, as
    conversations of one question and one answer, unless it is auto."""
    learn: Literal["assistant", "all"] = "assistant"
    """Which turns of conversations are learnt and scored."""
    beyond_block: Literal["cut", "continue"] = "cut"
    """What becomes of a pair that is longer than a block. cut: of its prompt the beginning goes, of its completion the
    end; continue: the rest is learnt in further blocks, without the prompt, as by versions before 0.2."""
    header: bool | None = None
    """Of delimited tables: whether the first row names the columns. None: recognised."""
    delimiter: str | None = Field(None, max_length=1)
    """Of delimited tables; "" for one column. None: recognised."""
    quotes: bool | None = None
    """Of delimited tables: whether quotation marks enclose cells. None: recognised."""
    front_matter: bool = False
    """Whether the front matter of Markdown files is learnt as well."""
    encoding: str | None = Field(None, max_length=40)
    """None: recognised."""
    held_out: Literal["documents", "train"] = "documents"
    """What the task is scored on. train: its own training text, where there is too little to hold any out."""
    held_out_share: float = Field(0.1, gt=0, lt=1)
    split_seed: int = Field(0, ge=-(2**63), lt=2**63)
    learning_rate: float | None = learning_rate_parameter(None, "This task's own learning rate.")
    epochs: int | None = epochs_parameter(None, "How often this task's training text is read.")

    @property
    def overrides(self) -> Overrides:
        """The settings that this task has of its own, which say nothing about its texts."""
        return Overrides(self.learning_rate, self.epochs)

    @property
    def label(self) -> str:
        """How scores call it: marked where they are measured on what was trained on."""
        return f"{self.name} (training text)" if self.held_out == "train" else self.name

    @property
    def called(self) -> str:
        """The beginning of a sentence about it."""
        return f"Task '{self.name}'"

    _no_boolean = field_validator("learning_rate", "epochs", "held_out_share", "split_seed", mode="before")(no_boolean)

    @field_validator("train", "test", "prompt_column", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any, about: ValidationInfo) -> Any:
        return () if value is None and about.field_name == "test" else one_or_many(value)

    @model_validator(mode="after")
    def _columns_fit(self) -> "TaskSpec":
        if (self.prompt_column is None) != (self.completion_column is None):
            raise ValueError("prompt_column and completion_column go together; give both or neither")
        if self.prompt_column is None and (self.history_column or (self.system_column and not self.messages_column)):
            raise ValueError("system_column and history_column stand beside prompt_column (system: or messages_column)")
        chosen = [self.text_column, self.prompt_column, self.messages_column]
        if sum(column is not None for column in chosen) > 1:
            raise ValueError(
                "give one of text_column, the pair prompt_column and completion_column, and messages_column"
            )
        if self.test and self.held_out == "train":
            raise ValueError("held_out: train and test exclude each other; leave one of them out")
        return self
