"""A finished stage on disk: a folder that transformers loads, and beside it what resuming needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.common.durable_files import SUMS, is_whole, seal, write_folder, writing
from engine.common.errors import StoreError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STATE_FILE = "palimpsest-state.pt"
OPTIMIZER_FILE = "palimpsest-optimizer.pt"
RESUME_FILES = (STATE_FILE, OPTIMIZER_FILE, SUMS)
"""What only resuming needs; nobody takes it home."""
_TYPE = "__dataclass__"


def stage_folder(run_folder: Path, stage: int) -> Path:
    """Where a run keeps the checkpoint of a finished stage."""
    return run_folder / f"stage-{stage}"


def save_checkpoint(
    folder: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    strategy_state: dict[str, Any] | None = None,
    optimizer_state: dict[str, Any] | None = None,
    more: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Write model, tokenizer and what resuming needs, `more` files if given; `folder` appears only once it is whole.

    Returns the files without the strategy's: what the stage's training alone has made. Raises StoreError as
    `durable.writing` does.
    """
    import torch

    def fill(partial: Path) -> None:
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        if optimizer_state is not None:
            torch.save(optimizer_state, partial / OPTIMIZER_FILE)
        if strategy_state is not None:
            save_state(partial, strategy_state)
        if more is not None:
            more(partial)

    write_folder(folder, fill)
    return [file for file in folder.iterdir() if file.is_file() and file.name not in (STATE_FILE, SUMS)]


def save_state(folder: Path, strategy_state: dict[str, Any]) -> None:
    """Write the strategy's state beside a model."""
    import torch

    torch.save(to_plain(strategy_state), folder / STATE_FILE)


def complete(folder: Path, strategy_state: dict[str, Any]) -> None:
    """Add the strategy's state to files that another run has made, so that `folder` is a whole checkpoint.

    Raises StoreError as `save_checkpoint` does.
    """
    with writing(folder):
        save_state(folder, strategy_state)
        seal(folder)


def last_whole_stage(run_folder: Path, finished: int) -> int:
    """The last of a run's `finished` stages whose checkpoint is sound; 0 for the beginning."""
    return next((stage for stage in range(finished, 0, -1) if is_whole(stage_folder(run_folder, stage))), 0)


def load_optimizer(folder: Path) -> dict[str, Any]:
    """The optimiser's state that `save_checkpoint` was given. Raises StoreError."""
    found: dict[str, Any] = _load(folder, OPTIMIZER_FILE)
    return found


def load_resumable(folder: Path, types: tuple[type, ...]) -> dict[str, Any]:
    """What `save_checkpoint` was given, dataclasses of `types` restored. Never unpickles code. Raises StoreError."""
    saved = _load(folder, STATE_FILE)
    restored: dict[str, Any] = from_plain(saved, {t.__name__: t for t in types})
    return restored


def _load(folder: Path, name: str) -> Any:
    import torch

    try:
        return torch.load(folder / name, map_location="cpu", weights_only=True)
    except Exception as error:  # of the file, or of the reader that refuses all but plain data
        raise StoreError(f"The checkpoint {folder} is missing or damaged; start the run again.") from error


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
