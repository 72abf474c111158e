"""The base model as a card names it: where others find it, and under which license its own card puts it."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.experiments.portable import model_label
from engine.models.choices import EMBEDDED, EMBEDDED_FOLDER

CARD = "README.md"
UNKNOWN = "unknown"
"""The hub's own word for a license that is not known."""
_LARGEST_CARD_BYTES = 1_000_000
_LICENSE = re.compile(r"[\w.+-]{1,60}")
_DETAILS = ("license_name", "license_link")
"""Beside the license `other`."""


@dataclass(frozen=True)
class BaseModel:
    """The model that a run began from."""

    label: str
    """Its name, without the way to its folder where it is one."""
    repository: str | None
    """Its name on the hub; None for the embedded model and those of a folder."""
    revision: str | None
    weights_hash: str | None
    license: str = UNKNOWN
    license_details: Mapping[str, str] = field(default_factory=dict)
    """`license_name` and `license_link`, where its card has them."""


def base_model(model: str, environment: Mapping[str, Any]) -> BaseModel:
    """The base model called `model` in an experiment, by what a run recorded in its `environment`; nothing is fetched.

    The run recorded a commit where the model is one of the hub.
    """
    revision, weights_hash = environment.get("model_revision"), environment.get("model_hash")
    repository = model.partition("@")[0] if revision else None
    told = _told(_card_of(model, repository, revision))
    found = told.get("license")
    license_name = found if isinstance(found, str) and _LICENSE.fullmatch(found) else UNKNOWN
    details = {name: str(told[name]) for name in _DETAILS if license_name == "other" and told.get(name)}
    return BaseModel(repository or model_label(model), repository, revision, weights_hash, license_name, details)


def _card_of(model: str, repository: str | None, revision: str | None) -> Path:
    """Where the model's own card would lie on this machine."""
    if repository is not None:
        from huggingface_hub import try_to_load_from_cache

        kept = try_to_load_from_cache(repository, CARD, revision=revision)
        return Path(kept) if isinstance(kept, str) else Path()
    folder = EMBEDDED_FOLDER / EMBEDDED if model == EMBEDDED else Path(model).expanduser()
    return folder / CARD if folder.is_absolute() else Path()


def _told(card: Path) -> Mapping[str, Any]:
    """The front matter of a card; empty where there is none that can be read."""
    from huggingface_hub import metadata_load

    with contextlib.suppress(OSError, ValueError, yaml.YAMLError):
        if card.is_file() and card.stat().st_size <= _LARGEST_CARD_BYTES:
            return metadata_load(card) or {}
    return {}
