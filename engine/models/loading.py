"""Base models and tokenizers: the embedded one, the hub's, or a local folder's."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from engine.common.errors import ModelError
from engine.common.foreign_errors import model_errors
from engine.common.quoting import listed, quoted
from engine.models.adapter_folders import check_adapter, check_fits, merge_into, named_base, stands_on
from engine.models.adapters import LOADING, UNSOUGHT, is_adapter, is_model, load_onto, mark_as_merged, name_base
from engine.models.choices import EMBEDDED, EMBEDDED_FOLDER
from engine.models.cpu import attention, layers
from engine.models.eval_mode import without_dropout
from engine.models.folder_checks import check_folder, check_sizes, local_folder, model_roots
from engine.models.folder_hashes import folder_hash
from engine.models.hub import HubModel, commit_of
from engine.models.likelihood import logits_of
from engine.models.tokenizer_checks import check_tokenizer, check_tokenizer_files, has_tokenizer, loading_failed
from engine.tokens.blocks import EncodedDocument, cut, pack

transformers_logging.disable_progress_bar()


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A causal language model in float32 with its tokenizer, ready to train."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    bos: int
    eos: int
    context: int
    """Longest input in tokens."""
    packed: bool
    """Whether the model keeps several documents in one row apart; if not, each gets a row of its own."""


def locate(name: str, ours: Path | None = None) -> Path:
    """The folder that holds the model's files, downloaded if need be. Raises ModelError with what to do.

    Folders of the user's lie where the operator allows it (`MODEL_ROOTS`); `ours` is one that a run has written. A
    name of the hub may carry a revision, as in `gpt2@main`; without one it is the newest that is on this machine.
    """
    folder = locate_here(name, ours)
    return folder if folder is not None else _checked(_on_hub(name).download(), name)


def locate_here(name: str, ours: Path | None = None) -> Path | None:
    """Do the same as `locate` without asking the hub: None for a model of the hub that is not on this machine."""
    folder = ours or (EMBEDDED_FOLDER / EMBEDDED if name == EMBEDDED else local_folder(name, model_roots()))
    if folder is None:
        folder = _on_hub(name).cached()
    return _checked(folder, name) if folder is not None else None


def _checked(folder: Path, name: str) -> Path:
    if is_adapter(folder):
        check_adapter(folder, name)
        if not is_model(folder):
            return folder
    return check_folder(folder, name)


def base_of(folder: Path, name: str) -> Path:
    """The folder of the whole model behind a located one: of an adapter alone that of the base which it names, on this
    machine, or the embedded model, where an adapter of it has come from another place. Raises ModelError."""
    if is_model(folder) or not is_adapter(folder):
        return folder
    given = named_base(folder, name)
    found = None
    with contextlib.suppress(ModelError):
        found = locate_here(given)
    beside = local_folder(str(folder / given), model_roots()) if found is None else None
    found = check_folder(beside, name) if beside is not None and is_model(beside) else found
    embedded = EMBEDDED_FOLDER / EMBEDDED
    if found is None and stands_on(folder, embedded, name):
        found = embedded
    if found is None:
        raise ModelError(
            f"{name}: it is an adapter for {quoted(given)}, which is not on this machine or may not be read here. "
            "Download that model, or write the folder where it lies into adapter_config.json as "
            "base_model_name_or_path."
        )
    if not is_model(found):
        raise ModelError(
            f"{name}: it is an adapter for {quoted(given)}, which is an adapter itself; merge that one with peft's "
            "merge_and_unload(), save the whole model, and name it as base_model_name_or_path."
        )
    return found


def tokenizer_folder(name: str, ours: Path | None = None) -> Path:
    """The folder that holds a base model's tokenizer: an adapter may leave that to its base. Raises ModelError."""
    folder = locate(name, ours)
    return folder if has_tokenizer(folder, name) else base_of(folder, name)


def weights_hash(folder: Path, name: str) -> str:
    """The hash of a located model's files, and of its base's where it is an adapter. Raises ModelError."""
    return "+".join(folder_hash(each) for each in dict.fromkeys((folder, base_of(folder, name))))


def in_shapes(folder: Path, name: str) -> PreTrainedModel:
    """A located model in shapes alone, once config and files agree in them. Raises ModelError."""
    model = check_sizes(base_of(folder, name), name)
    if is_adapter(folder):
        check_fits(folder, name, model)
        mark_as_merged(model)
    return model


def pinned(name: str, revision: str | None) -> str:
    """The model's name with the revision at which an experiment has begun to use it; other names as they are."""
    named = HubModel.parse(name) if revision and local_folder(name, model_roots()) is None else None
    return str(named.at(revision)) if named is not None and revision is not None and name != EMBEDDED else name


def revision_of(name: str, folder: Path) -> str | None:
    """The commit of the hub whose files `folder` holds; None where `name` is not that of a model on the hub."""
    if name == EMBEDDED or local_folder(name, model_roots()) is not None:
        return None
    return commit_of(folder)


