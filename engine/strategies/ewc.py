"""Elastic weight consolidation.

Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks", eq. 3,
https://arxiv.org/abs/1612.00796; several tasks as in Huszár 2018, https://arxiv.org/abs/1712.03847, and the online
form of Schwarz et al. 2018, "Progress & Compress", https://arxiv.org/abs/1805.06370.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass
from pydantic_core import ArgsKwargs

from engine.common.parameters import parameter
from engine.strategies.base import Needs, StageView, State, Strategy
from engine.strategies.costs import Cost, Reading
from engine.strategies.terms import Pull

if TYPE_CHECKING:
    from torch import Tensor

    from engine.common.random_streams import Streams

UNIT = 0.02
"""λF̄ at a strength of 1, F̄ the mean of the first task's Fisher: the penalty's mean curvature. On the embedded model and
its sample tasks that is a λ of about 30, near where EWC ends best (docs/measurements.md)."""


@plain_dataclass(frozen=True)
class Elastic:
    """The quadratic  A(θ−μ)² + c  that stands for all past tasks: two tensors a weight and a scalar."""

    importance: dict[str, Tensor] = field(default_factory=dict)
    """A: summed Fisher, float32, shaped like the weights. Empty before the first task."""
    anchor: dict[str, Tensor] = field(default_factory=dict)
    """μ: where the quadratic is least."""
    constant: float = 0.0
    """c, so that the value equals the explicit sum Σ_t F_t (θ−θ*_t)²."""
    first_mean: float = 0.0
    """The mean of the first task's Fisher over all weights that train: it fixes λ for the run."""


