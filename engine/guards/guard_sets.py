"""The guards that a user keeps: named sets, each a file FOLDER/guards/<id>.yaml with the fields `name` and `guards`.

Every file appears whole or not at all, and one that can't be read is named and left as it is.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from engine.common.durable_files import write_text, writing
from engine.common.errors import ConfigError, StoreUnavailableError
from engine.common.paths import made
from engine.common.quoting import clean_name, look_of, slug_of
from engine.common.yaml_writing import yaml_of
from engine.guards.guard import MOST_GUARDS, Guard, check_titles
from engine.guards.guard_files import named_guards

LONGEST_NAME = 80
"""Characters."""


@dataclass(frozen=True)
class GuardSet:
    """Guards under a name."""

    set_id: str
    name: str
    guards: tuple[Guard, ...]


@dataclass(frozen=True)
class KeptGuards:
    """What the folder holds."""

    sets: tuple[GuardSet, ...]
    """By name."""
    problems: tuple[str, ...]
    """A sentence for each file that can't be read as a set."""


class GuardSets:
    """All kept guards of one data folder."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError where its folder can't be made."""
        self.folder = made(folder / "guards")
        self._lock = FileLock(self.folder / ".lock", timeout=30)

    def kept(self) -> KeptGuards:
        """Every set, and what is wrong with the other files. Raises StoreError where the folder can't be read."""
        found = [_read(path) for path in self._files()]
        sets = sorted((s for s in found if isinstance(s, GuardSet)), key=lambda s: (s.name.casefold(), s.set_id))
        return KeptGuards(tuple(sets), tuple(s for s in found if isinstance(s, str)))

    def keep(self, name: str, guards: Sequence[Guard]) -> GuardSet:
        """Keep guards under a name. Raises ConfigError where the name is taken or unfit or the guards are, StoreError
        where the disk does not take them."""
        if not 1 <= len(guards) <= MOST_GUARDS:
            raise ConfigError(f"A set holds 1 to {MOST_GUARDS} guards, and these are {len(guards):,}.")
        try:
            check_titles(guards)
        except ValueError as error:
            raise ConfigError(f"{error}.") from error
        with self._changing():
            name = self._free_name(name)
            kept = GuardSet(f"{slug_of(name) or 'guards'}-{secrets.token_hex(3)}", name, tuple(guards))
            self._write(kept)
        return kept

    def rename(self, set_id: str, name: str) -> GuardSet:
        """Give a set another name; experiments hold their guards, and do not change. Raises as `keep` does."""
        with self._changing():
            found = next((kept for kept in self.kept().sets if kept.set_id == set_id), None)
            if found is None:
                raise ConfigError("This set of guards is not kept any more; reload the page.")
            renamed = GuardSet(set_id, self._free_name(name, besides=set_id), found.guards)
            self._write(renamed)
        return renamed

    def delete(self, set_id: str) -> None:
        """Delete a set; one that is gone already is no error, and a file that is no set stays. Raises StoreError."""
        with self._changing():
            if any(kept.set_id == set_id for kept in self.kept().sets):
                (self.folder / f"{set_id}.yaml").unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if _is_for_a_set(path))
        except OSError as error:
            raise StoreUnavailableError(f"{self.folder} can't be read ({error.strerror}); mend that.") from error

    def _free_name(self, name: str, besides: str = "") -> str:
        name = clean_name(name)
        if not 1 <= len(name) <= LONGEST_NAME:
            raise ConfigError(f"A set of guards needs a name of 1 to {LONGEST_NAME} characters; type one.")
        if any(look_of(kept.name) == look_of(name) for kept in self.kept().sets if kept.set_id != besides):
            raise ConfigError(f"There is already a set of guards named '{name}'; choose another name.")
        return name

    def _write(self, kept: GuardSet) -> None:
        guards = [guard.model_dump(mode="json", exclude_defaults=True) for guard in kept.guards]
        write_text(self.folder / f"{kept.set_id}.yaml", yaml_of({"name": kept.name, "guards": guards}))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else changes the sets meanwhile. Raises StoreError."""
        with writing(self.folder), self._lock:
            yield


def _is_for_a_set(path: Path) -> bool:
    return path.suffix == ".yaml" and not path.name.startswith(".")


def _read(path: Path) -> GuardSet | str | None:
    """A set, a sentence on why the file holds none, or nothing where another server has just deleted it."""
    try:
        about = path.stat()
        return _read_once(path, about.st_mtime_ns, about.st_size, about.st_ino)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _unreadable(path, str(error.strerror))


@lru_cache(maxsize=256)
def _read_once(path: Path, changed_at: int, size: int, number: int) -> GuardSet | str:  # what tells its states apart
    """Raises OSError."""
    try:
        name, guards = named_guards(path.name, path.read_bytes())
    except ConfigError as error:
        return _unreadable(path, str(error))
    return GuardSet(path.stem, clean_name(name) or clean_name(path.stem), guards)


def _unreadable(path: Path, why: str) -> str:
    named = why if path.name in why else f"{path.name}: {why}"
    return f"{named.removesuffix('.')}. This file in guards/, in the data folder, is left out until it is mended."
