"""Training a part of the weights: the others stay as they are, bit for bit.

Lowest layers: Zheng et al. 2025, "Spurious Forgetting in Continual Learning of Language Models",
https://arxiv.org/abs/2501.13453. Random matrices: Hui et al. 2024, "HFT: Half Fine-Tuning for Large Language Models",
https://arxiv.org/abs/2404.18466, which draws half of each layer's, kind by kind; here all are drawn from together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Needs, Strategy

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from engine.common.random_streams import Streams


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Freeze(Strategy):
    """min L(new) over the weights outside a frozen set: the lowest `frozen_layers` transformer blocks, of the other
    blocks' matrices a random `frozen_share`, drawn anew for each stage, and the embeddings.

    It acts from the first stage on: what the base model knows may be forgotten too. A frozen weight has no gradient, no
    moments, and no decay; a share leaves biases and norms alone. An output matrix that is tied to the embeddings is
    frozen with them. With nothing frozen it is naive bit for bit.
    """

    name: ClassVar[str] = "freeze"
    title: ClassVar[str] = "Frozen weights"
    short_title: ClassVar[str] = "Frozen"
    summary: ClassVar[str] = "Trains a part of the weights and leaves the others as they are."
    choose_when: ClassVar[str] = (
        "Where neither old texts nor a state may be kept; it saves memory and time, and what is frozen can't adapt."
    )
    source: ClassVar[tuple[str, str]] = (
        "Zheng et al. 2025, lowest layers; Hui et al. 2024, random matrices (arXiv 2404.18466)",
        "https://arxiv.org/abs/2501.13453",
    )
    needs: ClassVar[tuple[Needs, ...]] = ("fewer weights",)
    null: ClassVar[dict[str, float]] = {"frozen_layers": 0, "frozen_share": 0.0, "frozen_embeddings": False}
    offered_with: ClassVar[tuple[str, ...]] = ("replay",)

    frozen_layers: int = parameter(
        1, label="Frozen layers", symbol="layers", minimum=0, maximum=1000, low=0, high=24, unit="layers", main=True,
        help="How many transformer blocks are frozen, from the lowest; no more than the model has.",
    )  # fmt: skip
    frozen_share: float = parameter(
        0.0, label="Frozen share", symbol="share", minimum=0.0, maximum=1.0, main=True,
        help="Share of the other blocks' matrices that is frozen, drawn anew for each stage; half fine-tuning has 0.5.",
    )  # fmt: skip
    frozen_embeddings: bool = parameter(
        True, label="Frozen embeddings",
        help="Whether the embeddings are frozen too, and with them an output matrix that is tied to them.",
    )  # fmt: skip

    def acts(self, stage: int) -> bool:
        return self.frozen_layers > 0 or self.frozen_share > 0 or self.frozen_embeddings

    def clash(self, others: Sequence[Strategy]) -> str | None:
        compared = [other.name for other in others if other.compares_with_base and not other.redefines("pulls")]
        if self.frozen_share and compared:
            return (
                f"frozen_share: weights that trained in one stage are frozen in the next, so that {compared[0]} can't "
                "compare with the base model; set it to 0, or compare with the previous stage"
            )
        return None

    def refusal(self, model: PreTrainedModel) -> str | None:
        import torch

        from engine.models.parts import transformer_blocks

        blocks = transformer_blocks(model)
        if not blocks and (self.frozen_layers or self.frozen_share):
            field = "frozen_layers" if self.frozen_layers else "frozen_share"
            return f"{field}: the layers of this model can't be told apart; set it to 0."
        if self.frozen_layers > len(blocks):
            return f"frozen_layers: {self.frozen_layers} is more than the {len(blocks)} layers of the model; lower it."
        frozen = {id(weight) for weight in self._frozen(model, torch.Generator())}  # as many whatever is drawn
        if all(id(weight) in frozen for weight in model.parameters()):
            return (
                f"frozen_layers: with {self.frozen_layers} layers, a share of {self.frozen_share:g} of the other "
                "matrices and the embeddings frozen, no weight of this model trains; freeze less."
            )
        return None

    def prepare(self, model: PreTrainedModel, stage: int, random: Streams) -> None:
        model.requires_grad_(True)  # another set may have been frozen in the stage before
        for weight in self._frozen(model, random.generator("frozen matrices", stage)):
            weight.requires_grad_(False)

    def _frozen(self, model: PreTrainedModel, generator: torch.Generator) -> list[torch.nn.Parameter]:
        import torch

        from engine.models.parts import embeddings, transformer_blocks

        blocks = transformer_blocks(model)
        lowest = [weight for block in blocks[: self.frozen_layers] for weight in block.parameters()]
        others = [weight for block in blocks[self.frozen_layers :] for weight in block.parameters() if weight.dim() > 1]
        drawn = torch.randperm(len(others), generator=generator)[: round(self.frozen_share * len(others))].tolist()
        return [*lowest, *(others[place] for place in drawn), *(embeddings(model) if self.frozen_embeddings else ())]
