"""Averaged gradient episodic memory: a step of the new task may not, to first order, raise the memory's loss.

Chaudhry et al. 2019, "Efficient Lifelong Learning with A-GEM", eq. 11, https://arxiv.org/abs/1812.00420.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Batch, Gradients, Needs, StageView, State, Strategy
from engine.strategies.costs import Cost
from engine.strategies.terms import Term

if TYPE_CHECKING:
    from torch import Tensor

    from engine.common.random_streams import Streams


def projected(gradient: Gradients, reference: Gradients) -> Gradients:
    """g − min(0, gᵀg_mem) / (g_memᵀg_mem) · g_mem, over all weights together; g where g_mem is 0 (eq. 11).

    The products are taken in float64 where the device has it, and never read: an accelerator is not waited for.
    """
    import torch

    agreement, length = _product(gradient, reference), _product(reference, reference)
    excess = torch.where(agreement < 0, agreement / length, 0.0)
    found = dict(gradient)
    for name, other in reference.items():
        own = gradient[name] if name in gradient else torch.zeros_like(other)
        found[name] = torch.addcmul(own, other, excess.to(other.dtype), value=-1)
    return found


def _product(first: Gradients, second: Gradients) -> Tensor:
    """The scalar product over the weights that both have."""
    import torch

    from engine.strategies.tools.quadratics import slices_of, summed

    parts = [torch.zeros((), device=next(iter(second.values())).device)]
    for name in (each for each in second if each in first):
        kind = torch.float32 if second[name].device.type == "mps" else torch.float64
        flat = [each[name].flatten() for each in (first, second)]
        parts += [torch.dot(*(each[part].to(kind) for each in flat)) for part in slices_of(flat[0])]
    return summed(parts)


def _sum(gradients: Sequence[Gradients]) -> Gradients:
    """The sum of gradients, some of which may lack a weight."""
    found = dict(gradients[0])
    for gradient in gradients[1:]:
        for name, own in gradient.items():
            found[name] = found[name] + own if name in found else own
    return found


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AGEM(Strategy):
    """min L(new) along g, projected to g − (gᵀg_mem / g_memᵀg_mem) g_mem where gᵀg_mem < 0, g_mem = ∇L(memory batch).

    What is projected is orthogonal to g_mem before clipping and AdamW, which divides each element by a number of its
    own: the step itself keeps no such promise. Pulls of other strategies come after it. The memory's loss is reported
    and not minimised. Without a memory it is naive bit for bit.
    """

    name: ClassVar[str] = "agem"
    title: ClassVar[str] = "Gradient projection (A-GEM)"
    short_title: ClassVar[str] = "A-GEM"
    summary: ClassVar[str] = (
        "Takes from the gradient what goes against the gradient of a few past documents, before AdamW, whose step "
        "keeps no such promise."
    )
    choose_when: ClassVar[str] = (
        "To see whether old texts suffice that only guard and are not learnt again; each step reads them as well."
    )
    source: ClassVar[tuple[str, str]] = ("Chaudhry et al. 2019, A-GEM", "https://arxiv.org/abs/1812.00420")
    needs: ClassVar[tuple[Needs, ...]] = ("old texts",)
    null: ClassVar[dict[str, float]] = {"memory_size": 0}

    memory_size: int = parameter(
        200, label="Memory size", symbol="memory", minimum=0, maximum=1_000_000, low=0, high=2000, unit="documents",
        main=True,
        help="Past documents that are kept, shared evenly by the past tasks; 0 is naive.",
    )  # fmt: skip
    replay_ratio: float = parameter(
        0.5, label="Replay ratio", symbol="ratio", minimum=0.01, maximum=10.0, low=0.1, high=2.0,
        help="Memory tokens per new token in a step: more costs more time and makes the memory's gradient steadier.",
    )  # fmt: skip

    def initial_state(self) -> State:
        from engine.strategies.tools.memory import Memory

        return State(fixed=Memory(self.memory_size))

    def acts(self, stage: int) -> bool:
        return stage > 1 and self.memory_size > 0

    def cost(self, stage: int) -> Cost:
        if not self.acts(stage):
            return Cost()
        # Copies: the memory's gradient and what is projected; those of other strategies' terms count with these.
        return Cost(tokens_per_new_token=self.replay_ratio, copies=2, documents=self.memory_size)

    def loss_terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        generator = random.generator("agem draw", batch.stage, batch.step)
        drawn = state.fixed.beside(batch, self.replay_ratio, generator)
        return [Term(self.name, drawn, minimised=False)] if drawn else []

    def combine(self, gradients: Mapping[str, Gradients], state: State) -> Gradients:
        whole = _sum([gradient for name, gradient in gradients.items() if name != self.name])
        return projected(whole, gradients[self.name]) if self.name in gradients else whole

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        return State(state.fixed.with_task(end.documents, random.generator("reference choice", end.stage)))
