"""How many weights train in each stage, as the strategy's own `prepare` chooses, and what that makes a token cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from transformers import PreTrainedModel

from engine.common.errors import ConfigError
from engine.common.random_streams import Streams
from engine.models.adapters import numbers_left_out
from engine.models.loading import LOADING, in_shapes, locate
from engine.models.parts import operations_per_token, trainable_weights
from engine.strategies.base import Strategy


@dataclass(frozen=True)
class StageWeights:
    """The weights of one stage in numbers of elements."""

    whole: int
    """All of the model, with what the strategy has put into it."""
    trained: int
    remembered: int
    """Those that have trained in this stage or an earlier one: a state may hold tensors of them."""
    operations: float
    """Those of a token in a step, beside those of a step in which every weight of the base model trains."""
    left_out: int = 0
    """Those that the stage's checkpoint leaves out: an adapter may be saved without its base."""

    @property
    def saved(self) -> int:
        return self.whole - self.left_out


def stage_weights(model: PreTrainedModel, strategy: Strategy, stages: int, seed: int) -> tuple[StageWeights, ...]:
    """The weights of each stage, by calling `prepare` on the model, in place: its shapes suffice. Raises ConfigError
    where the strategy does not fit the model."""
    refused = strategy.refusal(model)
    if refused is not None:
        raise ConfigError(f"{strategy.name}.{refused}")
    model.requires_grad_(True)
    plain, seen, found = operations_per_token(model), dict[str, int](), []
    for stage in range(1, stages + 1):
        strategy.prepare(model, stage, Streams(seed))
        trained = {name: weight.numel() for name, weight in trainable_weights(model).items()}
        seen |= trained
        share = operations_per_token(model) / plain
        whole, left_out = model.num_parameters(), numbers_left_out(model)
        found.append(StageWeights(whole, sum(trained.values()), sum(seen.values()), share, left_out))
    return tuple(found)


def weights_of(name: str, parameters: int, strategy: Strategy, stages: int, seed: int) -> Sequence[StageWeights]:
    """The same of the model of this name, which has so many `parameters`, from its configuration alone; it is asked
    only where the strategy chooses what trains. Raises ModelError and ConfigError."""
    if not strategy.redefines("prepare"):
        return (StageWeights(parameters, parameters, parameters, 1.0),) * stages
    return _of_shapes(name, strategy, stages, seed)


@lru_cache(maxsize=64)
def _of_shapes(name: str, strategy: Strategy, stages: int, seed: int) -> tuple[StageWeights, ...]:
    with LOADING:
        model = in_shapes(locate(name), name)
    return stage_weights(model, strategy, stages, seed)
