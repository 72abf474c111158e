"""What a user says of a text beside the tasks: the reference text, which strategies may compare the model on, and the
general text, which is scored beside the tasks."""

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from engine.common.errors import ConfigError
from engine.tasks.sample_tasks import FOLDER
from engine.tasks.spec import Name, TaskSpec

NOT_OF_A_TEXT_BESIDE = ("test", "held_out", "held_out_share", "split_seed", "learning_rate", "epochs")
"""Fields of a task that say how it is held out and trained on."""


class TextBeside(TaskSpec):
    """Where a text beside the tasks comes from, read as the training side of a task that holds nothing out."""

    held_out: Literal["documents", "train"] = "train"
    field: ClassVar[str]
    """Its name in an experiment."""

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, value: Any) -> Any:
        return {"train": value} if isinstance(value, str | list | tuple) else value

    @field_validator(*NOT_OF_A_TEXT_BESIDE)
    @classmethod
    def _is_read_alone(cls, value: Any, about: ValidationInfo) -> Any:
        if value != cls.model_fields[str(about.field_name)].default:
            raise ValueError(f"a {cls.field} text is read whole, and is no task to train on; leave this field out")
        return value

    @property
    def label(self) -> str:
        return self.name

    @property
    def called(self) -> str:
        return self.field

    @classmethod
    def of(cls, task: TaskSpec) -> Self:
        """The training side of a task as such a text."""
        return cls(**task.model_dump(exclude=set(NOT_OF_A_TEXT_BESIDE)))


class ReferenceSpec(TextBeside):
    """Where the reference text comes from."""

    name: Name = Field("reference", min_length=1, max_length=80)
    field = "reference"


class GeneralSpec(TextBeside):
    """Where the general text comes from."""

    name: Name = Field("general", min_length=1, max_length=80)
    field = "general"

    @classmethod
    def shipped(cls) -> "GeneralSpec":
        """The one that comes with the project: English of many kinds, written for it."""
        return cls(train=(str(FOLDER / "general.txt"),), split="blank line")


def check_untouched(general: GeneralSpec | None, tasks: Iterable[TaskSpec]) -> None:
    """Raises ConfigError where a task reads a file of the general text, which then says nothing of what is lost
    beside the tasks."""
    own = set(general.train) if general is not None else set()
    for task in tasks:
        if own & {*task.train, *task.test}:
            raise ConfigError(
                f"The task '{task.name}' reads a file of the general text, which no task may touch: choose another "
                "general text, or none."
            )
