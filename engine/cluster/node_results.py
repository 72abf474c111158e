"""The shared results of a node: what the driver's machine has is taken from there, what is made here goes there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.common.durable_files import PARTIAL, files_of, is_whole
from engine.persistence.shared_results import SharedResults, link


@dataclass(frozen=True)
class NodeResults(SharedResults):
    """A node's folder of shared results, beside that of the machine which asked for the run."""

    fetch: Callable[[str, Path], bool] = lambda key, folder: False
    """Puts the files of the other machine's result into a folder; False where it has none."""
    outgoing: Path = Path()
    """The folder from which results made here are sent."""

    def has(self, key: str) -> bool:
        return self._is_sound(self.folder / key)

    def _is_sound(self, found: Path) -> bool:
        if super()._is_sound(found):
            return True
        partial = found.with_name(f"{found.name}.{self.outgoing.parent.name}{PARTIAL}")
        partial.mkdir(parents=True, exist_ok=True)
        try:
            if not self.fetch(found.name, partial) or not is_whole(partial):
                return False
            if not found.exists():
                partial.rename(found)
            return True
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _add(self, key: str, fill: Callable[[Path], None]) -> None:
        super()._add(key, fill)
        if (self.folder / key).is_dir():
            target = self.outgoing / key
            target.mkdir(parents=True, exist_ok=True)
            link(files_of(self.folder / key), target)
