"""Elastic weight consolidation.

Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks", eq. 3,
https://arxiv.org/abs/1612.00796; several tasks as in Huszár 2018, https://arxiv.org/abs/1712.03847, and the online
form of Schwarz et al. 2018, "Progress & Compress", https://arxiv.org/abs/1805.06370.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Cost, Metric, Reading, StageEnd, State, Strategy, Weights, parts_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.common.random_streams import Streams


@plain_dataclass(frozen=True)
class Elastic:
    """The quadratic  A(θ−μ)² + c  that stands for all past tasks: two tensors a weight and a scalar."""

    importance: dict[str, Tensor] = field(default_factory=dict)
    """A: summed Fisher, float32, shaped like the weights. Empty before the first task."""
    anchor: dict[str, Tensor] = field(default_factory=dict)
    """μ: where the quadratic is least."""
    constant: float = 0.0
    """c, so that the value equals the explicit sum Σ_t F_t (θ−θ*_t)²."""

    def to(self, device: torch.device) -> Elastic:
        """The same beside weights on `device`."""

        def moved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.to(device) for name, tensor in tensors.items()}

        return Elastic(moved(self.importance), moved(self.anchor), self.constant)


def accumulate(past: Elastic, fisher: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Elastic:
    """Σ_t F_t(θ−θ*_t)² after one more task, exactly: A ← A+F, μ ← μ + (F/A)(θ*−μ), c ← c + (A_old F/A)(μ_old−θ*)²."""
    import torch

    if not past.importance:
        return Elastic(_copies(fisher), _copies(weights), past.constant)
    importance, anchor, between = {}, {}, []
    for name, new in fisher.items():
        old, centre, reached = past.importance[name], past.anchor[name], weights[name].detach()
        total = old + new
        share = torch.where(total > 0, new / total, 0.0)
        between.append((old * share * (centre - reached).square()).sum(dtype=torch.float64))
        importance[name], anchor[name] = total, centre + share * (reached - centre)
    return Elastic(importance, anchor, past.constant + float(_total(between)))


def follow(past: Elastic, fisher: Mapping[str, Tensor], weights: Mapping[str, Tensor], decay: float) -> Elastic:
    """The online form: A ← γA + F, μ ← θ*."""
    importance = {n: decay * past.importance[n] + f if past.importance else f.clone() for n, f in fisher.items()}
    return Elastic(importance, _copies(weights), 0.0)


def penalty_value(elastic: Elastic, weights: Mapping[str, Tensor], ewc_lambda: float) -> Tensor:
    """(λ/2) (Σ A(θ−μ)² + c), in nats per token, a scalar beside the weights."""
    import torch

    found = []
    for name, importance in elastic.importance.items():
        flat = [each.detach().view(-1) for each in (importance, weights[name], elastic.anchor[name])]
        for part in parts_of(weights[name]):
            a, theta, centre = (each[part] for each in flat)
            away = theta - centre
            found.append(torch.dot(a * away, away))
    return ewc_lambda / 2 * (_total(found) + elastic.constant)


def proximal_step(elastic: Elastic, weights: Weights, metric: Metric, ewc_lambda: float) -> None:
    """θ ← argmin_θ D(θ−θ')²/2 + (λ/2)A(θ−μ)²  =  (Dθ' + λAμ) / (D + λA), in place, D = AdamW's metric.

    The penalty's gradient at the result is the step that was taken, so a resting point satisfies
    ∇L + λA(θ−μ) = 0 as if λA(θ−μ) had been added to the gradients. But added there, Adam would rescale it
    with everything else (a huge λ moves the weights as fast as a small one) and an explicit step overshoots once
    λA exceeds 2D; the implicit step is stable, and draws nearer to μ the larger λ, for every λ.
    """
    import torch

    with torch.no_grad():
        for name, importance in elastic.importance.items():
            flat = [each.view(-1) for each in (importance, weights[name], elastic.anchor[name])]
            for part in parts_of(weights[name]):
                a, theta, centre = (each[part] for each in flat)
                held = metric(weights[name], part)
                # D / (D + λA) is 1 exactly where A is 0, and 0 where λA overflows.
                torch.lerp(centre, theta, held.div_(torch.add(held, a, alpha=ewc_lambda)), out=theta)


def _total(parts: Sequence[Tensor]) -> Tensor:
    """The sum of scalars, in float64 where the device has it."""
    import torch

    together = torch.stack(list(parts))
    return together.sum(dtype=None if together.device.type == "mps" else torch.float64)


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that later weight updates can't move."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EWC(Strategy):
    """min L(new) + (λ/2) Σ_k A_k (θ_k − μ_k)², A the past tasks' Fisher information. λ = 0 is naive bit for bit."""

    name: ClassVar[str] = "ewc"
    title: ClassVar[str] = "Elastic weight consolidation"
    summary: ClassVar[str] = (
        "Holds the weights that past tasks depend on near where they were, by a penalty of strength λ."
    )

    ewc_lambda: float = parameter(
        30.0, label="EWC λ", minimum=0.0, maximum=1e12, low=1e-1, high=1e5, scale="log", main=True,
        help="Strength of the elastic penalty; 0 is naive, very large freezes what past tasks used.",
    )  # fmt: skip
    accumulation: Literal["exact", "online"] = parameter(
        "exact", label="Accumulation",
        help="exact: the sum of every past task's penalty; online: one anchor at the newest weights.",
    )  # fmt: skip
    online_decay: float = parameter(
        1.0, label="Online decay γ", minimum=0.0, maximum=1.0,
        help="Online only: how much of the older tasks' Fisher is kept at each new task.",
    )  # fmt: skip
    fisher: Literal["empirical", "sampled"] = parameter(
        "empirical", label="Fisher",
        help="empirical: gradients of the text's own tokens; sampled: of tokens the model draws (the true Fisher).",
    )  # fmt: skip
    fisher_documents: int = parameter(
        200, label="Fisher documents", minimum=1, maximum=1_000_000, low=20, high=2000, unit="documents",
        help="How many of the finished task's documents the Fisher is estimated from.",
    )  # fmt: skip

    @property
    def state_types(self) -> tuple[type, ...]:
        return (Elastic,)

    def initial_state(self) -> Elastic:
        return Elastic()

    def acts(self, stage: int) -> bool:
        return stage > 1 and self.ewc_lambda > 0

    def cost(self, stage: int) -> Cost:
        if self.ewc_lambda == 0:
            return Cost()
        return Cost(readings=(Reading(self.fisher_documents, self._fisher_parts),), tensors=2)  # A and μ

    def penalties(self, weights: Weights, state: State) -> dict[str, Tensor]:
        return {"penalty": penalty_value(state, weights, self.ewc_lambda)} if self._pulls(state) else {}

    def proximal_step(self, weights: Weights, metric: Metric, state: State) -> None:
        if self._pulls(state):
            proximal_step(state, weights, metric, self.ewc_lambda)

    def end_stage(self, end: StageEnd, state: State, random: Streams) -> Elastic:
        if self.ewc_lambda == 0:
            return Elastic()
        import torch

        from engine.strategies.tools.fisher import diagonal_fisher

        order = torch.randperm(len(end.documents), generator=random.generator("fisher documents", end.stage))
        chosen = [end.documents[i] for i in order[: self.fisher_documents].tolist()]

        def estimate() -> dict[str, Tensor]:
            sampling = random.generator("fisher sampling", end.stage)
            return diagonal_fisher(
                end.model, chosen, end.block_size, self.fisher, sampling, end.check, end.packed, end.precision, end.work
            )

        fisher = end.once(self._fisher_parts, estimate)
        weights = {name: p for name, p in end.model.named_parameters() if p.requires_grad}
        if self.accumulation == "online":
            return follow(state, fisher, weights, self.online_decay)
        return accumulate(state, fisher, weights)

    @property
    def _fisher_parts(self) -> tuple[Any, ...]:
        """What of the strategy determines the Fisher information of a stage's model and documents."""
        return ("fisher", self.fisher, self.fisher_documents)

    def _pulls(self, state: Elastic) -> bool:
        return self.ewc_lambda > 0 and bool(state.importance)
