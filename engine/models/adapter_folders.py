"""A folder with an adapter as a base model: its files are checked as those of a model are, and it is merged into the
model that it names."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from engine.common.errors import ModelError
from engine.common.quoting import quoted, shortened
from engine.models.adapters import BASE, CONFIG, PREFIX, WEIGHTS, linear_layers, mark_as_merged
from engine.models.folder_checks import read_description, refuse_pointer, tensor_shapes
from engine.models.folder_hashes import safetensors_hash

PICKLED = "adapter_model.bin"
_TENSOR = re.compile(r"(.+)\.lora_([AB])\.weight")
_MEANT = {
    "r", "lora_alpha", "use_rslora", "fan_in_fan_out", "base_model_name_or_path", "revision", "peft_type",
    "auto_mapping",
}  # fmt: skip
_MEANINGLESS = {
    "target_modules", "rank_pattern", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout",
    "inference_mode", "task_type", "peft_version", "megatron_core", "qalora_group_size", "runtime_config",
}  # fmt: skip
"""Fields that say nothing beside the tensors, or that act in training alone."""
_PLAIN = {"bias": ("none",), "init_lora_weights": (True, False, "gaussian")}
"""Fields with the values at which an adapter is W x + scale · B A x. All others must be empty."""


def check_adapter(folder: Path, name: str) -> None:
    """Refuse what is no plain LoRA adapter in safetensors, and what would run code. Raises ModelError."""
    if not (folder / WEIGHTS).is_file():
        pickled = (
            f"{PICKLED} can run code when loaded and is refused" if (folder / PICKLED).is_file() else "it is missing"
        )
        raise ModelError(
            f"{name}: an adapter's weights must be in {WEIGHTS}; {pickled}. Save it again with peft's "
            "save_pretrained(), which writes safetensors."
        )
    refuse_pointer(folder / WEIGHTS, name)
    config = read_description(folder / CONFIG, name)
    if config.get("peft_type") != "LORA":
        raise ModelError(
            f"{name}: {CONFIG} says peft_type = {shortened(str(config.get('peft_type')))!r}, and LORA alone is taken. "
            "Merge the adapter with peft's merge_and_unload() and give the whole model."
        )
    mapping = config.get("auto_mapping") or {}
    library = str(mapping.get("parent_library", "")) if isinstance(mapping, dict) else str(mapping)
    if config.get("megatron_config") or not re.fullmatch(r"(transformers(\.\w+)*)?", library):
        field = "megatron_config" if config.get("megatron_config") else "auto_mapping"
        raise ModelError(f"{name}: {CONFIG} asks for code from elsewhere ({field}), which is never run.")
    for field, value in config.items():
        if field in _MEANT | _MEANINGLESS or (value in _PLAIN[field] if field in _PLAIN else not value):
            continue
        raise ModelError(
            f"{name}: {CONFIG} says {shortened(field)} = {shortened(str(value))}, which is more than plain LoRA. Merge "
            "the adapter with peft's merge_and_unload() and give the whole model."
        )
    _alpha(config, name)


def named_base(folder: Path, name: str) -> str:
    """The base model that an adapter names, with its revision where it has one. Raises ModelError."""
    config = read_description(folder / CONFIG, name)
    given, revision = config.get("base_model_name_or_path"), config.get("revision")
    if not isinstance(given, str) or not given.strip():
        raise ModelError(
            f"{name}: {CONFIG} names no base model; write its name or its folder as base_model_name_or_path."
        )
    return f"{given}@{revision}" if isinstance(revision, str) and revision and "@" not in given else given


def stands_on(folder: Path, base: Path, name: str) -> bool:
    """Whether an adapter was written on the very weights of this folder, by what is written beside it. Raises
    ModelError."""
    wanted = read_description(folder / BASE, name).get("weights") if (folder / BASE).is_file() else None
    return wanted is not None and wanted == safetensors_hash(base)


def check_fits(folder: Path, name: str, model: PreTrainedModel) -> None:
    """Compare the adapter's tensors with the layers of the model that it names. Raises ModelError."""
    layers, shapes = linear_layers(model), tensor_shapes(folder / WEIGHTS, name)
    sides: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, shape in shapes.items():
        found = _TENSOR.fullmatch(key.removeprefix(PREFIX))
        if found is None or found[1] not in layers:
            raise ModelError(
                f"{name}: {WEIGHTS} holds {shortened(key)!r}, which belongs to no linear layer of its base model; "
                f"base_model_name_or_path in {CONFIG} names another than it was trained on."
            )
        sides.setdefault(found[1], {})[found[2]] = shape
    for layer, own in sides.items():
        module = layers[layer]
        weight = tuple(module.weight.shape)  # type: ignore[arg-type]
        out, into = reversed(weight) if isinstance(module, Conv1D) else weight
        rank = own.get("A", (0,))[0]
        if rank < 1 or own != {"A": (rank, into), "B": (out, rank)}:
            raise ModelError(
                f"{name}: {WEIGHTS} holds factors for {shortened(layer)!r} that do not fit its {into} × {out} weights; "
                f"base_model_name_or_path in {CONFIG} names another than it was trained on."
            )


@torch.no_grad()
def merge_into(model: PreTrainedModel, folder: Path, name: str) -> None:
    """W ← W + (α / r) B A for each layer of the adapter in `folder`, α / √r where it says so. Raises ModelError."""
    check_fits(folder, name, model)
    config, tensors = read_description(folder / CONFIG, name), load_file(folder / WEIGHTS)
    layers, alpha = linear_layers(model), _alpha(config, name)
    tensors = {key.removeprefix(PREFIX): tensor for key, tensor in tensors.items()}
    for layer, module in layers.items():
        if f"{layer}.lora_A.weight" in tensors:
            down, up = (tensors[f"{layer}.lora_{side}.weight"].float() for side in "AB")
            product = alpha / (math.sqrt(len(down)) if config.get("use_rslora") else len(down)) * (up @ down)
            weight: Any = module.weight
            weight += (product.T if isinstance(module, Conv1D) else product).to(weight.device)
    mark_as_merged(model)


def _alpha(config: dict[str, Any], name: str) -> float:
    alpha = config.get("lora_alpha")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise ModelError(f"{name}: {CONFIG} says lora_alpha = {quoted(alpha)}, which is no number; correct it.")
    return float(alpha)