def accumulate(past: Elastic, fisher: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Elastic:
    """Σ_t F_t(θ−θ*_t)² after one more task, exactly: A ← A+F, μ ← μ + (F/A)(θ*−μ), c ← c + (A_old F/A)(μ_old−θ*)².

    `weights` are those that have trained: others keep their A and μ, and one that had not before begins with F and θ*.
    """
    import torch

    from engine.strategies.tools.quadratics import summed

    importance, anchor, between = dict(past.importance), dict(past.anchor), []
    for name, weight in weights.items():  # in the model's order, whatever that of a file that was read
        new, reached = fisher[name], weight.detach()
        if name not in past.importance:
            importance[name], anchor[name] = new.clone(), reached.clone()
            continue
        old, centre = past.importance[name], past.anchor[name]
        total = old + new
        share = torch.where(total > 0, new / total, 0.0)
        between.append((old * share * (centre - reached).square()).sum(dtype=torch.float64))
        importance[name], anchor[name] = total, centre + share * (reached - centre)
    return Elastic(importance, anchor, past.constant + (float(summed(between)) if between else 0.0))


def follow(past: Elastic, fisher: Mapping[str, Tensor], weights: Mapping[str, Tensor], decay: float) -> Elastic:
    """The online form: A ← γA + F, μ ← θ*, of the `weights` that have trained; others keep their A and μ."""
    importance = dict(past.importance)
    for name in weights:
        known = name in past.importance
        importance[name] = decay * past.importance[name] + fisher[name] if known else fisher[name].clone()
    return Elastic(importance, past.anchor | _copies(weights), 0.0)


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that later weight updates can't move."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _mean(fisher: Mapping[str, Tensor]) -> float:
    """The mean over all elements of all weights."""
    from engine.strategies.tools.quadratics import summed

    return float(summed([each.sum() for each in fisher.values()])) / sum(each.numel() for each in fisher.values())


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EWC(Strategy):
    """min L(new) + (λ/2) Σ_k A_k (θ_k − μ_k)², A the past tasks' Fisher information. λ = 0 is naive bit for bit.

    The Fisher's scale differs by orders of magnitude between models, and with it what a λ does. `ewc_strength` s is
    relative to it: λ = s · UNIT / F̄, with F̄ the mean of the first task's Fisher over all weights that train, the same λ
    for the whole run. `ewc_lambda` is λ itself.
    """

    name: ClassVar[str] = "ewc"
    title: ClassVar[str] = "Elastic weight consolidation (EWC)"
    short_title: ClassVar[str] = "EWC"
    summary: ClassVar[str] = (
        "Holds the weights that past tasks depend on near where they were, by a penalty of strength λ."
    )
    choose_when: ClassVar[str] = (
        "Where no old text may be kept; steps cost little more, and two tensors of the model's size are remembered."
    )
    source: ClassVar[tuple[str, str]] = ("Kirkpatrick et al. 2017", "https://arxiv.org/abs/1612.00796")
    needs: ClassVar[tuple[Needs, ...]] = ("a second copy of the weights",)
    null: ClassVar[dict[str, float]] = {"ewc_lambda": 0.0}
    offered_with: ClassVar[tuple[str, ...]] = ("replay",)

    ewc_strength: float | None = parameter(
        1.0, label="EWC strength", symbol="strength", minimum=0.0, maximum=1e12, low=1e-2, high=1e3, scale="log",
        main=True,
        help="Strength of the elastic penalty relative to the first task's Fisher, so that it means the same for other "
        "models; 0 is naive, very large freezes what past tasks used.",
    )  # fmt: skip
    ewc_lambda: float | None = parameter(
        None, label="EWC λ", symbol="λ", minimum=0.0, maximum=1e12, low=1e-1, high=1e5, scale="log", main=True,
        empty="from the strength", instead_of="ewc_strength",
        help="The penalty's factor itself, instead of the strength: it depends on the Fisher's scale, and with it on "
        "the model. Empty: it follows from the strength.",
    )  # fmt: skip
    accumulation: Literal["exact", "online"] = parameter(
        "exact", label="Accumulation",
        help="exact: the sum of every past task's penalty; online: one anchor at the newest weights.",
    )  # fmt: skip
    online_decay: float = parameter(
        1.0, label="Online decay γ", symbol="γ", minimum=0.0, maximum=1.0, only_with={"accumulation": ("online",)},
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

    @model_validator(mode="before")
    @classmethod
    def _lambda_instead(cls, given: ArgsKwargs) -> ArgsKwargs:
        """Leave the strength empty where λ alone is given."""
        values: dict[str, Any] = {"ewc_lambda": None, **(given.kwargs or {})}
        if values["ewc_lambda"] is not None:
            values.setdefault("ewc_strength", None)
        return ArgsKwargs(given.args, values)

    @field_validator("ewc_lambda")
    @classmethod
    def _one_of_two(cls, value: float | None, others: ValidationInfo) -> float | None:
        if "ewc_strength" in others.data and (value is None) == (others.data["ewc_strength"] is None):
            if value is None:
                raise ValueError("ewc_strength and ewc_lambda are both empty; give one of them")
            raise ValueError("give ewc_strength or ewc_lambda, not both; leave one out, on the page at its default")
        return value

    @property
    def _is_on(self) -> bool:
        return bool(self.ewc_lambda or self.ewc_strength)

    def initial_state(self) -> State:
        return State(fixed=Elastic())

    def acts(self, stage: int) -> bool:
        return stage > 1 and self._is_on

    def cost(self, stage: int) -> Cost:
        if not self._is_on:
            return Cost()
        return Cost(readings=(Reading(self.fisher_documents, self._fisher_parts),), tensors=2)  # A and μ

    def pulls(self, state: State) -> Sequence[Pull]:
        past: Elastic = state.fixed
        if not self._is_on or not past.importance:
            return ()
        return (Pull(self.name, past.anchor, self.lambda_of(past), past.importance, past.constant),)

    def lambda_of(self, past: Elastic) -> float:
        """λ: as it is given, or strength · UNIT / F̄; 0 while all Fisher information is 0."""
        if self.ewc_lambda is not None:
            return self.ewc_lambda
        assert self.ewc_strength is not None
        return self.ewc_strength * UNIT / past.first_mean if past.first_mean else 0.0

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        if not self._is_on:
            return state
        import torch

        from engine.strategies.tools.fisher import diagonal_fisher

        order = torch.randperm(len(end.documents), generator=random.generator("fisher documents", end.stage))
        chosen = [end.documents[i] for i in order[: self.fisher_documents].tolist()]

        def estimate() -> dict[str, Tensor]:
            return diagonal_fisher(end, chosen, self.fisher, random.generator("fisher sampling", end.stage))

        fisher, past = end.cached(self._fisher_parts, estimate), state.fixed
        if self.accumulation == "online":
            with_task = follow(past, fisher, end.weights, self.online_decay)
        else:
            with_task = accumulate(past, fisher, end.weights)
        return State(replace(with_task, first_mean=past.first_mean or _mean(fisher)))

    @property
    def _fisher_parts(self) -> tuple[Any, ...]:
        """The parameters that determine the Fisher information of a stage's model and documents."""
        return ("fisher", self.fisher, self.fisher_documents)
