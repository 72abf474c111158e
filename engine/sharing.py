"""Results that several runs have in common, kept by their content: what one run has trained, the next takes over.

A stage's result is determined by the base model, the tasks, the training settings, the seed, the arithmetic and the
strategies that acted so far. Its folder is named by a hash of all these, so that an equal result is found and no
other. Strategies that don't act in the first stage share it, and a run that is started again is found whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from engine import journal
from engine.durable import PARTIAL, SUMS, file_hash, files_of, is_whole, partial_of, seal
from engine.journal import Kept

if TYPE_CHECKING:
    from torch import Tensor

    from engine.strategies.base import Strategy

LIMIT_BYTES = 5_000_000_000
"""The least recently used results go once all of them are larger than this."""
_VERSION = 5
"""Changed with every change of the training that changes its numbers, or what is said of them."""
_ABANDONED_SECONDS = 24 * 3600
"""What was begun and never finished goes after a day: its process was killed. So does what has no sums."""
_HAPPENED, _TENSORS = "happened.jsonl", "tensors.safetensors"


def trajectory(strategy: Strategy, stages: int) -> tuple[Hashable, ...]:
    """For each stage 1 … `stages`, what the strategy had to do with its result; equal where two agree."""
    keys: list[Hashable] = []
    before: Hashable = ()
    for stage in range(1, stages + 1):
        plan = strategy.plan(stage)
        before = (before if plan.start == "previous" else (), stage, plan.tasks, strategy.signature(stage))
        keys.append(before)
    return tuple(keys)


def content_key(*parts: Any) -> str:
    """A name for a result from plain data that determines it."""
    text = json.dumps([_VERSION, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def stage_key(content: str, seed: int, had_to_do: Hashable) -> str:
    """The name of a stage's result: `content` for what its runs have in common, `had_to_do` from `trajectory`."""
    return content_key(content, seed, repr(had_to_do))


_OF_TOKENIZERS = (".json", ".txt", ".model", ".jinja")


def folder_hash(folder: Path) -> str:
    """Of a model folder's files, whatever its place."""
    return files_hash(file for file in folder.iterdir() if file.suffix in (*_OF_TOKENIZERS, ".safetensors"))


def tokenizer_hash(folder: Path) -> str:
    """Of the files of a model folder that may determine its tokens: all but the weights."""
    return files_hash(file for file in folder.iterdir() if file.suffix in _OF_TOKENIZERS)


def files_hash(files: Iterable[Path]) -> str:
    """Of files' names and contents. Raises OSError."""
    found = [(file, file.stat()) for file in sorted(files)]
    return _files_hash(tuple((file, about.st_size, about.st_mtime_ns) for file, about in found))


@lru_cache(maxsize=64)
def _files_hash(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for file, *_ in files:
        digest.update(file.name.encode() + bytes.fromhex(file_hash(file)))
    return digest.hexdigest()


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

    def happened(self, key: str) -> Iterator[Kept] | None:
        """What a stage (or the scoring of the base model) said; None where it is not here."""
        found = self.folder / key
        if not self._is_sound(found):
            return None
        _touch(found)
        return journal.read(found / _HAPPENED)

    def take_files(self, key: str, target: Path) -> None:
        """Put the files that were kept with a result into `target`, without copying where the disk can."""
        target.mkdir(parents=True, exist_ok=True)
        _link([file for file in (self.folder / key).iterdir() if file.name not in (_HAPPENED, SUMS)], target)

    def keep(self, key: str, happened: Iterable[Kept], files: Iterable[Path] = ()) -> None:
        """Keep what was said and the files that belong to it. A full disk keeps nothing and harms nobody."""

        def fill(partial: Path) -> None:
            _link(files, partial)
            journal.write(partial / _HAPPENED, happened)

        self._add(key, fill)

    def tensors(self, key: str, compute: Callable[[], Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Tensors that were computed before, else now."""
        import torch
        from safetensors.torch import load_file, save_file

        found = self.folder / key
        if self._is_sound(found):
            with contextlib.suppress(OSError, SafetensorError):
                loaded = load_file(found / _TENSORS)
                _touch(found)
                return loaded
        computed = dict(compute())
        on_cpu = {name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in computed.items()}
        self._add(key, lambda partial: save_file(on_cpu, partial / _TENSORS))
        return computed

    def files(self, key: str, make: Callable[[Path], None]) -> Path | None:
        """A folder of files that were made before, else by `make`, now; None where they can't be kept.

        It may go at any time, as the least recently used: open its files at once, or ask again.
        """
        for folder in (self.folder, self.elsewhere):
            if folder is not None and self._is_sound(folder / key):
                _touch(folder / key)
                return folder / key
        self._add(key, make)
        found = self.folder / key
        return found if found.is_dir() else None

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

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _add(self, key: str, fill: Callable[[Path], None]) -> None:
        """Where two processes add the same at once, the first one's stays: both are equal."""
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
        """When each result was last used, its bytes, its folder."""
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


def _link(files: Iterable[Path], target: Path) -> None:
    """The same files under another folder; copies where the disk has no hard links."""
    for file in files:
        (target / file.name).unlink(missing_ok=True)
        try:
            os.link(file, target / file.name)
        except OSError:
            shutil.copy2(file, target / file.name)
