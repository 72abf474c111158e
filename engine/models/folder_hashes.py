"""Hashes of a model folder's files."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from engine.common.durable_files import file_hash

_OF_TOKENIZERS = (".json", ".txt", ".model", ".jinja")


def folder_hash(folder: Path) -> str:
    """The hash of a model folder's files, wherever it lies."""
    return files_hash(file for file in folder.iterdir() if file.suffix in (*_OF_TOKENIZERS, ".safetensors"))


def safetensors_hash(folder: Path) -> str:
    """The hash of the weights in a model folder alone."""
    return files_hash(folder.glob("*.safetensors"))


def tokenizer_hash(folder: Path) -> str:
    """The hash of the files of a model folder that may determine its tokens: all but the weights."""
    return files_hash(file for file in folder.iterdir() if file.suffix in _OF_TOKENIZERS)


def files_hash(files: Iterable[Path]) -> str:
    """The hash of files' names and contents. Raises OSError."""
    found = [(file, file.stat()) for file in sorted(files)]
    return _files_hash(tuple((file, about.st_size, about.st_mtime_ns) for file, about in found))


@lru_cache(maxsize=64)
def _files_hash(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for file, *_ in files:
        digest.update(file.name.encode() + bytes.fromhex(file_hash(file)))
    return digest.hexdigest()
