"""Several strategies at once: their terms and penalties are added, their states kept side by side."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.common.errors import ConfigError
from engine.strategies.base import Batch, Cost, Metric, Plan, StageEnd, State, Strategy, Term, Weights

if TYPE_CHECKING:
    from torch import Tensor

    from engine.common.random_streams import Streams


@dataclass(frozen=True)
class Combined(Strategy):
    """min L(new) + Σ terms and penalties of the parts. The state is the tuple of the parts' states."""

    parts: tuple[Strategy, ...]

    def __post_init__(self) -> None:
        planners = [p.name for p in self.parts if type(p).plan is not Strategy.plan]
        if planners:
            raise ConfigError(f"{self.name}: {planners[0]} decides itself what a stage trains on; it can't be combined")
        names = [key for part in self.parts for key in part.parameters]
        if len(set(names)) < len(names):
            raise ConfigError(f"{self.name}: two of its strategies declare a parameter of the same name")

    @property
    def name(self) -> str:  # type: ignore[override]
        return "+".join(part.name for part in self.parts)

    @property
    def title(self) -> str:  # type: ignore[override]
        return " + ".join(part.title for part in self.parts)

    @property
    def summary(self) -> str:  # type: ignore[override]
        return " ".join(part.summary for part in self.parts)

    @property
    def state_types(self) -> tuple[type, ...]:
        return tuple(kind for part in self.parts for kind in part.state_types)

    @property
    def parameters(self) -> dict[str, Any]:
        return {key: value for part in self.parts for key, value in part.parameters.items()}

    def initial_state(self) -> State:
        return tuple(part.initial_state() for part in self.parts)

    def plan(self, stage: int) -> Plan:
        return Plan((stage,))

    def acts(self, stage: int) -> bool:
        return any(part.acts(stage) for part in self.parts)

    def signature(self, stage: int) -> Hashable:
        return tuple((part.name, tuple(part.parameters.items())) for part in self.parts if part.acts(stage))

    def cost(self, stage: int) -> Cost:
        return sum((part.cost(stage) for part in self.parts), Cost())

    def terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        return [term for part, own in zip(self.parts, state, strict=True) for term in part.terms(batch, own, random)]

    def penalties(self, weights: Weights, state: State) -> dict[str, Tensor]:
        total: dict[str, Tensor] = {}
        for part, own in zip(self.parts, state, strict=True):
            found = part.penalties(weights, own)
            if total.keys() & found.keys():
                raise ConfigError(
                    f"{self.name}: two of its strategies report {sorted(total.keys() & found.keys())[0]!r}"
                )
            total |= found
        return total

    def proximal_step(self, weights: Weights, metric: Metric, state: State) -> None:
        for part, own in zip(self.parts, state, strict=True):
            part.proximal_step(weights, metric, own)

    def end_stage(self, end: StageEnd, state: State, random: Streams) -> State:
        return tuple(part.end_stage(end, own, random) for part, own in zip(self.parts, state, strict=True))
