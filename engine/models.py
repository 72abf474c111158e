"""Base models and tokenizers: the embedded one, the hub's, or a local folder's."""

import contextlib
import os
import re
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import torch
from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from engine import attention, faster_layers
from engine.blocks import EncodedDocument, cut, pack
from engine.errors import ModelError
from engine.foreign import first_line, model_errors
from engine.likelihood import logits_of
from engine.model_choices import EMBEDDED
from engine.model_files import check_folder, check_sizes, local_folder, model_roots, weight_files
from engine.modes import without_dropout
from engine.names import quoted

EMBEDDED_FOLDER = Path(__file__).resolve().parent.parent / "models"
HUB_TIMEOUT_SECONDS = 3.0
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_LONGEST_NAME = 200

_LOADING = threading.Lock()
"""transformers swaps functions of torch while it builds a model: two threads at once leave weights without data."""

transformers_logging.disable_progress_bar()


@dataclass(frozen=True, eq=False)
class BaseModel:
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

    Folders of the user's lie where the operator allows it (`MODEL_ROOTS`); `ours` is one that a run has written.
    """
    if name == EMBEDDED:
        return check_folder(EMBEDDED_FOLDER / EMBEDDED, name)
    roots = model_roots()
    folder = ours or local_folder(name, roots)
    if folder is not None:
        return check_folder(folder, name)
    if name.startswith(("/", ".", "~")) or len(name) > _LONGEST_NAME or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        allowed = "on this machine" if roots is None else "where this server allows one"
        raise ModelError(
            f"{quoted(name)} is neither a folder {allowed} nor a model name on the hub; check the spelling."
        )
    cached = try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str) and _has_all_weights(Path(cached).parent, name):
        return check_folder(Path(cached).parent, name)
    return check_folder(_download(name), name)


def load_tokenizer(name: str, ours: Path | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a base model. Raises ModelError."""
    folder = locate(name, ours)
    with model_errors(f"{name}: its tokenizer can't be loaded"):
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def marks_of(name: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """The tokens that begin and end a document. Raises ModelError where nothing ends one."""
    eos = tokenizer.eos_token_id
    if eos is None:
        raise ModelError(f"{name}: its tokenizer has no end-of-text token, which separates documents; choose another.")
    return int(tokenizer.bos_token_id if tokenizer.bos_token_id is not None else eos), int(eos)


def load_base(name: str, device: str = "cpu", ours: Path | None = None) -> BaseModel:
    """Load model and tokenizer from safetensors, never with remote code. Raises ModelError with what to do.

    `ours` is the folder of a checkpoint, whatever the name.
    """
    folder = locate(name, ours)
    tokenizer = load_tokenizer(name, ours)
    with _LOADING, model_errors(f"{name}: it can't be loaded as a causal language model"):
        if ours is None and name != EMBEDDED:
            check_sizes(folder, name)
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
    bos, eos = marks_of(name, tokenizer)
    _check_vocabulary(name, model, tokenizer)
    model.requires_grad_(True)
    attention.prefer(model)
    faster_layers.replace(model)
    model.to(torch.device(device))
    context = int(getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2048)
    return BaseModel(name, model, tokenizer, bos, eos, context, keeps_documents_apart(model))


def _check_vocabulary(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises ModelError where the tokenizer has tokens that the model has never heard of."""
    known = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > known:
        raise ModelError(
            f"{name}: its tokenizer has {len(tokenizer):,} tokens but the model knows {known:,}; they don't belong "
            "together. Put the tokenizer's files of this model into the folder."
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


def _has_all_weights(folder: Path, name: str) -> bool:
    """Whether every file of safetensors weights is there: a download that was cut short may have left some out."""
    try:
        return bool(weight_files(folder, name))
    except ModelError:
        return False


def _download(name: str) -> Path:
    offline = constants.HF_HUB_OFFLINE or not _hub_answers()
    if offline:
        raise ModelError(
            f"{name} is not on this machine and the model hub can't be reached. Connect to the network once to "
            f"download it, give the folder of a downloaded model, or choose {EMBEDDED}, which comes with the project."
        )
    try:
        return Path(snapshot_download(name, allow_patterns=_FILES, etag_timeout=HUB_TIMEOUT_SECONDS))
    except GatedRepoError as error:
        raise ModelError(
            f"{name} needs its owner's permission; ask for it on its page and log in with `hf auth login`."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"{name} does not exist on the hub (or is private); check the spelling.") from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"{name} could not be downloaded ({first_line(error)}); try again.") from error


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
