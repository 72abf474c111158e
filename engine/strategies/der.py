"""Dark experience replay: the memory keeps what the model thought of its documents.

Buzzega et al. 2020, "Dark Experience for General Continual Learning", https://arxiv.org/abs/2004.07211, eq. 5, with a
divergence of next-token distributions in place of the squared distance of logits, and of each distribution the
likeliest tokens alone. DER++ is `der+replay`.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Batch, Needs, StageView, State, Strategy
from engine.strategies.costs import Cost, Reading, Remembered
from engine.strategies.terms import Term

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from engine.common.random_streams import Streams
    from engine.strategies.tools.memory import Memory
    from engine.strategies.tools.stored import Stored


@plain_dataclass(frozen=True)
class DarkMemory:
    """Documents, and task by task the distributions that the model gave them after their own stage."""

    memory: Memory
    stored: tuple[tuple[Stored, ...], ...] = ()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DER(Strategy):
    """min L(new) + α · mean over memory tokens of Σ_b π_b (log π_b − log p_b), b one of the k likeliest tokens of the
    stored π, or all others together. α = 0 is naive bit for bit."""

    name: ClassVar[str] = "der"
    title: ClassVar[str] = "Dark experience replay (DER)"
    short_title: ClassVar[str] = "DER"
    summary: ClassVar[str] = (
        "Keeps a few past documents with the model's likeliest next tokens, and holds the model to them by weight α."
    )
    choose_when: ClassVar[str] = (
        "Where some old texts may be kept and the model is large: KL without a teacher, and so without its weights."
    )
    source: ClassVar[tuple[str, str]] = ("Buzzega et al. 2020", "https://arxiv.org/abs/2004.07211")
    needs: ClassVar[tuple[Needs, ...]] = ("old texts",)
    null: ClassVar[dict[str, float]] = {"logit_weight": 0.0}
    offered_with: ClassVar[tuple[str, ...]] = ("replay",)

    logit_weight: float = parameter(
        1.0, label="Logit weight α", symbol="α", minimum=0.0, maximum=1000.0, low=0.0, high=10.0, main=True,
        help="Weight of the divergence from the stored distributions against the new task's loss; 0 is naive.",
    )  # fmt: skip
    memory_size: int = parameter(
        200, label="Memory size", symbol="memory", minimum=0, maximum=1_000_000, low=0, high=2000, unit="documents",
        main=True,
        help="Past documents that are kept, shared evenly by the past tasks; 0 is naive.",
    )  # fmt: skip
    top_k: int = parameter(
        64, label="Stored tokens", symbol="top", minimum=1, maximum=1_000_000, low=8, high=256, unit="tokens",
        help="How many of the likeliest next tokens are stored of each distribution; all others are one outcome.",
    )  # fmt: skip
    replay_ratio: float = parameter(
        0.5, label="Replay ratio", symbol="ratio", minimum=0.01, maximum=10.0, low=0.1, high=2.0,
        help="Memory tokens per new token in a step.",
    )  # fmt: skip

    def initial_state(self) -> State:
        from engine.strategies.tools.memory import Memory

        return State(fixed=DarkMemory(Memory(self.memory_size)))

    def refusal(self, model: PreTrainedModel) -> str | None:
        vocabulary = int(model.config.get_text_config().vocab_size)
        if self.top_k > vocabulary:
            return f"top_k: {self.top_k:,} is more than the {vocabulary:,} tokens of the model's vocabulary; lower it."
        return None

    def acts(self, stage: int) -> bool:
        return stage > 1 and self.logit_weight > 0 and self.memory_size > 0

    def cost(self, stage: int) -> Cost:
        if self.logit_weight == 0 or self.memory_size == 0:
            return Cost()
        return Cost(
            tokens_per_new_token=self.replay_ratio if stage > 1 else 0.0,
            readings=(Reading(self.memory_size // stage, backward=False),),
            remembered=(Remembered(self.memory_size, self.top_k + 1),),
            documents=self.memory_size,
        )

    def loss_terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        if not self.acts(batch.stage):
            return []
        from engine.strategies.tools.stored import of_places

        past: DarkMemory = state.fixed
        generator = random.generator("dark draw", batch.stage, batch.step)
        places = past.memory.places_beside(batch, self.replay_ratio, generator)
        blocks = past.memory.blocks(places, batch.block_size, batch.packed)
        if blocks is None:
            return []
        against = of_places(past.memory, past.stored, places, batch.block_size, batch.packed)
        return [Term(self.name, blocks, self.logit_weight, against=against)]

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        if self.logit_weight == 0 or self.memory_size == 0:
            return state
        from engine.strategies.tools.stored import store

        past: DarkMemory = state.fixed
        memory = past.memory.with_task(end.documents, random.generator("dark choice", end.stage))
        kept = [own[: len(task)] for own, task in zip(past.stored, memory.tasks, strict=False)]
        return State(DarkMemory(memory, (*kept, store(end, memory.tasks[-1], self.top_k))))
