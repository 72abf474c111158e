"""Training on all tasks so far at once, going on from the weights at hand: replay of everything, at joint's price."""

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.strategies.tools.all_tasks import AllTasks


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Cumulative(AllTasks):
    """min L(task 1 ∪ … ∪ task t) from the previous stage's weights: the rows and the token budget of joint training."""

    name: ClassVar[str] = "cumulative"
    title: ClassVar[str] = "Cumulative training"
    short_title: ClassVar[str] = "Cumulative"
    summary: ClassVar[str] = "Goes on from the previous weights and trains on all tasks so far at every stage."
    choose_when: ClassVar[str] = (
        "Where all texts may be kept and each stage must build on the last model; it costs as much as joint training."
    )
    source: ClassVar[tuple[str, str]] = ("Lomonaco & Maltoni 2017, CORe50", "https://arxiv.org/abs/1705.03550")
    null: ClassVar[str] = "It always trains on all tasks so far."
