"""The verbs of a strategy, and the order in which the training loop calls them.

    state = strategy.initial_state()
    for each stage t = 1 … T:
        strategy.plan(t)                              tasks, weights to start from, weight of the new task's own term
        strategy.prepare(model, t, random)            which weights train; also after a resume or a take-over
        state = strategy.begin_stage(begin, state, random)   where it acts
        for each step:
            strategy.loss_terms(batch, state, random) weighted terms beside the new task's own
            strategy.pulls(state)                     quadratics on the weights, valued where the terms are
            strategy.combine(gradients, state)        default: the weighted sum, in one pass; then clipping
            AdamW steps
            strategy.update_mask(step, state)         which elements keep that step; default: all
            one proximal step is taken on the sum of the pulls
            state = strategy.after_step(step, state, random)   where it acts
        strategy.settle(model, t, random)             the weights as the stage is scored and saved
        state = strategy.end_stage(end, state, random)   as soon as a later stage needs it, also long after

A stage that another run has trained is taken over with the state that its steps have left: `begin_stage` and the verbs
of a step are not called. The last stage is not ended, unless a task is added.

State goes in and comes out: a `State` of what stays constant within a stage and what changes with its steps. The loop
saves it, resumes it, shares it and moves it to the model's device. A strategy object holds its declared parameters and
nothing else. `cost` says before any run what a stage costs beside plain training, `null` at which parameter values the
strategy is naive bit for bit. `docs/decisions.md` says why each verb is as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

from engine.common.parameters import Shorthand
from engine.strategies.costs import Cost

if TYPE_CHECKING:  # pages read what a strategy declares long before anything trains
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from engine.common.random_streams import Streams
    from engine.strategies.terms import Pull, Term
    from engine.tokens.blocks import Blocks, EncodedDocument

Needs: TypeAlias = Literal["nothing", "old texts", "a second copy of the weights", "fewer weights"]
"""What a strategy needs beside plain training: nothing, texts of past tasks, weights to compare with, or fewer weights
that train."""
Weights: TypeAlias = "Mapping[str, torch.nn.Parameter]"
"""The model's trainable weights by name, tied ones once."""
Gradients: TypeAlias = "Mapping[str, Tensor]"
"""A gradient by the names of the weights; a weight that no term reaches is missing."""


@dataclass(frozen=True)
class State:
    """What a strategy remembers: dataclasses, tensors and plain data in two parts.

    Tensors of floating point are kept beside the model, those of whole numbers in main memory.
    """

    fixed: Any = None
    """Constant from the beginning of a stage to its end: written once a stage. A method that needs the weights of the
    previous stage may remember them in `end_stage`; one that needs those of the stage's beginning, which differ where
    the plan starts from the base model, takes them in `begin_stage`."""
    moving: Any = None
    """Changed by `after_step`: written with every resume point."""


@dataclass(frozen=True)
class Plan:
    """Which tasks a stage trains on, by their numbers from 1, their rows mixed."""

    tasks: tuple[int, ...]
    start: Literal["previous", "base"] = "previous"
    """Whose weights the stage starts from: the previous stage's or the base model's."""
    new_weight: float = 1.0
    """Weight of the loss on these tasks, the term that is reported as "new"."""


class Drawable(Protocol):
    """Documents to draw from, such as a `tools.memory.Memory`."""

    def beside(self, batch: Batch, ratio: float, generator: torch.Generator) -> Blocks | None:
        """About `ratio` target tokens for each of the batch's own, in rows like its; None if there are no documents."""


@dataclass(frozen=True)
class Batch:
    """The new-task blocks of one optimiser step, and how to draw further ones of the same shape."""

    blocks: Blocks
    stage: int
    step: int
    """Within the stage, from 1."""
    block_size: int
    packed: bool
    reference: Drawable | None = None
    """The experiment's reference text, in stages that read it. Every step is given it anew, so that no state holds
    it."""


@dataclass(frozen=True, eq=False)
class KeptWeights:
    """Weights as a finished stage has left them, in a state: a checkpoint holds them already, so that a state is
    written with the number of the stage alone."""

    stage: int
    """0 for the base model."""
    tensors: Mapping[str, Tensor] = field(default_factory=dict, metadata={"written": False})
    """By name those that train in the stage that keeps them, beside the model."""


@dataclass(frozen=True)
class KeptWork:
    """Long work of a stage as it was when it was last kept."""

    name: str
    done: int
    """How many of its parts are done."""
    tensors: dict[str, Tensor]


