"""Low-rank adapters on a model's linear layers, as the library peft puts them there: W x + (α / r) B A x.

A model with an adapter is written as peft and transformers load it. An adapter whose base has a name of its own is
written alone; one without is written beside the weights that it stands on.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from engine.common.errors import StoreError
from engine.models.folder_hashes import safetensors_hash

LOADING = threading.Lock()
"""transformers swaps functions of torch while it builds a model: two threads at once leave weights without data."""
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BASE = "base_model.json"
"""Beside an adapter whose base is a folder, which has another place on another machine: the hash of its weights."""
PREFIX = "base_model.model."
"""Before the name of each tensor in a file of peft's."""
UNSOUGHT = {"subfolder": "no-adapter"}
"""The `adapter_kwargs` with which transformers loads a model without the adapter that may lie beside it: it would look
into that folder."""
_NAME = "default"


_MERGED, _REVISION = "merged_adapter", "base_revision"
"""Attributes of a loaded model."""


def name_base(model: PreTrainedModel, name: str, revision: str | None) -> None:
    """Remember by which name, and which revision of the hub, an adapter shall call this model."""
    model.name_or_path = name
    setattr(model, _REVISION, revision)


def stands_on_adapter(model: PreTrainedModel) -> bool:
    """Whether the model is itself an adapter with its base: no other model has the name of these weights."""
    return hasattr(model, _MERGED)


def mark_as_merged(model: PreTrainedModel) -> None:
    """Remember that an adapter has been merged into the model."""
    setattr(model, _MERGED, True)


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds an adapter, alone or beside a model."""
    return (folder / CONFIG).is_file()


def is_model(folder: Path) -> bool:
    """Whether the folder holds a whole model: many an adapter has its base's config.json beside it."""
    weights = (file for file in folder.glob("*.safetensors") if file.name != WEIGHTS)
    return (folder / "config.json").is_file() and any(weights)


def linear_layers(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The linear layers that an adapter may stand on, by name: all but the projection to the vocabulary."""
    head = model.get_output_embeddings() if isinstance(model, PreTrainedModel) else None
    return {
        name.removesuffix(".base_layer"): module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head and ".lora_" not in name
    }


def adapted_layers(model: torch.nn.Module) -> dict[str, Any]:
    """The layers that carry an adapter, by name; empty for a model without one."""
    if not getattr(model, "peft_config", None):
        return {}
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def factors(layer: Any) -> tuple[torch.nn.Parameter, torch.nn.Parameter]:
    """A [r, in] and B [out, r] of a layer's adapter."""
    return layer.lora_A[_NAME].weight, layer.lora_B[_NAME].weight


@torch.no_grad()
def draw_anew(layer: Any, generator: torch.Generator) -> None:
    """Give a layer a fresh A, drawn from U(−1/√in, 1/√in), and a B of 0.

    Both are new parameters: what an optimiser remembers of the old ones means nothing for them.
    """
    down, up = factors(layer)
    numbers = torch.rand(down.shape, generator=generator).mul_(2).sub_(1).mul_(down.shape[1] ** -0.5)
    layer.lora_A[_NAME].weight = torch.nn.Parameter(torch.empty_like(down).copy_(numbers))
    layer.lora_B[_NAME].weight = torch.nn.Parameter(torch.zeros_like(up))


def put_on(model: PreTrainedModel, layers: Iterable[str], rank: int, alpha: float, base: str | None) -> None:
    """Put an adapter on linear layers by their names; it adds nothing yet, B being 0. `base` names the model that the
    adapter stands on, None where no model of that name has these weights."""
    from peft import LoraConfig

    names = sorted(layers)
    revision = getattr(model, _REVISION, None) if base is not None else None
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]
        target_modules=names,
        fan_in_fan_out=any(isinstance(model.get_submodule(name), Conv1D) for name in names),
        base_model_name_or_path=base,
        revision=revision,
        task_type="CAUSAL_LM",
    )
    _inject(model, config)


