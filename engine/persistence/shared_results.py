"""Results that several runs have in common, kept by their content: what one run has trained, the next takes over.

A stage's result is determined by the base model, the tasks, the training settings, the seed, the arithmetic and the
strategies that acted so far. Its folder is named by a hash of all these, so that an equal result is found and no
other. Strategies that don't act in the first stage share it, and a run that is started again is found whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from engine.common.durable_files import PARTIAL, SUMS, files_of, is_whole, link_or_copy, partial_of, seal
from engine.persistence import journal
from engine.persistence.journal import Kept

if TYPE_CHECKING:
    from torch import Tensor


LIMIT_BYTES = 5_000_000_000
"""The least recently used results go once all of them are larger than this."""
_ABANDONED_SECONDS = 24 * 3600
"""A result that was begun and never finished goes after a day: its process was killed. So does one without sums."""
_EVENTS_FILE, _TENSORS = "happened.jsonl", "tensors.safetensors"
_OF_STAGE = "of-stage.safetensors"
"""Tensors that can be computed again from a stage's checkpoint."""


@dataclass(frozen=True)
class SharedResults:
    """A folder of results. A damaged one is as good as none: it is removed and made again."""

    folder: Path
    limit_bytes: int = LIMIT_BYTES
    elsewhere: Path | None = None
    """Another folder of results, whose files are found as well; nothing is added to it."""

    def has(self, key: str) -> bool:
        """Whether there is one, sound or not."""
        return (self.folder / key).is_dir()

    def recorded_events(self, key: str) -> Iterator[Kept] | None:
        """The events of a stage (or of the scoring of the base model); None where they are not here."""
        found = self.folder / key
        if not self._is_sound(found):
            return None
        _touch(found)
        return journal.read(found / _EVENTS_FILE)

    def take_files(self, key: str, target: Path) -> None:
        """Put the files that were kept with a result into `target`, without copying where the disk can."""
        target.mkdir(parents=True, exist_ok=True)
        link([file for file in (self.folder / key).iterdir() if file.name not in (_EVENTS_FILE, SUMS)], target)

    def keep(self, key: str, recorded: Iterable[Kept], files: Iterable[Path] = ()) -> None:
        """Keep recorded events and the files that belong to them. A full disk keeps nothing and harms nobody."""

        def fill(partial: Path) -> None:
            link(files, partial)
            journal.write(partial / _EVENTS_FILE, recorded)

        self._add(key, fill)

    def tensors(
        self, key: str, compute: Callable[[], Mapping[str, Tensor]], of_stage: bool = False
    ) -> dict[str, Tensor]:
        """Tensors that were computed before, else now. Those `of_stage` are computed from the weights of a stage."""
        import torch
        from safetensors.torch import load_file, save_file

        found, file = self.folder / key, _OF_STAGE if of_stage else _TENSORS
        if self._is_sound(found):
            with contextlib.suppress(OSError, SafetensorError):
                loaded = load_file(found / file)
                _touch(found)
                return loaded
        computed = dict(compute())
        on_cpu = {name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in computed.items()}
        self._add(key, lambda partial: save_file(on_cpu, partial / file))
        return computed

    def files(self, key: str, make: Callable[[Path], None]) -> Path | None:
        """A folder of files that were made before, else by `make`, now; None where they can't be kept.

        It may go at any time, as the least recently used: open its files at once, or ask again.
        """
        if (known := self.known_files(key)) is not None:
            return known
        self._add(key, make)
        found = self.folder / key
        return found if found.is_dir() else None

    def known_files(self, key: str) -> Path | None:
        """The same where it was made before, else None."""
        for folder in (self.folder, self.elsewhere):
            if folder is not None and self._is_sound(folder / key):
                _touch(folder / key)
                return folder / key
        return None

    def adopt(self, other: SharedResults) -> None:
        """Take over what `other` holds and this one does not; `other` loses it. A full disk takes nothing."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            for entry in list(other.folder.iterdir()):
                partial = partial_of(self.folder / entry.name)
                if entry.suffix != PARTIAL and not (self.folder / entry.name).exists():
                    shutil.move(entry, partial)
                    partial.rename(self.folder / entry.name)

    def total_bytes(self) -> int:
        return sum(size for _, size, _ in self._entries())

    def drop_tensors_of_stages(self) -> None:
        """Remove the tensors that the checkpoints of stages can give again, to the same numbers."""
        for file in self.folder.glob(f"*/{_OF_STAGE}"):
            if file.parent.suffix != PARTIAL:
                shutil.rmtree(file.parent, ignore_errors=True)

    def drop_unheld(self) -> None:
        """Remove the results of stages whose weights no run holds any more, since none is linked to them. Where the
        disk has no hard links all are copies, and go."""
        for folder in self.folder.glob("*/"):
            weights = [file for file in folder.glob("*.safetensors") if file.name not in (_TENSORS, _OF_STAGE)]
            with contextlib.suppress(OSError):
                if folder.suffix != PARTIAL and weights and all(file.stat().st_nlink == 1 for file in weights):
                    shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add(self, key: str, fill: Callable[[Path], None]) -> None:
        """Add a result; where two processes add the same at once, the first one's stays, since both are equal."""
        partial = partial_of(self.folder / key)
        try:
            partial.mkdir(parents=True)
            fill(partial)
            seal(partial, durable=False)
            partial.rename(self.folder / key)
        except (OSError, SafetensorError):
            pass
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._make_room()

    def _is_sound(self, found: Path) -> bool:
        """Whether every file is what it was when it was kept; what is not goes."""
        if not found.is_dir():
            return False
        if is_whole(found):
            return True
        shutil.rmtree(found, ignore_errors=True)
        return False

    def _entries(self) -> list[tuple[float, int, Path]]:
        """The time when each result was last used, its bytes, its folder."""
        found = []
        for entry in self.folder.glob("*/" + SUMS):
            with contextlib.suppress(OSError):
                size = sum(file.stat().st_size for file in files_of(entry.parent))
                found.append((entry.stat().st_mtime, size, entry.parent))
        return found

    def _make_room(self) -> None:
        for folder in self.folder.glob("*/"):  # half-written, or of an older version
            with contextlib.suppress(OSError):
                unsealed = folder.suffix == PARTIAL or not (folder / SUMS).is_file()
                if unsealed and time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, folder in entries:
            if total <= self.limit_bytes:
                return
            shutil.rmtree(folder, ignore_errors=True)
            total -= size


def _touch(found: Path) -> None:
    """Used just now; where the disk is read-only the time stays."""
    with contextlib.suppress(OSError):
        os.utime(found / SUMS)


def link(files: Iterable[Path], target: Path) -> None:
    """The same files under another folder; copies where the disk has no hard links."""
    for file in files:
        link_or_copy(file, target / file.name)
