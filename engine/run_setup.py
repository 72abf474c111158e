"""What a run is made of: what determines it, and what changes while it goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from engine.blocks import EncodedDocument
from engine.control import Control
from engine.experiment import Training
from engine.models import BaseModel
from engine.packing import Rows
from engine.scoring import HeldOut
from engine.sharing import SharedResults, stage_key, trajectory
from engine.strategies.base import State, Strategy


@dataclass(frozen=True, eq=False)
class EncodedTask:
    """A task in the model's tokens, packed once for the whole run."""

    name: str
    documents: Sequence[EncodedDocument]
    blocks: Rows
    held_out: HeldOut
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RunSetup:
    """Everything that determines a run. `load_model(None)` gives the base model, else a checkpoint folder's."""

    load_model: Callable[[Path | None], BaseModel]
    tasks: tuple[EncodedTask, ...]
    strategy: Strategy
    training: Training
    seed: int
    folder: Path
    control: Control
    environment: dict[str, Any]
    precision: str
    """ "float32" or "bfloat16"."""
    finished_stages: int = 0
    shared: SharedResults | None = None
    """Where results lie that runs have in common; None shares nothing."""
    content: str = ""
    """What determines the run apart from its strategy: `execute` makes it."""

    @property
    def stage_keys(self) -> tuple[str, ...]:
        """A name for the result of every stage, from all that determines it."""
        had_to_do = trajectory(self.strategy, len(self.tasks))
        return tuple(stage_key(self.content, self.seed, each) for each in had_to_do)


@dataclass
class Progress:
    """What changes while a run goes on."""

    base: BaseModel
    optimizer: torch.optim.AdamW
    state: State
    stage: int
    step: int
    """Over the whole run."""
    stage_step: int = 0
    reported: float = 0.0
    """When the last step was reported, in the control's active time."""