class Work:
    """Long work before or after a stage's steps that an interruption does not undo. This one keeps nothing."""

    def kept(self, name: str) -> KeptWork | None:
        """The work of this name as an interrupted attempt has kept it."""
        return None

    def keep(self, name: str, done: int, tensors: Callable[[], Mapping[str, Tensor]]) -> None:
        """Offer the sums of the first `done` parts, which `tensors` gives when it is time to write them."""


@dataclass(frozen=True)
class NamedWork(Work):
    """The work of one of several strategies: its names begin with `owner`, so that no other takes it up."""

    owner: str
    work: Work

    def kept(self, name: str) -> KeptWork | None:
        return self.work.kept(f"{self.owner} {name}")

    def keep(self, name: str, done: int, tensors: Callable[[], Mapping[str, Tensor]]) -> None:
        self.work.keep(f"{self.owner} {name}", done, tensors)


Cached: TypeAlias = "Callable[[tuple[Any, ...], Callable[[], Mapping[str, Tensor]]], dict[str, Tensor]]"


@dataclass(frozen=True)
class StageView:
    """What a strategy may look at before the first step of a stage and after its last."""

    stage: int
    model: PreTrainedModel
    documents: Sequence[EncodedDocument]
    """The stage's own task, training side."""
    block_size: int
    packed: bool
    """Whether the model can hold several documents in a row."""
    check: Callable[[], None]
    """Call it between pieces of work: it waits while the run is paused and raises when it is stopped."""
    precision: str = "float32"
    """That of the run's training steps."""
    bos: int = 0
    eos: int = 0
    """The tokens that begin and end a document."""
    remark: Callable[[str], None] = lambda text: None
    """Tell whoever reads the run's page something about the stage, before its first step."""
    cached: Cached = lambda parts, compute: dict(compute())
    """Gives tensors that depend on the stage's model and documents and on `parts` alone, computed at most once."""
    work: Work = field(default_factory=Work)
    starts_from: int = 0
    """The stage whose weights this one starts from, 0 for the base model."""
    load_weights: Callable[[int], Mapping[str, Tensor]] | None = None

    def kept_weights(self, stage: int) -> KeptWeights:
        """Before the first step: the weights after a finished stage, 0 for the base model, of those that train now."""
        if stage == self.starts_from:
            return KeptWeights(stage, {name: weight.detach().clone() for name, weight in self.weights.items()})
        assert self.load_weights is not None
        return KeptWeights(stage, self.load_weights(stage))

    @property
    def weights(self) -> Weights:
        """The weights that train."""
        from engine.models.parts import trainable_weights

        return trainable_weights(self.model)


@dataclass(frozen=True, eq=False)
class StepTaken:
    """One step of AdamW that has just been taken, `step` of the stage's `steps`."""

    stage: int
    step: int
    steps: int
    weights: Weights
    """To be changed in place, where the verb says so."""
    momentum: Callable[[torch.nn.Parameter], Tensor]
    """AdamW's first moment of a weight."""
    before: Mapping[str, Tensor] | None
    """The weights before the step, for strategies that ask for them by `sees_weights_before`."""


