"""Low-rank adapters.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", https://arxiv.org/abs/2106.09685. The library peft
puts the adapters into the model (`engine/models/adapters.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import ConfigDict, field_validator
from pydantic.dataclasses import dataclass

from engine.common.explanations import did_you_mean
from engine.common.parameters import parameter
from engine.common.quoting import listed, quoted
from engine.strategies.base import Needs, Strategy

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

    from engine.common.random_streams import Streams

_EVERY, _ATTENTION = "all-linear", "attention"
_LONGEST = 500


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class LoRA(Strategy):
    """min L(new) over B and A alone, where each chosen layer computes W x + (α / r) B A x and W stays as it is.

    A [r, in] is drawn from U(−1/√in, 1/√in), B [out, r] begins at 0, so that the first step sees the base model bit for
    bit. One adapter goes on through all stages; or each stage has a fresh one, merged at its end: W ← W + (α / r) B A.
    """

    name: ClassVar[str] = "lora"
    title: ClassVar[str] = "Low-rank adapters (LoRA)"
    short_title: ClassVar[str] = "LoRA"
    summary: ClassVar[str] = "Leaves the model's own weights alone and trains two small matrices beside each layer's."
    choose_when: ClassVar[str] = (
        "For models whose gradients and optimiser state are too large otherwise, or to take home a file of few "
        "megabytes; whether it forgets less than full training at an equal loss is disputed: compare."
    )
    source: ClassVar[tuple[str, str]] = ("Hu et al. 2021", "https://arxiv.org/abs/2106.09685")
    needs: ClassVar[tuple[Needs, ...]] = ("fewer weights",)
    null: ClassVar[str] = "The model's own weights never train, so no value of its parameters makes it full training."
    offered_with: ClassVar[tuple[str, ...]] = ("replay", "kl", "ewc")
    rate_factor: ClassVar[float] = 10.0

    rank: int = parameter(
        8, label="Rank r", symbol="r", minimum=1, maximum=256, low=1, high=256, scale="log", main=True,
        help="Columns of B and rows of A: how many directions of each layer can change.",
    )  # fmt: skip
    alpha: float = parameter(
        16.0, label="α", minimum=1e-3, maximum=1e4, low=1.0, high=512.0, scale="log",
        help="B A x is scaled by α / r. Leave α as it is when the rank changes: the same rate then fits.",
    )  # fmt: skip
    target_modules: str = parameter(
        _EVERY, label="Layers",
        help="all-linear: every linear layer but the projection to the vocabulary; attention: those of attention; or "
        "names of layers with spaces between them, such as q_proj v_proj.",
    )  # fmt: skip
    between_stages: Literal["continued", "merged"] = parameter(
        "continued", label="Between stages",
        help="continued: one adapter goes on through all stages and is saved as an adapter of the base model; merged: "
        "each stage's adapter is merged into the model, which is saved whole, and the next begins with a fresh one.",
    )  # fmt: skip

    @field_validator("target_modules")
    @classmethod
    def _names_layers(cls, value: str) -> str:
        names = _names(value)
        if not names or len(value) > _LONGEST or not all(re.fullmatch(r"[\w.-]+", name) for name in names):
            raise ValueError(f"write {_EVERY}, {_ATTENTION}, or names of layers with spaces between them")
        return " ".join(names)

    def refusal(self, model: PreTrainedModel) -> str | None:
        from engine.models import adapters

        layers = adapters.linear_layers(model)
        chosen, unknown = _chosen(self.target_modules, layers)
        if unknown is not None:
            return f"target_modules: {unknown}"
        least, narrowest = min((min(layer.weight.shape), name) for name, layer in chosen.items())  # type: ignore[arg-type]
        if self.rank > least:
            return f"rank: {self.rank} is above {least}, the smaller side of {narrowest}; choose {least} or less."
        if self.between_stages == "continued" and adapters.stands_on_adapter(model):
            return (
                "between_stages: the model is itself an adapter with its base, and an adapter of an adapter can't be "
                "saved; choose merged, or merge it with peft's merge_and_unload() and save the whole model."
            )
        return None

    def clash(self, others: Sequence[Strategy]) -> str | None:
        if self.between_stages == "continued":
            return None
        pulling = [other.name for other in others if other.redefines("pulls")]
        on_base = [other.name for other in others if other.compares_with_base]
        changing = [other.name for other in others if other.redefines("after_step")]
        if pulling:
            return (
                f"between_stages: merged puts a fresh adapter into each stage, so that {pulling[0]} has no weights of "
                "the stage before to pull to; choose continued"
            )
        if changing:
            return (
                f"between_stages: merged puts a fresh adapter into each stage, so that {changing[0]} has no weights of "
                "the stage before to lead back to; choose continued"
            )
        if on_base:
            return (
                f"between_stages: merged changes weights that do not train, so that {on_base[0]} can't compare with "
                "the base model; choose continued, or the previous stage"
            )
        return None

    def prepare(self, model: PreTrainedModel, stage: int, random: Streams) -> None:
        from engine.models import adapters

        is_fresh = self.between_stages == "merged" and adapters.adds_nothing(model)
        if not adapters.adapted_layers(model):
            chosen, _ = _chosen(self.target_modules, adapters.linear_layers(model))
            base = model.name_or_path if self.between_stages == "continued" else None
            adapters.put_on(model, chosen, self.rank, self.alpha, base)
            is_fresh = True
        model.requires_grad_(False)
        for name, layer in adapters.adapted_layers(model).items():
            if is_fresh:
                number = stage if self.between_stages == "merged" else 1
                adapters.draw_anew(layer, random.generator(f"lora {name}", number))
            for factor in adapters.factors(layer):
                factor.requires_grad_(True)

    def settle(self, model: PreTrainedModel, stage: int, random: Streams) -> None:
        if self.between_stages == "merged":
            from engine.models import adapters

            adapters.merge(model)
            self.prepare(model, stage, random)


def _names(text: str) -> list[str]:
    return [name for name in re.split(r"[,\s]+", text) if name]


def _chosen(text: str, layers: Mapping[str, Module]) -> tuple[dict[str, Module], str | None]:
    """The layers that `text` stands for, by their whole names; and what is wrong where some of it stands for none."""
    if text == _EVERY:
        return dict(
            layers
        ), None if layers else "this model has no linear layers beside the projection to its vocabulary."
    found: dict[str, Module] = {}
    for name in _names(text):
        if name == _ATTENTION:
            own = {each: layer for each, layer in layers.items() if re.search(r"attn|attention", each.lower())}
        else:
            own = {each: layer for each, layer in layers.items() if f".{each}".endswith(f".{name}")}
        if not own:
            known = sorted({each.rpartition(".")[2] for each in layers})
            near = did_you_mean(name, known).rstrip("?")
            return {}, f"{quoted(name)} is no linear layer of this model{near}; there are {listed(known, 20)}."
        found |= own
    return {name: layer for name, layer in layers.items() if name in found}, None