def _on_hub(name: str) -> HubModel:
    found = HubModel.parse(name)
    if found is None:
        allowed = "on this machine" if model_roots() is None else "where this server allows one"
        raise ModelError(
            f"{quoted(name)} is neither a folder {allowed} nor a model name on the hub; check the spelling."
        )
    return found


def load_tokenizer(name: str, ours: Path | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a base model. Raises ModelError, also where the folder holds none or one that is of no use."""
    folder = tokenizer_folder(name, ours)
    check_tokenizer_files(folder, name)
    with model_errors(loading_failed(folder, name)):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True
        )
        check_tokenizer(tokenizer, name, folder)
    return tokenizer


def marks_of(name: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """The tokens that begin and end a document. Raises ModelError where nothing ends one."""
    eos = end_of_text(tokenizer, name)
    return int(tokenizer.bos_token_id if tokenizer.bos_token_id is not None else eos), eos


def load_base(name: str, device: str = "cpu", ours: Path | None = None) -> LoadedModel:
    """Load model and tokenizer from safetensors, never with remote code. Raises ModelError with what to do.

    `ours` is the folder of a checkpoint: the whole model, or an adapter of the model called `name`. An adapter that
    `name` itself stands for is merged into its base.
    """
    tokenizer = load_tokenizer(name, ours)
    with LOADING, model_errors(f"{name}: it can't be loaded as a causal language model"):
        if ours is not None and is_model(ours):
            model = _whole(ours, name)
        else:
            folder = locate(name)
            if name != EMBEDDED:
                in_shapes(folder, name)
            model = _whole(base_of(folder, name), name)
            if is_adapter(folder):
                merge_into(model, folder, name)
            name_base(model, *_called(name, folder))
    bos, eos = marks_of(name, tokenizer)
    check_vocabulary(name, tokenizer, model.get_input_embeddings().weight.shape[0])
    model.requires_grad_(True)
    attention.prefer(model)
    layers.replace(model)
    if ours is not None and is_adapter(ours):
        load_onto(model, ours)
    model.to(torch.device(device))
    context = context_of(model.config)
    return LoadedModel(name, model, tokenizer, bos, eos, context, keeps_documents_apart(model))


def _whole(folder: Path, name: str) -> PreTrainedModel:
    """The model in a folder, without an adapter that may lie beside it."""
    model: PreTrainedModel
    model, about = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True,
        output_loading_info=True, adapter_kwargs=UNSOUGHT,
    )  # fmt: skip
    refuse_invented(name, about["missing_keys"])
    return model


def _called(name: str, folder: Path) -> tuple[str, str | None]:
    """The name by which others find a model, and the revision of one of the hub."""
    named = HubModel.parse(name)
    if name == EMBEDDED or named is None or local_folder(name, model_roots()) is not None:
        return str(folder.absolute()), None
    return named.repository, commit_of(folder)


def context_of(config: PreTrainedConfig) -> int:
    """The longest input of a model, in tokens."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", None) or 2048)


def end_of_text(tokenizer: PreTrainedTokenizerBase, name: str) -> int:
    """The token that separates documents. Raises ModelError where there is none."""
    if tokenizer.eos_token_id is None:
        raise ModelError(f"{name}: its tokenizer has no end-of-text token, which separates documents; choose another.")
    return int(tokenizer.eos_token_id)


def check_vocabulary(name: str, tokenizer: PreTrainedTokenizerBase, known: int) -> None:
    """Raises ModelError where the tokenizer has tokens that the model, which has `known`, has never heard of."""
    if len(tokenizer) > known:
        raise ModelError(
            f"{name}: its tokenizer has {len(tokenizer):,} tokens but the model knows {known:,}; they don't belong "
            "together. Put the tokenizer's files of this model into the folder."
        )


def refuse_invented(name: str, missing: Iterable[str]) -> None:
    """Weights that the files lack would be random numbers. Raises ModelError where some are `missing`."""
    names = sorted(missing)
    if names:
        raise ModelError(
            f"{name}: its files hold no weights for {listed(names, 3)}, which would start as random numbers; "
            "download the model again, or save the whole model with save_pretrained()."
        )


@torch.no_grad()
def keeps_documents_apart(model: PreTrainedModel) -> bool:
    """Try two documents in one row against each alone: True where the logits agree to 1e-3."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = model.config.get_text_config().vocab_size
    documents = [
        EncodedDocument(torch.randint(vocabulary, (n,), generator=generator).int(), 1, n) for n in (6, 4)
    ]  # fmt: skip
    pieces = [piece for document in documents for piece in cut(document, 16)]
    with without_dropout(model), contextlib.suppress(TypeError):
        row = pack(pieces, 8).to(model.device)
        together = logits_of(model, row)[0]
        alone = [logits_of(model, pack([p], 8).to(model.device), packed=False)[0, : len(p.input_ids)] for p in pieces]
        return bool(torch.allclose(together, torch.cat(alone), atol=1e-3, rtol=1e-3))
    return False
