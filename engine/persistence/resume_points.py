"""Points inside a stage that its run can go on from, a set time apart, whatever ended it.

A point holds the weights, the optimiser, how far the stage's journal had come, and long work at the stage's end that
had begun. Random streams have names and need no saving. The newest two are kept: should the newest be damaged, the one
before it serves.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.common.durable_files import PARTIAL, flush, is_whole, write_folder, writing
from engine.common.errors import StoreError
from engine.events import Evaluated
from engine.persistence.checkpoints import STATE_FILE, load_state, save_checkpoint, save_state
from engine.persistence.journal import Journal, Kept, Mark, read, write

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.models.loading import LoadedModel

SECONDS_APART = 120.0
KEPT = 2
_POSITION, _WORK = "position.json", "work.safetensors"


@dataclass
class SeenLoss:
    """The new task's loss in a stage, as far as a divergence is judged by it."""

    first: float | None = None
    """At the stage's beginning, in nats per token."""
    recent: list[tuple[float, int]] = field(default_factory=list)
    """The total nats and the target tokens of the last steps."""


@dataclass
class Position:
    """Where a run is, and where a point lies."""

    key: str = ""
    """Names all that determines the stage: a point serves no other."""
    stage: int = 0
    stage_step: int = 0
    """The steps of the stage that were taken."""
    step: int = 0
    """The same over the whole run."""
    evaluated: int = 0
    """The stage's last step after which the held-out texts were scored."""
    target_tokens: int = 0
    """Those that the stage's steps have trained on."""
    seconds: float = 0.0
    """The time that the stage had taken when the point was written."""
    is_shareable: bool = True
    """Whether an equal run would give the same bits. Passes of other sizes, for want of memory, round otherwise: what
    follows them, in this stage and later ones, is nobody else's result."""
    work: str | None = None
    """The name of the long work that had begun, and how many of its parts were done."""
    work_done: int = 0
    loss: SeenLoss = field(default_factory=SeenLoss)

    @property
    def is_before_first_step(self) -> bool:
        """Whether it lies in the work before the stage's first step."""
        return self.work is not None and self.stage_step == 0

    @staticmethod
    def read(plain: dict[str, Any]) -> Position:
        """The position that `asdict` has made plain; of one that an earlier version wrote, no loss is known. Raises
        TypeError for anything else."""
        loss = plain.get("loss") or {}
        seen = SeenLoss(loss.get("first"), [(nats, tokens) for nats, tokens in loss.get("recent", [])])
        return Position(**(plain | {"loss": seen}))


@dataclass(frozen=True)
class Point:
    """A point as it was found."""

    folder: Path
    position: Position
    journal: Journal

    def moving(self) -> Any:
        """The part of the strategy's state that changes with steps; None where there was none."""
        return load_state(self.folder)["moving"] if (self.folder / STATE_FILE).exists() else None

    def work(self) -> dict[str, Tensor]:
        """The tensors of the long work that had begun."""
        from safetensors.torch import load_file

        return load_file(self.folder / _WORK)


