"""Distillation from the model as it was: on a reference text, the new model is held to the old one's distributions.

Forward KL on old, own or foreign text: "Forward KL nearly removes forgetting", https://arxiv.org/abs/2605.26097; on the
new text it is Learning without Forgetting (Li & Hoiem 2016, https://arxiv.org/abs/1606.09282, eq. 3 at temperature 1).
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Batch, KeptWeights, Needs, StageView, State, Strategy
from engine.strategies.costs import Cost
from engine.strategies.terms import Term

if TYPE_CHECKING:
    from engine.common.random_streams import Streams
    from engine.strategies.tools.memory import Memory


@plain_dataclass(frozen=True)
class Reference:
    """The teacher of a stage, and the texts that it is compared on."""

    memory: Memory
    """Documents of past tasks; or, with samples, the texts written before the stage's first step. Empty with the new
    text and with a file, which each step is given."""
    teacher: KeptWeights | None = None
    """None between stages."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class KL(Strategy):
    """min L(new) + β · mean over reference tokens of KL(π ‖ p_θ), π the teacher's next-token distribution.

    The direction is forward: p_θ must not be small where π is large. The temperature is 1. β = 0 is naive bit for bit.
    """

    name: ClassVar[str] = "kl"
    title: ClassVar[str] = "KL to a teacher"
    short_title: ClassVar[str] = "KL"
    summary: ClassVar[str] = (
        "Holds the next-token distributions on a reference text near those of the model as it was, with weight β."
    )
    choose_when: ClassVar[str] = (
        "Where forgetting must be small: often better than replay on the same kept texts; its own samples, the new "
        "text or a text of yours need none of them."
    )
    source: ClassVar[tuple[str, str]] = ("Forward KL against forgetting, 2026", "https://arxiv.org/abs/2605.26097")
    needs: ClassVar[tuple[Needs, ...]] = ("old texts", "a second copy of the weights")
    null: ClassVar[dict[str, float]] = {"kl_weight": 0.0}

    kl_weight: float = parameter(
        1.0, label="KL weight β", symbol="β", minimum=0.0, maximum=1000.0, low=0.0, high=30.0, main=True,
        help="Weight of the divergence against the new task's loss; 0 is naive. Begin with 1 to 3.",
    )  # fmt: skip
    reference_text: Literal["memory", "samples", "new", "file"] = parameter(
        "memory", label="Reference text", symbol="on", main=True,
        help="memory: kept documents of past tasks; samples: texts that the model writes itself before each stage, so "
        "that no old text is kept; new: the new task's own text; file: a text of your own that belongs to no task, the "
        "experiment's reference.",
    )  # fmt: skip
    teacher: Literal["previous", "base"] = parameter(
        "previous", label="Teacher",
        help="previous: the model as the stage before has left it; base: the base model, as it was before any task.",
    )  # fmt: skip
    reference_ratio: float = parameter(
        0.25, label="Reference ratio", symbol="ratio", minimum=0.01, maximum=10.0, low=0.1, high=2.0,
        only_with={"reference_text": ("memory", "samples", "file")},
        help="Reference tokens per new token in a step, and at least one piece of a document; without effect on the "
        "new text, which is all read.",
    )  # fmt: skip
    memory_size: int = parameter(
        200, label="Reference texts", symbol="texts", minimum=1, maximum=1_000_000, low=20, high=2000, unit="documents",
        only_with={"reference_text": ("memory", "samples")},
        help="Past documents that are kept, shared evenly by the past tasks; of samples, how many are written. Without "
        "effect on a file, whose documents are all drawn from.",
    )  # fmt: skip
    in_first_stage: bool = parameter(
        False, label="In the first stage too", only_with={"reference_text": ("samples", "new", "file")},
        help="Holds to the base model in the first stage, on any reference but a memory, which is empty then.",
    )  # fmt: skip

    def initial_state(self) -> State:
        from engine.strategies.tools.memory import Memory

        return State(fixed=Reference(Memory(self.memory_size)))

    @property
    def compares_with_base(self) -> bool:
        return self.kl_weight > 0 and self.teacher == "base"

    def acts(self, stage: int) -> bool:
        first = 1 if self.in_first_stage and self.reference_text != "memory" else 2
        return self.kl_weight > 0 and stage >= first

    def reads_reference(self, stage: int) -> bool:
        return self.reference_text == "file" and self.acts(stage)

    def cost(self, stage: int) -> Cost:
        if not self.acts(stage):
            return Cost()
        if self.reference_text == "new":
            return Cost(forward_per_new_token=1.0, copies=1)
        texts = self.memory_size if self.reference_text == "samples" else 0
        kept = self.memory_size if self.reference_text == "memory" else 0
        ratio = self.reference_ratio
        return Cost(ratio, forward_per_new_token=ratio, written_texts=texts, copies=1, documents=kept)

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        memory: Memory = state.fixed.memory
        if self.reference_text == "samples":
            from engine.strategies.tools.samples import written_memory

            memory = written_memory(begin, self.name, self.memory_size, random)
        teacher = begin.kept_weights(begin.starts_from if self.teacher == "previous" else 0)
        return State(Reference(memory, teacher))

    def loss_terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        reference: Reference = state.fixed
        if reference.teacher is None:
            return []
        from engine.models.distributions import Teacher

        teacher = Teacher(reference.teacher.tensors)
        if self.reference_text == "new":
            return [Term(self.name, batch.blocks, self.kl_weight, against=teacher)]
        texts = batch.reference if self.reference_text == "file" else reference.memory
        assert texts is not None, "no run begins without the text that its strategy reads"
        generator = random.generator("kl draw", batch.stage, batch.step)
        drawn = texts.beside(batch, self.reference_ratio, generator)
        return [Term(self.name, drawn, self.kl_weight, against=teacher)] if drawn else []

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        if self.reference_text != "memory" or self.kl_weight == 0:
            return self.initial_state()
        memory = state.fixed.memory.with_task(end.documents, random.generator("kl choice", end.stage))
        return State(replace(state.fixed, memory=memory, teacher=None))
