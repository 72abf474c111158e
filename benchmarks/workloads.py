"""Every participant trains on the same: a model folder and texts in its tokens, written as one JSON file.

    {"model": folder, "learning_rate": 1e-4, "block_size": 256,
     "tasks": [{"texts": [[token, …], …], "input_ids": [[…], …], "targets": [[…], …]}, …]}

`texts` have bos and eos and at most `block_size` tokens; `input_ids` and `targets` are the same texts packed.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from engine.models.choices import EMBEDDED
from engine.models.loading import load_tokenizer, locate
from engine.tasks import Document, load_task, samples
from engine.tokens.blocks import EncodedDocument, cut, pack
from engine.tokens.encoded_documents import encode

BLOCK_SIZE = 256
LEARNING_RATE = 1e-4


def embedded_model() -> Path:
    """The folder of the model that comes with the project."""
    return locate(EMBEDDED)


def make_gpt2(tokenizer: Path, folder: Path) -> Path:
    """A GPT-2 of 124 M parameters with random weights in `folder`."""
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(folder)
    return folder


def texts_of(source: str) -> list[list[str]]:
    """The documents of the project's samples, or of one text file with a blank line between documents, by task."""
    if source == "samples":
        tasks = [load_task(sample.spec) for sample in samples()]
        return [[document.prompt + document.text for document in task.train] for task in tasks]
    paragraphs = Path(source).read_text(encoding="utf-8").split("\n\n")
    return [[text.strip() for text in paragraphs if text.strip()]]


def write_workload(
    model: Path, tasks: Sequence[Sequence[str]], tokens: int, file: Path, block_size: int = BLOCK_SIZE
) -> dict[str, Any]:
    """Write texts of about `tokens` target tokens a task; what comes back describes the first task."""
    encoded = [_first(_encode(model, texts, block_size), tokens) for texts in tasks]
    data = {
        "model": str(model),
        "learning_rate": LEARNING_RATE,
        "block_size": block_size,
        "tasks": [_task(documents, block_size) for documents in encoded],
    }
    file.write_text(json.dumps(data))
    first = encoded[0]
    per_text = sum(document.target_tokens for document in first) / len(first)
    rows = max(1, round(8 * per_text / block_size))
    return {"file": str(file), "texts": len(first), "tokens_per_text": per_text, "tokens_per_step": rows * block_size}


def read_documents(task: dict[str, Any]) -> tuple[EncodedDocument, ...]:
    """A written task's texts as the engine takes them."""
    return tuple(EncodedDocument(torch.tensor(ids, dtype=torch.int32), 1, len(ids)) for ids in task["texts"])


def _encode(model: Path, texts: Sequence[str], block_size: int) -> list[EncodedDocument]:
    """Texts longer than a block are cut into several, so that every participant sees the same ones whole."""
    tokenizer = load_tokenizer(str(model))
    eos = tokenizer.eos_token_id
    bos = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else eos
    documents = encode(tokenizer, [Document(text) for text in texts], bos, eos)
    pieces = [
        document.token_ids[start : start + block_size]
        for document in documents
        for start in range(0, len(document.token_ids) - 1, block_size - 1)
    ]
    return [EncodedDocument(ids, 1, len(ids)) for ids in pieces]


def _first(documents: Sequence[EncodedDocument], tokens: int) -> list[EncodedDocument]:
    """Documents in a fixed random order until they hold `tokens` target tokens, or all of them."""
    chosen: list[EncodedDocument] = []
    for index in torch.randperm(len(documents), generator=torch.Generator().manual_seed(0)).tolist():
        if tokens <= 0:
            break
        chosen.append(documents[index])
        tokens -= documents[index].target_tokens
    return chosen


def _task(documents: Sequence[EncodedDocument], block_size: int) -> dict[str, Any]:
    blocks = pack([piece for document in documents for piece in cut(document, block_size)], block_size)
    return {
        "texts": [document.token_ids.tolist() for document in documents],
        "input_ids": blocks.input_ids.tolist(),
        "targets": blocks.targets.tolist(),
    }
