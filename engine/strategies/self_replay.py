"""Replay of texts that the model wrote itself before the stage.

LAMOL (Sun et al. 2020, https://arxiv.org/abs/1909.03329), without its task tokens; self-synthesized rehearsal (Huang et
al. 2024, https://arxiv.org/abs/2403.01244); drawn at temperature 1 as in https://arxiv.org/abs/2605.26097.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from engine.common.parameters import parameter
from engine.strategies.base import Batch, KeptWeights, StageView, State, Strategy
from engine.strategies.costs import Cost
from engine.strategies.terms import Term

if TYPE_CHECKING:
    from torch import Tensor

    from engine.common.random_streams import Streams
    from engine.strategies.tools.memory import Memory


@plain_dataclass(frozen=True)
class OwnTexts:
    """What is remembered of past tasks, and the texts of the stage."""

    beginnings: Memory
    """The first tokens of past documents; none where texts begin with bos."""
    token_counts: tuple[Tensor, ...] = ()
    """How often each token stands in each past task, int64 [V]: what the samples look like is told by them."""
    texts: Memory | None = None
    """Those that were written before the stage."""
    teacher: KeptWeights | None = None


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SelfReplay(Strategy):
    """min L(new) + λ · L(texts that the model wrote before the stage), the loss of these cross-entropy or KL(π ‖ p_θ)
    with π the model that wrote them: for texts drawn at temperature 1 from bos, both have the same gradient in
    expectation. λ = 0 is naive bit for bit.
    """

    name: ClassVar[str] = "self-replay"
    title: ClassVar[str] = "Self-replay"
    short_title: ClassVar[str] = "Self-replay"
    summary: ClassVar[str] = (
        "Lets the model write texts before each stage and adds their loss, weighted by λ, to every step."
    )
    choose_when: ClassVar[str] = (
        "Where no old text may be kept: writing takes time before each stage, then steps cost what replay's do."
    )
    source: ClassVar[tuple[str, str]] = ("LAMOL, Sun et al. 2020", "https://arxiv.org/abs/1909.03329")
    null: ClassVar[dict[str, float]] = {"replay_weight": 0.0}

    replay_weight: float = parameter(
        1.0, label="Replay weight λ", symbol="λ", minimum=0.0, maximum=1000.0, low=0.0, high=4.0, main=True,
        help="Weight of the written texts' loss against the new task's; 0 is naive.",
    )  # fmt: skip
    samples: int = parameter(
        500, label="Samples", symbol="samples", minimum=1, maximum=1_000_000, low=50, high=8000, unit="texts",
        main=True,
        help="How many texts the model writes before each stage.",
    )  # fmt: skip
    temperature: float = parameter(
        1.0, label="Temperature", minimum=0.1, maximum=2.0, low=0.7, high=1.0,
        help="Tokens are drawn from softmax(logits / temperature); 1 is the model's own law.",
    )  # fmt: skip
    prompt: Literal["bos", "first tokens"] = parameter(
        "bos", label="Texts begin with",
        help="bos: the sign of a beginning, so that no text of past tasks is kept; first tokens: those of past "
        "documents, which are kept, so that every past task is written about. Pairs and chats need first tokens: "
        "their prompts are not learnt, so that the model can't write them.",
    )  # fmt: skip
    prompt_tokens: int = parameter(
        8, label="First tokens", minimum=1, maximum=1024, low=2, high=32, unit="tokens",
        only_with={"prompt": ("first tokens",)},
        help="How many tokens of a past document a text begins with; where a document has a prompt, all of the prompt.",
    )  # fmt: skip
    replay_ratio: float = parameter(
        0.5, label="Replay ratio", symbol="ratio", minimum=0.01, maximum=10.0, low=0.1, high=2.0,
        help="Tokens of written texts per new token in a step.",
    )  # fmt: skip
    loss: Literal["cross-entropy", "kl"] = parameter(
        "cross-entropy", label="Loss",
        help="cross-entropy: of the written tokens; kl: of the whole distributions of the model that wrote them, which "
        "is steadier and costs a second copy of the weights.",
    )  # fmt: skip

    def refusal_of_blocks(self, block_size: int) -> str | None:
        if self.replay_weight == 0 or self.prompt == "bos" or self.prompt_tokens < block_size:
            return None
        return (
            f"prompt_tokens: {self.prompt_tokens} first tokens fill a block of {block_size} tokens, so that the model "
            f"can't go on from them; choose {block_size - 1} or less, or longer blocks."
        )

    def initial_state(self) -> State:
        from engine.strategies.tools.memory import Memory

        return State(fixed=OwnTexts(Memory(self.samples)))

    def acts(self, stage: int) -> bool:
        return stage > 1 and self.replay_weight > 0

    def cost(self, stage: int) -> Cost:
        if not self.acts(stage):
            return Cost()
        with_teacher = self.loss == "kl"
        return Cost(
            tokens_per_new_token=self.replay_ratio,
            forward_per_new_token=self.replay_ratio if with_teacher else 0.0,
            written_texts=self.samples,
            documents=self.samples if self.prompt == "first tokens" else 0,
            copies=int(with_teacher),
        )

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        from engine.strategies.tools.samples import likenesses, written_memory

        past: OwnTexts = state.fixed
        texts = written_memory(begin, self.name, self.samples, random, self.temperature, past.beginnings.tasks)
        if without := [task for task, kept in enumerate(past.beginnings.tasks, 1) if not kept]:
            begin.remark(
                f"No document of task {', '.join(map(str, without))} is longer than its first tokens and leaves room "
                "for more in a block: the model writes nothing about it."
            )
        begin.remark(likenesses(texts.tasks[0], past.token_counts))
        teacher = begin.kept_weights(begin.starts_from) if self.loss == "kl" else None
        return State(OwnTexts(past.beginnings, past.token_counts, texts, teacher))

    def loss_terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        own: OwnTexts = state.fixed
        if own.texts is None:
            return []
        from engine.models.distributions import Teacher

        generator = random.generator("own text draw", batch.stage, batch.step)
        drawn = own.texts.beside(batch, self.replay_ratio, generator)
        against = Teacher(own.teacher.tensors) if own.teacher is not None else None
        return [Term(self.name, drawn, self.replay_weight, against=against)] if drawn else []

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        if self.replay_weight == 0:
            return state
        from engine.strategies.tools.samples import beginnings_of, counted

        past: OwnTexts = state.fixed
        kept = past.beginnings
        if self.prompt == "first tokens":
            first = beginnings_of(end.documents, self.prompt_tokens, end.block_size)
            kept = kept.with_task(first, random.generator("beginnings", end.stage))
        vocabulary = end.model.config.get_text_config().vocab_size
        return State(OwnTexts(kept, (*past.token_counts, counted(end.documents, vocabulary))))