def load_onto(model: PreTrainedModel, folder: Path) -> None:
    """Put the adapter that a run has written into `folder` on the model that it stands on. Raises StoreError."""
    from peft import LoraConfig

    try:
        config = LoraConfig(**json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        tensors = load_file(folder / WEIGHTS)
    except Exception as error:  # of the files, or of what they say
        raise StoreError(f"The checkpoint {folder} is missing or damaged; start the run again.") from error
    if config.base_model_name_or_path is not None:  # another name of the same model, where another run has trained it
        config.base_model_name_or_path, config.revision = model.name_or_path, getattr(model, _REVISION, None)
    _inject(model, config)
    own = _tensors(model)
    if own.keys() != tensors.keys() or any(own[name].shape != tensors[name].shape for name in own):
        raise StoreError(f"The checkpoint {folder} holds the adapter of another model; start the run again.")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def _inject(model: PreTrainedModel, config: Any) -> None:
    from peft import inject_adapter_in_model

    with LOADING:
        inject_adapter_in_model(config, model, _NAME)
    for module in model.modules():
        module.training = model.training  # new ones begin in training mode, whatever the model's is


@torch.no_grad()
def merge(model: PreTrainedModel) -> None:
    """W ← W + (α / r) B A and B ← 0, in place: the same function of the weights of the base alone."""
    for layer in adapted_layers(model).values():
        _, up = factors(layer)
        layer.get_base_layer().weight += layer.get_delta_weight(_NAME)
        up.zero_()


def adds_nothing(model: PreTrainedModel) -> bool:
    """Whether every B is 0, as before the first step and after `merge`."""
    every = [factors(layer)[1] for layer in adapted_layers(model).values()]
    return not any(bool(up.any()) for up in every if not up.is_meta)


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Write a model for transformers: whole, or as an adapter of the model that its base has the name of. An adapter
    that adds nothing to a base without a name is left out."""
    if not adapted_layers(model):
        model.save_pretrained(folder)
        return
    config = model.peft_config[_NAME].to_dict()
    if config["base_model_name_or_path"] is None:
        model.save_pretrained(folder, state_dict=without_adapter(model))
        if adds_nothing(model):
            return
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in _tensors(model).items()},
        folder / WEIGHTS,
        metadata={"format": "pt"},
    )
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    text = json.dumps(plain | {"inference_mode": True}, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text, encoding="utf-8")
    base = config["base_model_name_or_path"]
    if base is not None and Path(base).is_absolute():
        content = json.dumps({"weights": safetensors_hash(Path(base))})
        (folder / BASE).write_text(content, encoding="utf-8")


def call_base_as(folder: Path, model: PreTrainedModel) -> None:
    """Let an adapter's folder call its base as this run does: one that is taken over from another run may know the same
    model from another place."""
    if not is_adapter(folder):
        return
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    own = {"base_model_name_or_path": model.name_or_path, "revision": getattr(model, _REVISION, None)}
    if config["base_model_name_or_path"] is not None and config != config | own:
        fresh = folder / f"{CONFIG}.partial"  # the other run's file may be the very same
        fresh.write_text(json.dumps(config | own, indent=2, sort_keys=True), encoding="utf-8")
        fresh.replace(folder / CONFIG)


def numbers_left_out(model: PreTrainedModel) -> int:
    """How many of a model's numbers a finished stage's checkpoint leaves out: its base's, or those of an adapter that
    is merged by then."""
    layers = adapted_layers(model)
    own = sum(factor.numel() for layer in layers.values() for factor in factors(layer))
    is_alone = layers and model.peft_config[_NAME].base_model_name_or_path is not None
    return model.num_parameters() - own if is_alone else own


def without_adapter(model: PreTrainedModel) -> dict[str, Tensor]:
    """The weights that an adapter stands on, by the names that they have without it."""
    found: Mapping[str, Tensor] = model.state_dict()
    return {name.replace(".base_layer.", "."): each for name, each in found.items() if ".lora_" not in name}


def _tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """A and B of every layer by their names in a file of peft's."""
    found: dict[str, Tensor] = {}
    for name, layer in adapted_layers(model).items():
        for side, tensor in zip("AB", factors(layer), strict=True):
            found[f"{PREFIX}{name}.lora_{side}.weight"] = tensor
    return found