class ResumePoints:
    """The points of one run, under its folder."""

    def __init__(self, folder: Path, seconds_apart: float = SECONDS_APART) -> None:
        self._folder, self._apart = folder, seconds_apart
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._last >= self._apart

    def begin_stage(self, stage: int) -> Journal:
        """Nothing is kept of an earlier try; the time to the first point begins. Raises StoreError as `save` does."""
        self._remove_folders()
        self._last = time.monotonic()
        with writing(self._folder):
            return Journal(self._journal(stage))

    def save(
        self,
        base: LoadedModel,
        optimizer: torch.optim.Optimizer,
        position: Position,
        journal: Journal,
        work: Mapping[str, Tensor] | None = None,
        moving: Any = None,
    ) -> Path:
        """Write a point; returns its folder. `moving` is the part of the strategy's state that changes with steps.
        Raises StoreError as `writing` does."""
        with writing(self._folder):
            mark = journal.mark()

        def more(partial: Path) -> None:
            about = {"position": asdict(position), "journal": asdict(mark)}
            (partial / _POSITION).write_text(json.dumps(about), encoding="utf-8")
            if work is not None:
                from safetensors.torch import save_file

                save_file({name: each.detach().cpu().contiguous() for name, each in work.items()}, partial / _WORK)

        number = max(map(_number, self._folders()), default=0) + 1
        folder = self._folder / f"inside-{position.stage}-{number}"
        state = None if moving is None else {"moving": moving}
        save_checkpoint(folder, base.model, base.tokenizer, state, optimizer.state_dict(), more)
        for older in self._folders()[KEPT:]:
            shutil.rmtree(older, ignore_errors=True)
        self._last = time.monotonic()
        return folder

    def keep_fixed(self, stage: int, fixed: Any) -> None:
        """Write the part of the strategy's state that its stage has made and its steps leave alone, once a stage.
        Raises StoreError as `writing` does."""
        write_folder(self._fixed(stage), lambda partial: save_state(partial, {"fixed": fixed}))

    def fixed(self, stage: int) -> Any:
        """The same as it was kept. Raises StoreError where it is not whole."""
        if not is_whole(self._fixed(stage)):
            raise StoreError(f"The state of stage {stage} under {self._folder} is missing or damaged.")
        return load_state(self._fixed(stage))["fixed"]

    def _fixed(self, stage: int) -> Path:
        return self._folder / f"fixed-{stage}"

    def postpone(self) -> None:
        """The next point is due as if this one had been written."""
        self._last = time.monotonic()

    def newest(self, stage: int, key: str) -> Point | None:
        """The newest sound point of the stage that `key` names. All others go."""
        found = None
        for folder in self._folders():
            found = found or _read(folder, self._journal(stage), key)
            if found is None:
                shutil.rmtree(folder, ignore_errors=True)
        self._remove_partials()
        self._last = time.monotonic()
        return found

    def clear(self) -> None:
        """Remove all: the stage is finished, or begins anew."""
        self._remove_folders()
        for file in self._folder.glob("*.jsonl"):
            file.unlink(missing_ok=True)
        self._remove_partials()

    def row_0(self, key: str) -> Iterator[Kept] | None:
        """The scores of the base model that `key` names, where an interrupted attempt has kept them."""
        try:
            return read(self._row_0(key))
        except OSError:
            return None

    def keep_row_0(self, key: str, scored: Evaluated) -> None:
        """Keep them until the first stage is over; a full disk keeps nothing, and they are scored once more."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = self._row_0(key).with_suffix(PARTIAL)
            write(fresh, [scored])
            flush(fresh)
            fresh.replace(self._row_0(key))

    def _row_0(self, key: str) -> Path:
        return self._folder / f"row-0-{key}.jsonl"

    def _remove_folders(self) -> None:
        for folder in (*self._folders(), *self._folder.glob("fixed-*")):
            shutil.rmtree(folder, ignore_errors=True)

    def _remove_partials(self) -> None:
        """What a kill left half-written."""
        for partial in self._folder.glob(f"*{PARTIAL}"):
            if partial.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
            else:
                partial.unlink(missing_ok=True)

    def _folders(self) -> list[Path]:
        """Newest first."""
        found = (each for each in self._folder.glob("inside-*") if not each.name.endswith(PARTIAL))
        return sorted(found, key=_number, reverse=True)

    def _journal(self, stage: int) -> Path:
        return self._folder / f"journal-{stage}.jsonl"


def _number(folder: Path) -> int:
    last = folder.name.rpartition("-")[2]
    return int(last) if last.isdigit() else 0


def _read(folder: Path, journal_file: Path, key: str) -> Point | None:
    """The point in `folder`; None where it is damaged or of another run."""
    if not is_whole(folder):
        return None
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        about: dict[str, Any] = json.loads((folder / _POSITION).read_text(encoding="utf-8"))
        position = Position.read(about["position"])
        journal = Journal.continued(journal_file, Mark(**about["journal"])) if position.key == key else None
        return None if journal is None else Point(folder, position, journal)
    return None
