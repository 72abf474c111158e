"""Several strategies at once: their terms and pulls are added, their states kept side by side."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.common.errors import ConfigError
from engine.strategies.base import Batch, Gradients, NamedWork, Plan, StageView, State, StepTaken, Strategy
from engine.strategies.costs import Cost
from engine.strategies.terms import Pull, Term

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from engine.common.random_streams import Streams


@dataclass(frozen=True)
class Combined(Strategy):
    """min L(new) + Σ terms and pulls of the parts. Both parts of its state are tuples of those of its parts.

    Raises ConfigError for parts that can't be joined: one that says so, two that plan, two that choose which
    weights train, two that combine gradients, one that can't go with the others' parameters.
    """

    parts: tuple[Strategy, ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            if not part.joins:
                raise ConfigError(f"{self.name}: {part.name} can't be joined to another strategy; let it stand alone")
            clash = part.clash([other for other in self.parts if other is not part])
            if clash is not None:
                raise ConfigError(f"{self.name}.{clash}.")
        deeds = {
            "plan": "what a stage trains on",
            "prepare": "which weights train",
            "combine": "how gradients are combined",
        }
        for verb, deed in deeds.items():
            names = [part.name for part in self.parts if part.redefines(verb)]
            if len(names) > 1:
                raise ConfigError(f"{self.name}: {names[0]} and {names[1]} both decide {deed}; join one of them only")

    @property
    def name(self) -> str:  # type: ignore[override]
        return "+".join(part.name for part in self.parts)

    @property
    def title(self) -> str:  # type: ignore[override]
        return joined_title([type(part) for part in self.parts])

    @property
    def summary(self) -> str:  # type: ignore[override]
        return " ".join(part.summary for part in self.parts)

    @property
    def null(self) -> Mapping[str, Any] | str:  # type: ignore[override]
        found: dict[str, Any] = {}
        for part in self.parts:
            if isinstance(part.null, str):
                return part.null
            found |= {self.key(part, name): value for name, value in part.null.items()}
        return found

    @property
    def sees_weights_before(self) -> bool:  # type: ignore[override]
        return any(part.sees_weights_before for part in self.parts)

    @property
    def rate_factor(self) -> float:  # type: ignore[override]
        return math.prod(part.rate_factor for part in self.parts)

    def key(self, part: Strategy, name: str) -> str:
        """The name of a part's parameter: with the part before it, "replay.memory_size", where two have it."""
        return keys_of([list(each.parameters) for each in self.parts], [each.name for each in self.parts])[
            part.name, name
        ]

    @property
    def parameters(self) -> dict[str, Any]:
        each = [(part, part.parameters) for part in self.parts]
        keys = keys_of([list(values) for _, values in each], [part.name for part, _ in each])
        return {keys[part.name, name]: value for part, values in each for name, value in values.items()}

    def in_words(self) -> Sequence[str]:
        return tuple(sentence for part in self.parts for sentence in part.in_words())

    def refusal(self, model: PreTrainedModel) -> str | None:
        return next((found for part in self.parts if (found := part.refusal(model)) is not None), None)

    def refusal_of_blocks(self, block_size: int) -> str | None:
        return next((found for part in self.parts if (found := part.refusal_of_blocks(block_size)) is not None), None)

    def initial_state(self) -> State:
        return _joined([part.initial_state() for part in self.parts])

    def plan(self, stage: int) -> Plan:
        return next((part.plan(stage) for part in self.parts if part.redefines("plan")), Plan((stage,)))

    def acts(self, stage: int) -> bool:
        return any(part.acts(stage) for part in self.parts)

    def reads_reference(self, stage: int) -> bool:
        return any(part.reads_reference(stage) for part in self.parts)

    def makes_state(self, stage: int) -> bool:
        return any(part.makes_state(stage) for part in self.parts)

    def signature(self, stage: int) -> Hashable:
        if self.makes_state(stage):  # the state of all parts is one: a stage of one part alone leaves another
            return ((self.name, tuple(self.parameters.items())),)
        found = [part.signature(stage) for part in self.parts]
        return tuple(each for own in found if isinstance(own, tuple) for each in own)

    def cost(self, stage: int) -> Cost:
        """The sum of the parts' own; where one of them combines gradients, those of the others' terms are held beside
        their sum until it has."""
        own = sum((part.cost(stage) for part in self.parts), Cost())
        others = [part for part in self.parts if not part.redefines("combine") and part.redefines("loss_terms")]
        terms = sum(part.acts(stage) for part in others)
        return own + Cost(copies=terms + 1) if terms and self.redefines("combine") else own

    def prepare(self, model: PreTrainedModel, stage: int, random: Streams) -> None:
        for part in self.parts:
            part.prepare(model, stage, random)

    def settle(self, model: PreTrainedModel, stage: int, random: Streams) -> None:
        for part in self.parts:
            part.settle(model, stage, random)

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        return _joined(
            [
                part.begin_stage(_view(begin, part), own, random) if part.acts(begin.stage) else own
                for part, own in self._each(state)
            ]
        )

    def loss_terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        return [term for part, own in self._each(state) for term in part.loss_terms(batch, own, random)]

    def combine(self, gradients: Mapping[str, Gradients], state: State) -> Gradients:
        part, own = next((part, own) for part, own in self._each(state) if part.redefines("combine"))
        return part.combine(gradients, own)

    def update_mask(self, step: StepTaken, state: State) -> Mapping[str, Tensor] | None:
        found: dict[str, Tensor] = {}
        for part, own in self._each(state):
            for name, mask in (part.update_mask(step, own) or {}).items():
                found[name] = found[name] & mask if name in found else mask
        return found or None

    def pulls(self, state: State) -> Sequence[Pull]:
        return tuple(pull for part, own in self._each(state) for pull in part.pulls(own))

    def after_step(self, step: StepTaken, state: State, random: Streams) -> State:
        return _joined(
            [part.after_step(step, own, random) if part.acts(step.stage) else own for part, own in self._each(state)]
        )

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        return _joined([part.end_stage(_view(end, part), own, random) for part, own in self._each(state)])

    def redefines(self, *verbs: str) -> bool:
        return any(part.redefines(*verbs) for part in self.parts)

    def _each(self, state: State) -> Iterator[tuple[Strategy, State]]:
        """Every part with its own state."""
        for number, part in enumerate(self.parts):
            yield part, State(*(None if side is None else side[number] for side in (state.fixed, state.moving)))


def joined_title(parts: Sequence[type[Strategy]]) -> str:
    """The title of strategies side by side: the abbreviation of each, where its title ends with one in brackets."""
    if len(parts) == 1:
        return parts[0].title
    return " + ".join(re.sub(r".*\((.+)\)$", r"\1", part.title) for part in parts)


def _view(view: StageView, part: Strategy) -> StageView:
    """A stage as one of the parts sees it."""
    return replace(view, work=NamedWork(part.name, view.work))


def keys_of(names: Sequence[Sequence[str]], parts: Sequence[str]) -> dict[tuple[str, str], str]:
    """For each part and each of its `names` the key that a joined strategy has for it, in order."""
    times = Counter(name for own in names for name in own)
    return {
        (part, name): name if times[name] == 1 else f"{part}.{name}"
        for part, own in zip(parts, names, strict=True)
        for name in own
    }


def _joined(states: Sequence[State]) -> State:
    """The states of the parts side by side; a side that no part uses stays None."""
    sides = [tuple(state.fixed for state in states), tuple(state.moving for state in states)]
    return State(*(side if any(each is not None for each in side) else None for side in sides))
