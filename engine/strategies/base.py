"""What a strategy is, and when the training loop calls it.

The order of calls in a run, for stages t = 1 … T:

    state = strategy.initial_state()
    for t in 1 … T:
        plan = strategy.plan(t)                        which tasks to train on, from which weights
        for each step:
            strategy.terms(batch, state, random)       loss terms, weighted; the loop sums and goes backward
            strategy.penalties(weights, state)         values of penalties on the weights, for the report
            gradients are clipped, AdamW steps
            strategy.proximal_step(weights, metric, state)  the penalties' own step, in place
        state = strategy.end_stage(stage, state, random)   remember what later stages need; not after the last

State goes in and comes out; a strategy object holds nothing but its declared parameters.
Before any run, `strategy.cost(t)` says what a stage costs beside plain training; the estimate counts that and no name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

if TYPE_CHECKING:  # pages read what a strategy declares long before anything trains
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from engine.common.random_streams import Streams
    from engine.tokens.blocks import Blocks, EncodedDocument

State = Any
"""A dataclass of tensors and plain data, or None."""


Weights: TypeAlias = "Mapping[str, torch.nn.Parameter]"
"""The model's trainable weights by name, tied ones once."""


@dataclass(frozen=True)
class Plan:
    """Which tasks a stage trains on (numbers from 1) and whether from the previous stage's weights or the base's."""

    tasks: tuple[int, ...]
    start: Literal["previous", "base"] = "previous"


@dataclass(frozen=True)
class Batch:
    """The new-task blocks of one optimiser step, and how to draw further ones of the same shape."""

    blocks: Blocks
    stage: int
    step: int
    """Within the stage, from 1."""
    block_size: int
    packed: bool


@dataclass(frozen=True)
class Term:
    """weight · (mean over the target tokens of `blocks` of the token loss): one term of what a step minimises."""

    name: str
    blocks: Blocks
    weight: float = 1.0


@dataclass(frozen=True)
class Begun:
    """Long work as it was when it was last kept."""

    name: str
    done: int
    """How many parts of it."""
    tensors: dict[str, Tensor]


class Work:
    """Long work at a stage's end that an interruption does not undo. This one keeps nothing."""

    def begun(self, name: str) -> Begun | None:
        """What an interrupted attempt had kept of the work of this name."""
        return None

    def keep(self, name: str, done: int, tensors: Mapping[str, Tensor]) -> None:
        """Offer what `done` parts have come to; it is written when it is time."""


@dataclass(frozen=True)
class StageEnd:
    """What a strategy may look at when a stage is over."""

    stage: int
    model: PreTrainedModel
    documents: Sequence[EncodedDocument]
    """The stage's own task, training side."""
    block_size: int
    packed: bool
    """Whether the model can hold several documents in a row."""
    check: Callable[[], None]
    """Call between pieces of work: waits while paused, raises when stopped."""
    precision: str = "float32"
    """Of the run's training steps."""
    once: Once = lambda parts, compute: dict(compute())
    """Tensors that depend on the stage's model and documents and on `parts` alone: found again where they are known."""
    work: Work = field(default_factory=Work)


@dataclass(frozen=True)
class Reading:
    """Documents of a stage's own task that are read at its end, forward and backward, one by one."""

    documents: int
    """At most; a smaller task is read whole."""
    shared_as: tuple[Any, ...] | None = None
    """The parts that `StageEnd.once` is given, so that runs which share the result pay once; None where none do."""


@dataclass(frozen=True)
class Cost:
    """What a stage costs beside plain training on the plan's tasks. Costs of strategies side by side add up."""

    tokens_per_new_token: float = 0.0
    """Read by a step beside each new one."""
    readings: tuple[Reading, ...] = ()
    """At the end of the stage, unless it is the last."""
    tensors: int = 0
    """Of the weights' size, remembered beside the weights: in memory and in the stage's checkpoint."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.tokens_per_new_token + other.tokens_per_new_token,
            self.readings + other.readings,
            self.tensors + other.tensors,
        )


Once: TypeAlias = "Callable[[tuple[Any, ...], Callable[[], Mapping[str, Tensor]]], dict[str, Tensor]]"


class Strategy:
    """The empty strategy: every verb at its default. Subclasses are frozen dataclasses of declared parameters."""

    name: ClassVar[str]
    title: ClassVar[str]
    """As pages print it."""
    summary: ClassVar[str]
    """One sentence for the card: what it minimises and what it remembers."""

    @property
    def state_types(self) -> tuple[type, ...]:
        """Every dataclass that its state is made of, so that a checkpoint can be read back."""
        return ()

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the declared parameters by name."""
        names = getattr(type(self), "__pydantic_fields__", {})
        return {name: getattr(self, name) for name in names}

    def initial_state(self) -> State:
        """The state before the first stage."""
        return None

    def plan(self, stage: int) -> Plan:
        """Which tasks stage `stage` trains on."""
        return Plan((stage,))

    def acts(self, stage: int) -> bool:
        """Whether a step of this stage is anything but plain training on the plan's tasks. Where it is not, the
        stage's result is shared with every other strategy that does not act."""
        return True

    def signature(self, stage: int) -> Hashable:
        """What of the strategy determines the steps of this stage."""
        return ((self.name, tuple(self.parameters.items())),) if self.acts(stage) else ()

    def cost(self, stage: int) -> Cost:
        """What the verbs below cost in this stage."""
        return Cost()

    def terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        """Loss terms beside the new task's own, which the loop always puts first as "new" with weight 1."""
        return []

    def penalties(self, weights: Weights, state: State) -> dict[str, Tensor]:
        """Values, as minimised, of penalties on the weights themselves; measured where the loss terms are. Scalars
        beside the weights: to read them here would be to wait for an accelerator."""
        return {}

    def proximal_step(self, weights: Weights, metric: Metric, state: State) -> None:
        """Minimise the penalties around AdamW's step, in place: argmin_θ Σ metric (θ−θ')² / 2 + penalty(θ)."""

    def end_stage(self, end: StageEnd, state: State, random: Streams) -> State:
        """The state that later stages see."""
        return state


Metric: TypeAlias = "Callable[[torch.nn.Parameter, slice], Tensor]"
"""Of some elements of a flattened weight, how much AdamW's last step divided a gradient by: (√v̂ + ε) / learning_rate,
a new tensor."""


def parts_of(weight: Tensor) -> Iterator[slice]:
    """Consecutive elements of the flattened weight, few enough on a CPU to stay in its caches over several passes."""
    size = 2**17 if weight.device.type == "cpu" else weight.numel()
    return (slice(start, start + size) for start in range(0, weight.numel(), size))
