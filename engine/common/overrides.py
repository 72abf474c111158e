"""The training settings that a strategy and a task may each set otherwise than the experiment does."""

from typing import Any

from pydantic import ConfigDict, field_validator
from pydantic.dataclasses import dataclass

from engine.common.parameters import no_boolean, parameter, parameters_of


def learning_rate_parameter(default: float | None, help: str, empty: str = "") -> Any:
    """A learning rate, with the bounds that it has wherever one is set."""
    return parameter(
        default, label="Learning rate", symbol="rate", minimum=1e-8, maximum=1.0, low=1e-5, high=1e-2, scale="log",
        help=help, empty=empty,
    )  # fmt: skip


def epochs_parameter(default: int | None, help: str, empty: str = "") -> Any:
    """A number of epochs, with the bounds that it has wherever one is set."""
    return parameter(
        default, label="Epochs per task", symbol="epochs", minimum=1, maximum=1000, high=20, help=help, empty=empty,
    )  # fmt: skip


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Overrides:
    """The settings that are set otherwise; None leaves one to the next: a task, its strategy, the experiment."""

    learning_rate: float | None = learning_rate_parameter(
        None,
        "Peak of AdamW's learning rate in place of the training settings' one; empty: theirs.",
        empty="as in training",
    )
    epochs: int | None = epochs_parameter(
        None,
        "How often each task's training text is read, in place of the training settings' number; empty: theirs.",
        empty="as in training",
    )

    _no_boolean = field_validator("*", mode="before")(no_boolean)

    @property
    def given(self) -> dict[str, float | int]:
        """The values that are set, by name."""
        values = {"learning_rate": self.learning_rate, "epochs": self.epochs}
        return {name: value for name, value in values.items() if value is not None}


OVERRIDES = tuple(declared.name for declared in parameters_of(Overrides))
"""The names of the settings that can be overridden."""
