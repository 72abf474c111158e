"""The two halves of a run: the setup that determines it, and the progress that changes while it goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from engine.common.overrides import Overrides
from engine.events import StepDone
from engine.events.control import Control
from engine.events.run_events import unlike_arithmetic
from engine.experiments.settings_of_stage import StageSettings, settings_of_stages
from engine.experiments.training import Training
from engine.guards.guard import Guard
from engine.models.loading import LoadedModel
from engine.persistence.content_keys import content_key, stage_key, stage_key_parts
from engine.persistence.journal import Journal, Kept
from engine.persistence.resume_points import SECONDS_APART, Position, ResumePoints
from engine.persistence.shared_results import SharedResults
from engine.persistence.taken_stages import TakenStages
from engine.strategies.base import KeptWork, State, Strategy
from engine.tokens.blocks import EncodedDocument
from engine.tokens.packing import Rows
from engine.training.reference import EncodedReference
from engine.training.scored_texts import GeneralText, HeldOutQuestions, Scored
from engine.training.scoring import HeldOut


@dataclass(frozen=True, eq=False)
class EncodedTask:
    """A task in the model's tokens, packed once for the whole run."""

    name: str
    documents: Sequence[EncodedDocument]
    blocks: Rows
    held_out: HeldOut
    facts: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    """Tells the training texts from all others: the results of stages are named by it."""
    held_out_key: str = ""
    """Tells the held-out text that is scored from all others: the results of scoring are named by it."""
    overrides: Overrides = field(default_factory=Overrides)
    """The training settings that the task sets itself."""
    questions: HeldOutQuestions | None = None
    """Those whose answers are marked after every stage."""
    drift: None = None


@dataclass(frozen=True, eq=False)
class RunSetup:
    """Everything that determines a run. `load_model(None)` gives the base model, else a checkpoint folder's."""

    load_model: Callable[[Path | None], LoadedModel]
    tasks: tuple[EncodedTask, ...]
    strategy: Strategy
    training: Training
    seed: int
    folder: Path
    control: Control
    environment: dict[str, Any]
    precision: str
    """ "float32" or "bfloat16"."""
    reference: EncodedReference | None = None
    """The reference text, where the strategy reads it."""
    general: GeneralText | None = None
    """The text that no task touches, scored beside them."""
    guards: tuple[Guard, ...] = ()
    """What must stay true after every stage."""
    overrides: Overrides = field(default_factory=Overrides)
    """The training settings that the strategy sets itself."""
    finished_stages: int = 0
    taken: TakenStages | None = None
    """The stages that the run has taken from one with fewer tasks."""
    shared: SharedResults | None = None
    """Where results lie that runs have in common; None shares nothing."""
    content: str = ""
    """The part of the stages' keys that does not depend on tasks, strategy or seed: `execute` makes it."""
    point_seconds: float = SECONDS_APART
    """At most so long apart are the points inside a stage that the run can go on from."""
    check_room: Callable[[], None] = lambda: None
    """Called before a stage; raises StoreUnavailableError while the disk has no room for what it will write."""

    @property
    def has_unlike_stages(self) -> bool:
        """Whether stages were taken from a run whose numbers may differ from those that would be made here."""
        return self.taken is not None and bool(unlike_arithmetic(self.taken.environment, self.environment))

    @cached_property
    def scored(self) -> Scored:
        """All that an evaluation measures."""
        return Scored((*self.tasks, *([self.general] if self.general is not None else ())), self.guards)

    @cached_property
    def stage_settings(self) -> tuple[StageSettings, ...]:
        """The epochs and learning rates of every stage."""
        of_tasks = [task.overrides for task in self.tasks]
        return settings_of_stages(self.strategy, self.training, self.overrides, of_tasks)

    @property
    def stage_keys(self) -> tuple[str, ...]:
        """A name for the result of every stage, from all that determines it."""
        reference = self.reference.fingerprint if self.reference is not None else ""
        parts = stage_key_parts(self.strategy, [each.key_parts for each in self.stage_settings], reference)
        texts = [task.fingerprint for task in self.tasks]
        return tuple(stage_key(self.content, self.seed, each, texts[:stage]) for stage, each in enumerate(parts, 1))

    @property
    def point_keys(self) -> tuple[str, ...]:
        """The same for resume points, which hold the stage's scores as well."""
        return tuple(content_key(key, self.scored.keys, self.training.evaluations_per_stage) for key in self.stage_keys)


@dataclass
class Progress:
    """Everything that changes while a run goes on."""

    base: LoadedModel
    optimizer: torch.optim.AdamW
    state: State
    points: ResumePoints
    position: Position
    stage_began: float = 0.0
    """In the control's active time; earlier by the time that the stage has taken in another attempt or run."""
    reported: float = 0.0
    """When the last step was reported, in the control's active time."""
    most_rows: int | None = None
    """How many rows a pass may hold, once memory has run out."""
    journal: Journal | None = None
    """The stage's events so far."""
    kept_work: KeptWork | None = None
    """Long work that an earlier attempt had begun."""
    last_point: tuple[int, int, Path] | None = None
    """The stage's steps and last evaluation at the newest resume point, and its folder."""

    def enter(self, stage: int, key: str, journal: Journal, now: float) -> None:
        """Stand at the beginning of a stage."""
        before = self.position
        self.position = Position(key=key, stage=stage, step=before.step, is_shareable=before.is_shareable)
        self.journal, self.stage_began = journal, now
        self.kept_work = self.last_point = None

    def leave(self) -> None:
        """The stage is over, and whoever listens has heard it."""
        assert self.journal is not None
        self.journal.close()
        self.points.clear()
        self.position.stage_step = 0

    def journal_events(self) -> list[Kept]:
        """The stage's events so far."""
        assert self.journal is not None
        return list(self.journal.recorded_events())

    def recorded(self, event: Kept) -> Kept:
        """The event, once it stands in the stage's journal."""
        assert self.journal is not None
        self.journal.add(event)
        if isinstance(event, StepDone):
            self.position.target_tokens += event.target_tokens
        return event
