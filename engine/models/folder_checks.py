"""The promises of a model folder are checked before anything in it is loaded: its place, its files, its sizes."""

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from engine.common.errors import ModelError
from engine.common.paths import MODEL_ROOTS, data_folder
from engine.common.quoting import shortened

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_LFS_POINTER = b"version https://git-lfs"
_MAX_CONFIG_BYTES, _MAX_TEXT_BYTES = 1_000_000, 300_000_000
_MAX_BUFFER_BYTES = 4 * 10**9
_CODE = {"attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation"}
"""Settings by which transformers fetches compiled code where they name a repository."""


def model_roots() -> tuple[Path, ...] | None:
    """The folders below which the operator allows models; None means anywhere. An empty variable allows none but our
    own."""
    named = os.environ.get(MODEL_ROOTS)
    if named is None:
        return None
    return tuple(Path(root).expanduser().resolve() for root in named.split(os.pathsep) if root.strip())


def local_folder(name: str, roots: tuple[Path, ...] | None) -> Path | None:
    """The folder of that name, if there is one where it may lie: below a root, or in the data folder."""
    try:
        folder = Path(name).expanduser().resolve()
        allowed = roots is None or any(folder.is_relative_to(root) for root in (*roots, data_folder()))
        return folder if allowed and folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long a name, an unknown user, links in a circle
        return None


def check_folder(folder: Path, name: str) -> Path:
    """The folder itself, once it is seen to hold a config and whole safetensors. Raises ModelError."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"{name}: {folder} holds no config.json, so it is not a model folder; check the path.")
    if not list(folder.glob("*.safetensors")):
        raise ModelError(
            f"{name}: there are no safetensors weights in {folder}; other formats can run code when loaded and are "
            "refused. Convert it with save_pretrained(), which writes safetensors."
        )
    for file in folder.iterdir():
        if file.suffix in (".json", ".txt", ".model", ".jinja") and file.stat().st_size > _MAX_TEXT_BYTES:
            raise ModelError(f"{name}: {file.name} is larger than {_MAX_TEXT_BYTES // 10**6} MB; it can't be right.")
    for file in weight_files(folder, name):
        refuse_pointer(file, name)
    return folder


def refuse_pointer(file: Path, name: str) -> None:
    """Raises ModelError for a file that stands in the place of the weights."""
    with file.open("rb") as opened:
        if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise ModelError(f"{name}: {file.name} is a Git LFS pointer, not the weights; run `git lfs pull` there.")


def weight_files(folder: Path, name: str) -> list[Path]:
    """The files of weights that would be loaded, all of them in the folder. Raises ModelError."""
    index = folder / INDEX
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    try:
        parts = sorted({str(part) for part in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{name}: {INDEX} can't be read; download the model again.") from error
    for part in parts:
        if not re.fullmatch(r"[\w.-]+\.safetensors", part) or not (folder / part).is_file():
            raise ModelError(
                f"{name}: {INDEX} names {shortened(part)!r}, which is no file of weights in this folder; "
                "download the model again."
            )
    return [folder / part for part in parts]


def check_sizes(folder: Path, name: str) -> PreTrainedModel:
    """Compare what the config describes with what the files hold, before memory is taken. Raises ModelError.

    Returns the model in shapes alone. A header that promises more than its file holds is refused by safetensors itself.
    """
    tensors = dict(_tensor_sizes(folder, name))
    _check_config(read_description(folder / "config.json", name), len(tensors), name)
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):  # shapes without memory
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    described, held = sum(weight.numel() for weight in model.parameters()), sum(tensors.values())
    if described > 2 * held:  # what is missing in part is said by its name
        raise ModelError(
            f"{name}: its config.json describes {described:,} parameters, but its files hold {held:,}; they don't "
            "belong together. Download the model again."
        )
    buffers = sum(buffer.nbytes for buffer in model.buffers())
    if buffers > _MAX_BUFFER_BYTES:
        raise ModelError(
            f"{name}: its config.json asks for {buffers / 1e9:,.0f} GB beside the weights, such as by a context that "
            "is too long; correct it or choose another model."
        )
    return model


def missing_weights(folder: Path, name: str, model: PreTrainedModel) -> list[str]:
    """The parameters of `model` for which the files seem to hold no tensor. Raises ModelError.

    Empty where the files hold at least as many numbers as the model has: their tensors then have other names.
    """
    tensors = dict(_tensor_sizes(folder, name))
    if sum(tensors.values()) >= sum(weight.numel() for weight in model.parameters()):
        return []
    prefix = f"{model.base_model_prefix}."
    held = {key.removeprefix(prefix) for key in tensors}
    return [key for key, _ in model.named_parameters() if key.removeprefix(prefix) not in held]


def _tensor_sizes(folder: Path, name: str) -> Iterator[tuple[str, int]]:
    """Each tensor with how many numbers it holds, from the headers alone."""
    for file in weight_files(folder, name):
        for key, shape in tensor_shapes(file, name).items():
            yield key, math.prod(shape)


def tensor_shapes(file: Path, name: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a file's tensors by name, from its header alone. Raises ModelError."""
    try:
        with safe_open(file, "pt") as opened:
            return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118 - no dict
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{name}: {file.name} is damaged or cut off ({shortened(str(error))}); download the model again."
        ) from error


def read_description(file: Path, name: str) -> dict[str, Any]:
    """A JSON object that describes a model or its tokenizer. Raises ModelError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.stat().st_size <= _MAX_CONFIG_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{name}: {file.name} can't be read; download the model again.") from error
    if not isinstance(found, dict):
        raise ModelError(f"{name}: {file.name} is not a model's configuration; download the model again.")
    return found


def _check_config(config: dict[str, Any], tensors: int, name: str) -> None:
    """Refuse what would fetch code, and numbers of layers for which there are no tensors, at any depth."""
    for key, value in config.items():
        if isinstance(value, dict):
            _check_config(value, tensors, name)
        if key == "transformers_weights":
            raise ModelError(f"{name}: its config.json names weights of its own choice ({key}); take that out.")
        if key in _CODE and "/" in str(value):
            raise ModelError(f"{name}: its config.json asks for code from elsewhere ({key}), which is never run.")
        most = tensors if "layer" in key else max(tensors, 1024) if "expert" in key else None
        if most is not None and isinstance(value, int) and value > most:
            raise ModelError(
                f"{name}: its config.json says {key} = {shortened(str(value))}, but its files hold {tensors:,} "
                "tensors; they don't belong together. Download the model again."
            )
