"""A finished stage on disk: a folder that transformers loads, and beside it what resuming needs."""

from __future__ import annotations

import dataclasses
import filecmp
import importlib
import json
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.common.durable_files import (
    PARTIAL,
    SUMS,
    files_of,
    is_whole,
    link_or_copy,
    partial_of,
    seal,
    sealed_sums,
    take_out,
    write_folder,
    writing,
)
from engine.common.errors import StoreError
from engine.strategies.base import KeptWeights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

STATE_FILE = "palimpsest-state.pt"
OPTIMIZER_FILE = "palimpsest-optimizer.pt"
STAGE_STATE_FILE = "palimpsest-stage-state.pt"
ABOUT_FILE = "palimpsest-stage.json"
_STATES = (STATE_FILE, OPTIMIZER_FILE, STAGE_STATE_FILE, ABOUT_FILE)
RESUME_FILES = (*_STATES, SUMS)
"""What only resuming needs; nobody takes it home."""
_OF_THE_RUN = (STATE_FILE, ABOUT_FILE, SUMS)
"""Files that an equal stage of another run has others of."""
_LITTLE_BYTES = 2**20
"""A state that takes no more is kept where it could be made again."""
_SHAREABLE = "is_shareable"
_TYPE, _WEIGHTS = "__dataclass__", ".safetensors"
_BEFORE_ROOMS = {
    "Memory": "engine.strategies.tools.memory:Memory",
    "EncodedDocument": "engine.tokens.blocks:EncodedDocument",
    "Elastic": "engine.strategies.ewc:Elastic",
}
"""The names in checkpoints of earlier versions."""


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
    like: Path | None = None,
) -> list[Path]:
    """Write model, tokenizer and what resuming needs, `more` files if given; `folder` appears only once it is whole.
    Files of the tokenizer that the checkpoint in `like` holds already are linked to it.

    Returns the files without the strategy's: what the stage's training alone has made. Raises StoreError as
    `durable.writing` does.
    """
    import torch

    from engine.models.adapters import save_model

    def fill(partial: Path) -> None:
        save_model(model, partial)
        tokenizer.save_pretrained(partial)
        if like is not None:
            _link_equal(partial, like)
        if optimizer_state is not None:
            torch.save(optimizer_state, partial / OPTIMIZER_FILE)
        if strategy_state is not None:
            save_state(partial, strategy_state)
        if more is not None:
            more(partial)

    write_folder(folder, fill)
    return [file for file in folder.iterdir() if file.is_file() and file.name not in _OF_THE_RUN]


def _link_equal(folder: Path, other: Path) -> None:
    """Make the files of `folder` that `other` holds with the same content one file with those; weights are not looked
    at."""
    for file in files_of(folder):
        twin = other / file.name
        if file.suffix != _WEIGHTS and twin.is_file() and filecmp.cmp(file, twin, shallow=False):
            link_or_copy(twin, file)


def save_state(folder: Path, strategy_state: dict[str, Any]) -> None:
    """Write the strategy's state beside a model, and whether the stage can be shared in a file that stays where the
    state goes."""
    import torch

    torch.save(to_plain(strategy_state), folder / STATE_FILE)
    if _SHAREABLE in strategy_state:
        about = {_SHAREABLE: strategy_state[_SHAREABLE]}
        (folder / ABOUT_FILE).write_text(json.dumps(about), encoding="utf-8")


def has_state(folder: Path) -> bool:
    """Whether the strategy's state lies in a checkpoint; otherwise it is to be made again."""
    return (folder / STATE_FILE).exists()


def is_shareable(folder: Path) -> bool:
    """Whether a checkpoint without the strategy's state is what an equal run would make; not where nothing says so."""
    try:
        return json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))[_SHAREABLE] is True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def save_stage_state(folder: Path, state: Any) -> None:
    """Write the state that a stage's steps have reached: it belongs to the stage's result as its weights do."""
    import torch

    torch.save(to_plain(state), folder / STAGE_STATE_FILE)


def load_stage_state(folder: Path) -> Any:
    """The state that `save_stage_state` wrote; None where the stage's steps left the state alone. Raises StoreError."""
    return from_plain(_load(folder, STAGE_STATE_FILE)) if (folder / STAGE_STATE_FILE).exists() else None


def complete(folder: Path, strategy_state: dict[str, Any]) -> None:
    """Add the strategy's state to files that another run has made, so that `folder` is a whole checkpoint.

    Raises StoreError as `save_checkpoint` does.
    """
    with writing(folder):
        for name in _OF_THE_RUN:  # of an earlier try, which may be linked to a file elsewhere
            (folder / name).unlink(missing_ok=True)
        save_state(folder, strategy_state)
        seal(folder)


def model_sums(folder: Path) -> dict[str, str] | None:
    """The sums with which a checkpoint was sealed, by file, of what makes the model; None where it holds no model that
    was sealed."""
    own = {name: digest for name, digest in (sealed_sums(folder) or {}).items() if name not in RESUME_FILES}
    return own if any(name.endswith(_WEIGHTS) for name in own) else None