class Strategy:
    """The empty strategy: every verb at its default. Subclasses are frozen dataclasses of declared parameters."""

    name: ClassVar[str]
    title: ClassVar[str]
    """As pages print it. An abbreviation in brackets at its end stands for it in the titles of joined strategies."""
    short_title: ClassVar[str]  # one word that begins the short names of its runs: "Replay" in "Replay λ 1"
    summary: ClassVar[str]
    """One sentence for the card: what it minimises and what it remembers."""
    choose_when: ClassVar[str]
    """One sentence for the card: for whom it is, and what it costs."""
    source: ClassVar[tuple[str, str]]
    """The paper in a few words, and its address."""
    needs: ClassVar[tuple[Needs, ...]] = ("nothing",)
    """What it needs with the default values of its parameters; the first is the group in which pages offer it."""
    null: ClassVar[Mapping[str, Any] | str]
    """The parameter values at which it is naive bit for bit; or the reason why there are none."""
    joins: ClassVar[bool] = True
    """Whether it can be joined to others with +."""
    offered_with: ClassVar[tuple[str, ...]] = ()
    """Names of strategies that pages offer it joined to, each before it: "replay" makes "replay+NAME"."""
    rate_factor: ClassVar[float] = 1.0
    """Times the experiment's learning rate: the rate of a stage for which neither its task nor the strategy's values
    set one."""
    sees_weights_before: ClassVar[bool] = False
    """Whether its `update_mask` or `after_step` needs a copy of the weights before each step."""
    shorthands: ClassVar[tuple[Shorthand, ...]] = ()
    """Numbers that people may give in place of several of its parameters."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of the declared parameters by name."""
        names = getattr(type(self), "__pydantic_fields__", {})
        return {name: getattr(self, name) for name in names}

    def in_words(self) -> Sequence[str]:
        """Sentences on what the parameter values come to, for its form, where the values don't say it themselves."""
        return ()

    def refusal(self, model: PreTrainedModel) -> str | None:
        """What of its parameters does not fit this model, in a sentence that begins with the parameter's name and a
        colon; None where all fits. Only the shapes of the model's weights count: they may hold no data."""
        return None

    def refusal_of_blocks(self, block_size: int) -> str | None:
        """What of its parameters does not fit blocks of so many tokens, in such a sentence; None where all does."""
        return None

    def clash(self, others: Sequence[Strategy]) -> str | None:
        """Why it can't be joined to these strategies, in words that begin with a parameter's name and a colon; None
        where it can."""
        return None

    @property
    def compares_with_base(self) -> bool:
        """Whether it looks at the base model's weights after the first stage."""
        return False

    def initial_state(self) -> State:
        """The state before the first stage."""
        return State()

    def plan(self, stage: int) -> Plan:
        """Which tasks stage `stage` trains on."""
        return Plan((stage,))

    def acts(self, stage: int) -> bool:
        """Whether it does anything in this stage but plain training on the plan's tasks. Where it does not,
        `begin_stage` and `after_step` are not called, and the stage's result is shared with every other strategy that
        does not act."""
        return True

    def signature(self, stage: int) -> Hashable:
        """The part of the strategy and its parameters that determines the steps of this stage, and the state that they
        leave."""
        return ((self.name, tuple(self.parameters.items())),) if self.acts(stage) else ()

    def reads_reference(self, stage: int) -> bool:
        """Whether its steps of this stage read the experiment's reference text, whose content then determines the
        stage's result."""
        return False

    @property
    def needs_reference(self) -> bool:
        """Whether it reads the reference text in any stage. Later stages are as the second."""
        return any(self.reads_reference(stage) for stage in (1, 2))

    def makes_state(self, stage: int) -> bool:
        """Whether `begin_stage` or `after_step` makes a state in this stage, which then belongs to its result."""
        return self.acts(stage) and self.redefines("begin_stage", "after_step")

    def cost(self, stage: int) -> Cost:
        """The cost of the verbs below in this stage."""
        return Cost()

    def prepare(self, model: PreTrainedModel, stage: int, random: Streams) -> None:
        """Choose which weights train (`requires_grad`), in place, whatever an earlier stage has chosen. It must do the
        same whenever it is called for a stage: at its beginning, after a resume and after a take-over. The estimate
        calls it on a model whose weights hold no data."""

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        """The state that the stage's steps see."""
        return state

    def loss_terms(self, batch: Batch, state: State, random: Streams) -> list[Term]:
        """Loss terms beside the new task's own, which the loop always puts first as "new"."""
        return []

    def combine(self, gradients: Mapping[str, Gradients], state: State) -> Gradients:
        """One gradient from those of the terms by their names, each over all of its rows and times its weight.

        The default is their sum; a strategy that has another rule costs a pass and a gradient for each term.
        """
        raise NotImplementedError

    def update_mask(self, step: StepTaken, state: State) -> Mapping[str, Tensor] | None:
        """Masks, bool and shaped like the weights, of the elements that keep AdamW's step; the others take it back.
        It needs `sees_weights_before`. None lets every element step."""
        return None

    def pulls(self, state: State) -> Sequence[Pull]:
        """Quadratics on the weights. Their values are reported as minimised, measured where the loss terms are; after
        AdamW's step one proximal step is taken on the sum of them all."""
        return ()

    def after_step(self, step: StepTaken, state: State, random: Streams) -> State:
        """The state after a step whose weights may be changed in place: averages, slow weights. It returns `state`
        with another `moving` part; it is called before any evaluation."""
        return state

    def settle(self, model: PreTrainedModel, stage: int, random: Streams) -> None:
        """Bring the weights, in place, into the form in which a stage is scored at its end and saved: after its last
        step, once or again. A checkpoint that `prepare` has made ready for the stage is in that form."""

    def end_stage(self, end: StageView, state: State, random: Streams) -> State:
        """The state that later stages see, from the stage's final weights alone and not from anything that its steps
        have left in memory: it may be called long after, on the weights of a checkpoint."""
        return state

    def redefines(self, *verbs: str) -> bool:
        """Whether it gives any of these verbs another meaning than the default."""
        return any(getattr(type(self), verb) is not getattr(Strategy, verb) for verb in verbs)
