"""Prompts that a user keeps: named sets to choose again, and those that were asked, found again by their content.

FOLDER/prompts/<id>.json is a set, FOLDER/prompts/asked/<key>.json what was asked. Every file appears whole or not at
all.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from engine.common.durable_files import write_text, writing
from engine.common.errors import ConfigError
from engine.common.paths import made
from engine.common.quoting import clean_name, look_of
from engine.insight.requests import MOST_PROMPTS

LONGEST_NAME, LONGEST_PROMPT = 80, 8000
"""Characters."""
MOST_ASKED = 500
"""The oldest of what was asked goes beyond so many."""


@dataclass(frozen=True)
class PromptSet:
    """Prompts under a name."""

    set_id: str
    name: str
    prompts: tuple[str, ...]


class PromptSets:
    """All kept prompts of one data folder."""

    def __init__(self, folder: Path) -> None:
        """Raises StoreError where its folder can't be made."""
        self.folder = made(folder / "prompts")
        self._asked = self.folder / "asked"
        self._lock = FileLock(self.folder / ".lock", timeout=30)

    def sets(self) -> tuple[PromptSet, ...]:
        """Every named set, by name; a file that is none is passed over."""
        found = [self._read(path) for path in self.folder.glob("*.json")]
        return tuple(sorted((each for each in found if each is not None), key=lambda each: each.name.casefold()))

    def keep(self, name: str, prompts: Sequence[str]) -> PromptSet:
        """Keep prompts under a name. Raises ConfigError where the name is taken or unfit, or a prompt is; StoreError
        where the disk does not take them."""
        name = clean_name(name)
        if not 1 <= len(name) <= LONGEST_NAME:
            raise ConfigError(f"A set of prompts needs a name of 1 to {LONGEST_NAME} characters; type one.")
        check_prompts(prompts)
        with self._changing():
            if any(look_of(each.name) == look_of(name) for each in self.sets()):
                raise ConfigError(f"There is already a set of prompts named '{name}'; choose another name.")
            kept = PromptSet(secrets.token_hex(6), name, tuple(prompts))
            _write(self.folder / f"{kept.set_id}.json", {"name": name, "prompts": list(prompts)})
        return kept

    def delete(self, set_id: str) -> None:
        """Delete a set; one that is gone already is no error. Raises StoreError."""
        if re.fullmatch(r"[0-9a-f]+", set_id):
            with self._changing():
                (self.folder / f"{set_id}.json").unlink(missing_ok=True)

    def note(self, prompts: Sequence[str]) -> str:
        """Keep what is asked; the key finds it again, and is the same for the same prompts. Raises ConfigError and
        StoreError as `keep` does."""
        check_prompts(prompts)
        key = hashlib.sha256(json.dumps(list(prompts)).encode()).hexdigest()[:16]
        with self._changing():
            made(self._asked)
            _write(self._asked / f"{key}.json", {"prompts": list(prompts)})
            by_age = sorted(self._asked.glob("*.json"), key=lambda path: path.stat().st_mtime)
            for path in by_age[:-MOST_ASKED]:
                path.unlink(missing_ok=True)
        return key

    def noted(self, key: str) -> tuple[str, ...] | None:
        """What was kept under a key of `note`; None where it is not there any more."""
        if not re.fullmatch(r"[0-9a-f]+", key):
            return None
        try:
            return _prompts_in(json.loads((self._asked / f"{key}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def _read(self, path: Path) -> PromptSet | None:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            prompts = _prompts_in(found)
            return PromptSet(path.stem, clean_name(found["name"]), prompts) if prompts else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # another program's file, or one that another server deletes right now

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Nobody else changes the sets meanwhile. Raises StoreError."""
        with writing(self.folder), self._lock:
            yield


def check_prompts(prompts: Sequence[str]) -> None:
    """Raises ConfigError, with what to change, where there are none, too many, or one is empty or too long."""
    if not prompts:
        raise ConfigError("There is no prompt; type one.")
    if len(prompts) > MOST_PROMPTS:
        raise ConfigError(f"These are {len(prompts):,} prompts; at most {MOST_PROMPTS} can be asked at once.")
    for number, prompt in enumerate(prompts, start=1):
        if not prompt.strip():
            raise ConfigError(f"Prompt {number} is empty; write what the models shall go on from.")
        if len(prompt) > LONGEST_PROMPT:
            raise ConfigError(
                f"Prompt {number} has {len(prompt):,} characters; shorten it to {LONGEST_PROMPT:,} at most."
            )


def _prompts_in(found: Any) -> tuple[str, ...] | None:
    prompts = found.get("prompts") if isinstance(found, dict) else None
    fits = isinstance(prompts, list) and all(isinstance(prompt, str) for prompt in prompts)
    return tuple(prompts) if fits and prompts else None


def _write(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=1))