def last_whole_stage(run_folder: Path, finished: int, with_optimizer: bool = False) -> int:
    """The last of a run's `finished` stages that it can go on from, 0 for the beginning: its checkpoint is sound, and
    so are all before it where the strategy's state must be made again. `with_optimizer`: the optimiser's state is
    needed as well."""

    def is_enough(stage: int) -> bool:
        folder = stage_folder(run_folder, stage)
        sums = sealed_sums(folder) or {}
        if not is_whole(folder) or (with_optimizer and OPTIMIZER_FILE not in sums):
            return False
        return STATE_FILE in sums or all(is_whole(stage_folder(run_folder, each)) for each in range(1, stage))

    return next((stage for stage in range(finished, 0, -1) if is_enough(stage)), 0)


def drop_states(folder: Path) -> None:
    """Remove from a checkpoint what only resuming needs: the model stays. Raises OSError."""
    take_out(folder, _STATES)


def drop_large_states(run_folder: Path, finished: int, is_over: bool = False) -> None:
    """Remove large states from a run's checkpoints that it does not go on from: from those before the last of its
    `finished` stages, and where the run `is_over` from that one too. Should the run go on from one of them after all,
    the strategy's state is made again from the checkpoints; without an optimiser's state that is kept between stages
    it goes on from an earlier stage. Raises OSError."""
    for stage in range(1, finished + is_over):
        names = (STATE_FILE, OPTIMIZER_FILE) if stage < finished else (STATE_FILE,)
        folder = stage_folder(run_folder, stage)
        sums = sealed_sums(folder) or {}
        for name in names:
            file = folder / name
            if file.is_file() and (name not in sums or file.stat().st_size > _LITTLE_BYTES):
                take_out(folder, (name,))


def remove_stages(run_folder: Path, but: Collection[int]) -> None:
    """Remove the checkpoints of a run, `but` those of these stages. Raises OSError."""
    kept = {stage_folder(run_folder, stage) for stage in but}
    for folder in run_folder.glob("stage-*"):
        if folder.suffix != PARTIAL and folder not in kept:
            folder.rename(partial_of(folder))  # all of its files at once
    for gone in run_folder.glob(f"stage-*{PARTIAL}"):
        shutil.rmtree(gone)


def load_optimizer(folder: Path) -> dict[str, Any]:
    """The optimiser's state that `save_checkpoint` was given. Raises StoreError."""
    found: dict[str, Any] = _load(folder, OPTIMIZER_FILE)
    return found


def load_state(folder: Path, device: torch.device | None = None) -> dict[str, Any]:
    """The state that `save_checkpoint` was given, with its tensors of floating point on `device`.

    Never unpickles code. Raises StoreError.
    """
    restored: dict[str, Any] = from_plain(_load(folder, STATE_FILE))
    return restored if device is None else moved(restored, device)


def _load(folder: Path, name: str) -> Any:
    import torch

    try:
        return torch.load(folder / name, map_location="cpu", weights_only=True)
    except Exception as error:  # of the file, or of the reader that refuses all but plain data
        raise StoreError(f"The checkpoint {folder} is missing or damaged; start the run again.") from error


def moved(value: Any, device: torch.device) -> Any:
    """Any nesting of dataclasses, tuples, lists and dictionaries with its tensors of floating point on `device`: they
    are used beside the weights. Whole numbers, such as token ids, stay where blocks are put together."""
    if hasattr(value, "is_floating_point"):
        return value.to(device) if value.is_floating_point() else value
    return _mapped(value, lambda item: moved(item, device))


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same nesting with `change` made of every item."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: change(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    if isinstance(value, dict):
        return {key: change(item) for key, item in value.items()}
    return type(value)(map(change, value)) if isinstance(value, tuple | list) else value


def with_weights(value: Any, load: Callable[[int], Mapping[str, torch.Tensor]]) -> Any:
    """The same nesting with the tensors of every `KeptWeights` in it, which `load` gives for its stage: states are
    written without them."""
    if isinstance(value, KeptWeights):
        return dataclasses.replace(value, tensors=load(value.stage))
    return _mapped(value, lambda item: with_weights(item, load))


def to_plain(value: Any) -> Any:
    """Dataclasses as marked dictionaries, all the way down; tensors and plain data as they are. Fields that are not
    `written` are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        written = [f.name for f in dataclasses.fields(value) if f.metadata.get("written", True)]
        fields = {name: to_plain(getattr(value, name)) for name in written}
        return {_TYPE: f"{type(value).__module__}:{type(value).__qualname__}", **fields}
    return _mapped(value, to_plain)


def from_plain(value: Any) -> Any:
    """The inverse of `to_plain`. Raises StoreError for a type that is no dataclass of a module at hand."""
    if isinstance(value, dict) and _TYPE in value:
        fields = {key: from_plain(item) for key, item in value.items() if key != _TYPE}
        return _dataclass(value[_TYPE])(**fields)
    return _mapped(value, from_plain)


def _dataclass(name: str) -> type:
    """The dataclass "module:Name": of the engine, or of a module that is loaded already."""
    module, _, cls = _BEFORE_ROOMS.get(name, name).partition(":")
    if module.startswith("engine.strategies.") or module.startswith("engine.tokens."):
        importlib.import_module(module)
    found = getattr(sys.modules.get(module), cls, None)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise StoreError(f"A checkpoint holds a state of the kind {name}, which this version does not know.")
    return found
