"""Models of the hub: their names with an optional revision, what of them is on this machine, and the download."""

import contextlib
import os
import re
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from engine.common.errors import ModelError
from engine.common.foreign_errors import first_line
from engine.models.choices import EMBEDDED
from engine.models.folder_checks import weight_files

HUB_TIMEOUT_SECONDS = 3.0
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_DESCRIPTIONS = ("config.json", "adapter_config.json")
_LONGEST_NAME = 200
_NAME = re.compile(r"([\w.-]+(?:/[\w.-]+)?)(?:@([\w-][\w.-]*(?:/[\w-][\w.-]*)*))?")
"""A repository's name, and behind "@" a branch, a tag or a commit; no part of it leads out of the cache's folders."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubModel:
    """A model of the hub, at one revision or at the newest that is on this machine."""

    repository: str
    revision: str | None = None
    """A branch, a tag or a commit; None: the main branch."""

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """The model that `name` or `name@revision` stands for; None where it can't be a name on the hub."""
        if name.startswith(("/", ".", "~")) or len(name) > _LONGEST_NAME:
            return None
        found = _NAME.fullmatch(name)
        return cls(found[1], found[2]) if found else None

    def at(self, revision: str) -> Self:
        """The same model at that revision."""
        return type(self)(self.repository, revision)

    def cached(self) -> Path | None:
        """The folder on this machine that holds the model, or the adapter, with all of its weights; None where there is
        none."""
        try:
            kept = [try_to_load_from_cache(self.repository, name, revision=self.revision) for name in _DESCRIPTIONS]
        except HFValidationError:
            return None
        found = [Path(each).parent for each in kept if isinstance(each, str)]
        if not found:
            return None
        folder = found[0]
        try:  # a download that was cut short may have left some files out
            return folder if weight_files(folder, str(self)) else None
        except ModelError:
            return None

    def download(self) -> Path:
        """Fetch the model's files; returns their folder. Raises ModelError with what to do."""
        if constants.HF_HUB_OFFLINE or not _hub_answers():
            raise ModelError(
                f"{self} is not on this machine and the model hub can't be reached. Connect to the network once to "
                f"download it, give the folder of a downloaded model, or choose {EMBEDDED}, which comes with the "
                "project."
            )
        try:
            return Path(
                snapshot_download(
                    self.repository,
                    revision=self.revision,
                    allow_patterns=_FILES,
                    etag_timeout=HUB_TIMEOUT_SECONDS,
                )
            )
        except GatedRepoError as error:
            raise ModelError(
                f"{self} needs its owner's permission; ask for it on its page and log in with `hf auth login`."
            ) from error
        except RevisionNotFoundError as error:
            raise ModelError(
                f"{self.repository} has no revision {self.revision} on the hub; give a branch, a tag or a commit of it."
            ) from error
        except (RepositoryNotFoundError, HFValidationError) as error:
            raise ModelError(
                f"{self.repository} does not exist on the hub (or is private); check the spelling."
            ) from error
        except (HfHubHTTPError, OSError) as error:
            raise ModelError(f"{self} could not be downloaded ({first_line(error)}); try again.") from error


def may_download() -> bool:
    """Whether the hub may be asked at all: an environment variable of its own library forbids it."""
    return not constants.HF_HUB_OFFLINE


def commit_of(folder: Path) -> str | None:
    """The commit whose files a folder of the hub's cache holds; None for any other folder."""
    in_cache = folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name)
    return folder.name if in_cache else None


def _hub_answers() -> bool:
    """Whether the hub accepts a connection within a few seconds; assumed where a proxy stands between."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    address = urlsplit(constants.ENDPOINT)
    answered = threading.Event()

    def connect() -> None:
        port = address.port or (80 if address.scheme == "http" else 443)
        with (
            contextlib.suppress(OSError),
            socket.create_connection((address.hostname or "", port), HUB_TIMEOUT_SECONDS),
        ):
            answered.set()

    # In a thread, since looking a name up takes no time limit.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(HUB_TIMEOUT_SECONDS)
    return answered.is_set()
