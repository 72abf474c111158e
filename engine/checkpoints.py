"""A finished stage on disk: a folder that transformers loads, and beside it what resuming needs."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.errors import StoreError

STATE_FILE = "palimpsest-state.pt"
_TYPE = "__dataclass__"


def stage_folder(run_folder: Path, stage: int) -> Path:
    """Where a run keeps the checkpoint of a finished stage."""
    return run_folder / f"stage-{stage}"


def save_checkpoint(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, resumable: dict[str, Any] | None
) -> None:
    """Write model, tokenizer and resumable state; `folder` appears only once it is whole."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        if resumable is not None:
            torch.save(to_plain(resumable), partial / STATE_FILE)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise StoreError(f"The checkpoint {folder} can't be written ({error}); free some space and resume.") from error


def load_resumable(folder: Path, types: tuple[type, ...]) -> dict[str, Any]:
    """What `save_checkpoint` was given, dataclasses of `types` restored. Never unpickles code. Raises StoreError."""
    try:
        saved = torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError) as error:
        raise StoreError(f"The checkpoint {folder} is missing or damaged; start the run again.") from error
    restored: dict[str, Any] = from_plain(saved, {t.__name__: t for t in types})
    return restored


def to_plain(value: Any) -> Any:
    """Dataclasses as marked dictionaries, all the way down; tensors and plain data as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {_TYPE: type(value).__name__, **fields}
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(to_plain(item) for item in value)
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    return value


def from_plain(value: Any, types: dict[str, type]) -> Any:
    """The inverse of `to_plain` for the dataclasses in `types`."""
    if isinstance(value, dict):
        items = {key: from_plain(item, types) for key, item in value.items() if key != _TYPE}
        return types[value[_TYPE]](**items) if _TYPE in value else items
    if isinstance(value, tuple):
        return tuple(from_plain(item, types) for item in value)
    if isinstance(value, list):
        return [from_plain(item, types) for item in value]
    return value
