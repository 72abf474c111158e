"""What a user says of the reference text: a text beside the tasks, which strategies may compare the model on."""

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from engine.tasks.spec import Name, TaskSpec

NOT_OF_A_REFERENCE = ("test", "held_out", "held_out_share", "split_seed", "learning_rate", "epochs")
"""Fields of a task that say how it is held out and trained on."""


class ReferenceSpec(TaskSpec):
    """Where the reference text comes from, read as the training side of a task that holds nothing out."""

    name: Name = Field("reference", min_length=1, max_length=80)
    held_out: Literal["documents", "train"] = "train"

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, value: Any) -> Any:
        return {"train": value} if isinstance(value, str | list | tuple) else value

    @field_validator(*NOT_OF_A_REFERENCE)
    @classmethod
    def _is_read_alone(cls, value: Any, about: ValidationInfo) -> Any:
        if value != cls.model_fields[str(about.field_name)].default:
            raise ValueError(
                "a reference text is read whole, and is neither scored nor a task to train on; leave this field out"
            )
        return value

    @property
    def label(self) -> str:
        return self.name

    @property
    def called(self) -> str:
        return "reference"

    @classmethod
    def of(cls, task: TaskSpec) -> "ReferenceSpec":
        """The training side of a task as a reference text."""
        return cls(**task.model_dump(exclude=set(NOT_OF_A_REFERENCE)))
