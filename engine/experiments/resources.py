"""What each run of an experiment computes with."""

from pydantic import BaseModel, ConfigDict, field_validator

from engine.common.parameters import no_boolean, parameter

MOST_CPUS, MOST_GPUS = 1024, 64


class Resources(BaseModel):
    """What one run computes with, on this machine and on a cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpus: int | None = parameter(
        None, label="CPUs per run", minimum=1, maximum=MOST_CPUS, empty="the machine's own choice",
        help="The threads that a run computes with, and the processors that it asks of a cluster. Another number of "
        "threads gives slightly different numbers. Empty: the machine's own choice.",
    )  # fmt: skip
    gpus: float | None = parameter(
        None, label="GPUs per run", minimum=0.0, maximum=MOST_GPUS, empty="as the device needs",
        help="What a run asks of a cluster. A part of one, such as 0.5, lets as many runs share a GPU; 0: none. Empty: "
        "one where the training's device wants or finds a GPU, else none.",
    )  # fmt: skip
    like_nodes: bool = parameter(
        True, label="Only like machines",
        help="On a cluster, all runs compute on machines whose arithmetic is that of the first one's, so that equal "
        "seeds give equal numbers. Without it more machines take part, and numbers differ slightly between them.",
    )  # fmt: skip

    _no_boolean = field_validator("cpus", "gpus", mode="before")(no_boolean)

    @field_validator("gpus")
    @classmethod
    def _part_of_one_or_whole(cls, value: float | None) -> float | None:
        check_gpus(value)
        return value


def check_gpus(number: float | None) -> None:
    """Raises ValueError for a number that is neither a part of one nor whole."""
    if number is not None and number > 1 and number != int(number):
        raise ValueError("a run takes a part of one GPU, such as 0.5, or a whole number of them")
