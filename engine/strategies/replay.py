"""Experience replay: a memory of past documents takes part in every step.

Chaudhry et al. 2019, "On Tiny Episodic Memories in Continual Learning", https://arxiv.org/abs/1902.10486,
with the weight λ of the memory's loss left free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.numerals import percent
from engine.common.parameters import Shorthand, parameter
from engine.strategies.base import Batch, Needs, StageView, State, Strategy
from engine.strategies.costs import Cost
from engine.strategies.terms import Term

if TYPE_CHECKING:
    from engine.common.random_streams import Streams


def of_old_text(old_text_percent: float) -> dict[str, float]:
    """The weight λ and the ratio r at which old text is p of the loss and of the tokens learnt: both are p/(1−p)."""
    odds = old_text_percent / (100 - old_text_percent)
    return {"replay_weight": odds, "replay_ratio": odds}


def old_text(values: Mapping[str, Any]) -> float | None:
    """The percentage that these values make old text, where it is the same of the loss and of the tokens learnt."""
    weight, ratio = values["replay_weight"], values["replay_ratio"]
    return round(100 * ratio / (1 + ratio), 9) if weight == ratio else None


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Replay(Strategy):
    """min L(new) + λ · L(memory batch): two means over their own target tokens, added.

    The gradient is ∇L(new) + λ∇L(memory) whatever the sizes of the two batches. λ = 0 draws nothing and is naive
    bit for bit.
    """

    name: ClassVar[str] = "replay"
    title: ClassVar[str] = "Experience replay"
    short_title: ClassVar[str] = "Replay"
    summary: ClassVar[str] = "Keeps a few past documents and adds their loss, weighted by λ, to every step."
    choose_when: ClassVar[str] = "First of all, where some old texts may be kept; each step reads them beside the new."
    source: ClassVar[tuple[str, str]] = ("Chaudhry et al. 2019", "https://arxiv.org/abs/1902.10486")
    needs: ClassVar[tuple[Needs, ...]] = ("old texts",)
    null: ClassVar[dict[str, float]] = {"replay_weight": 0.0}
    shorthands: ClassVar[tuple[Shorthand, ...]] = (
        Shorthand(
            "old_text_percent", "Old text", minimum=1.0, maximum=90.0, unit="%", values=of_old_text, number=old_text,
            help="Sets weight and ratio so that old text is this share of the loss and of the tokens learnt: 20 % sets "
            "both to a quarter.",
        ),
    )  # fmt: skip

    replay_weight: float = parameter(
        1.0, label="Replay weight λ", symbol="λ", minimum=0.0, maximum=1000.0, low=0.0, high=4.0, main=True,
        help="Weight of the replayed documents' loss against the new task's; 0 is naive.",
    )  # fmt: skip
    memory_size: int = parameter(
        200, label="Memory size", symbol="memory", minimum=0, maximum=1_000_000, low=0, high=2000, unit="documents",
        main=True,
        help="Past documents that are kept, shared evenly by the past tasks; 0 is naive.",
    )  # fmt: skip
    replay_ratio: float = parameter(
        0.5, label="Replay ratio", symbol="ratio", minimum=0.01, maximum=10.0, low=0.1, high=2.0,
        help="Replayed tokens per new token in a step, counted by what is learnt: more costs more time and makes the "
        "memory's gradient steadier. Of small steps and long documents it is more, since at least one piece of a "
        "document is drawn, up to a block; of prompts and users' turns more is read.",
    )  # fmt: skip

    def in_words(self) -> Sequence[str]:
        if not self.acts(2):
            return ()
        of_loss, of_tokens = (percent(each / (1 + each)) for each in (self.replay_weight, self.replay_ratio))
        return (f"λ {self.replay_weight:g}: {of_loss} of the loss; {of_tokens} of the tokens learnt are old text.",)

    def initial_state(self) -> State:
        from engine.strategies.tools.memory import Memory

        return State(fixed=Memory(self.memory_size))

    def acts(self, stage: int) -> bool:
        return stage > 1 and self.replay_weight > 0 and self.memory_size > 0

    def cost(self, stage: int) -> Cost:
        return Cost(tokens_per_new_token=self.replay_ratio, documents=self.memory_size) if self.acts(stage) else Cost()

    def loss_terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        if self.replay_weight == 0:
            return []
        generator = random.generator("memory draw", batch.stage, batch.step)
        drawn = state.fixed.beside(batch, self.replay_ratio, generator)
        return [Term(self.name, drawn, self.replay_weight)] if drawn else []

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        return State(state.fixed.with_task(end.documents, random.generator("memory choice", end.stage)))
