"""The events of a run. Training yields them; whoever drives it writes them down.

Steps are counted from 1 over the whole run, stages from 1; stage 0 is the base model. Tasks go by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.events.scores import AnswerSums, DocumentSums, GuardOutcome, Score

ARITHMETIC = ("torch", "transformers", "device", "instructions", "precision", "threads")
"""The facts of a run's environment that its numbers depend on; the machine's name and the release of its kernel are
none of them."""
NODE = "node"
"""The fact that names the machine."""
NUMBERS = "numbers"
"""The fact that tells versions of the training apart which do not make the same numbers."""


def unlike_arithmetic(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The facts by which the numbers of one environment may differ from those of another: one that only one of them has
    recorded is among them."""
    return [name for name in (*ARITHMETIC, NUMBERS) if one.get(name) != other.get(name)]


@dataclass(frozen=True)
class RunStarted:
    """The first event of a run, or of its resumption after `finished_stages` stages."""

    steps: int
    stages: int
    finished_stages: int
    environment: dict[str, Any]
    tasks: tuple[dict[str, Any], ...]
    """The facts that `execute.pack_task` gives of each task: documents, target tokens, fingerprints, packing fill."""
    reference: dict[str, Any] | None = None
    """The facts that `text_beside_tokens.reference_of_run` gives of the reference text; None where none is read."""
    general: dict[str, Any] | None = None
    """The facts that `general_tokens.general_of_run` gives of the general text; None where none is scored."""


@dataclass(frozen=True)
class StageStarted:
    """`steps` optimiser steps on `target_tokens` new target tokens begin after step `first_step` - 1."""

    stage: int
    task: str
    first_step: int
    steps: int
    target_tokens: int
    shared: bool = False
    """Its result is taken over from another run, which had trained the very same; seconds are that run's."""
    steps_before: int = 0
    """The steps of the stage that an interrupted attempt had taken; their events are repeated."""
    remarks: tuple[str, ...] = ()
    """Sentences of the strategy about how the stage begins."""


@dataclass(frozen=True)
class StepDone:
    """One optimiser step. `terms` holds what was minimised: each term unweighted in nats per token, by name
    ("new", "replay"), the value of each pull as added ("ewc pull", and "ewc constant" where there is one; "penalty" in
    runs of earlier versions), and their weighted sum ("total")."""

    stage: int
    step: int
    terms: dict[str, float]
    target_tokens: int
    """Those of every term together, replayed ones included."""
    seconds: float
    learning_rate: float
    gradient_norm: float
    """Its value before clipping."""


@dataclass(frozen=True)
class Evaluated:
    """Held-out scores of every task, and of the general text under `scores.GENERAL`, after `step`. `sample` is the
    fixed part of the held-out text that curves follow inside stages; `whole` all that is scored, at the end of a stage
    (and as row 0), for the score matrix."""

    stage: int
    step: int
    sample: dict[str, Score]
    whole: dict[str, Score] | None
    seconds: float = 0.0
    """The time that the scoring took."""
    documents: dict[str, DocumentSums] | None = None
    """The sums of each document in the sample, by task."""
    answers: dict[str, AnswerSums] | None = None
    """With `whole`: the marks of the answers to the held-out questions of every task that has some."""
    drift: float | None = None
    """KL(base model ‖ now) on the general text, mean over some of its tokens, in nats."""
    guards: tuple[GuardOutcome, ...] | None = None
    """With `whole`: what became of the experiment's guards, in their order."""


@dataclass(frozen=True)
class Phase:
    """The run is busy with this between steps ("loading the model", "estimating the Fisher information")."""

    text: str


@dataclass(frozen=True)
class Waiting:
    """The run holds until what `reason` says is mended; an empty one says that it goes on."""

    reason: str


@dataclass(frozen=True)
class PointKept:
    """Whatever ends the run now, it can go on after `step`."""

    step: int


@dataclass(frozen=True)
class StageFinished:
    """The stage's weights, tokenizer and resumable state lie under `checkpoint`."""

    stage: int
    task: str
    last_step: int
    seconds: float
    target_tokens: int
    checkpoint: Path


@dataclass(frozen=True)
class RunFinished:
    seconds: float


@dataclass(frozen=True)
class RunStopped:
    """Stopped by the user inside `stage` after `step`; `checkpoint` holds the weights of `kept_step`, after which the
    run can go on. None before the stage's first step, and where the disk has been full since the stage began."""

    stage: int
    step: int
    checkpoint: Path | None
    kept_step: int | None


Event = (
    RunStarted
    | StageStarted
    | StepDone
    | Evaluated
    | Phase
    | Waiting
    | PointKept
    | StageFinished
    | RunFinished
    | RunStopped
)
