"""What a task looks like before it is learnt: sizes, tokens, scripts, lengths."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

from engine.common.foreign_errors import model_errors
from engine.tasks.documents import Document, Task
from engine.tasks.library import text_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_TOKENISED_BYTES = 4_000_000
"""Up to here every document is counted; above, evenly spaced ones are, and the sum is an estimate."""
_SCRIPT_CHARACTERS = 300_000
_SCRIPTS = {"CJK": "Han", "LATIN": "Latin", "HIRAGANA": "Kana", "KATAKANA": "Kana", "HANGUL": "Hangul"}
_NOT_A_SCRIPT = {"FULLWIDTH", "HALFWIDTH", "MODIFIER", "MASCULINE", "FEMININE", "MICRO", "MATHEMATICAL", "COMBINING"}


@dataclass(frozen=True)
class TaskProfile:
    """Facts of one task under one tokenizer. Tokens count texts and prompts, without those that mark the ends."""

    documents: int
    held_out_documents: int
    train_bytes: int
    held_out_bytes: int
    train_tokens: int
    held_out_tokens: int
    tokens_are_estimated: bool
    scripts: tuple[tuple[str, float], ...]
    """Scripts with their shares of the letters, largest first."""
    lengths: tuple[int, ...]
    """Tokens of each training document counted, in order."""
    first: tuple[Document, ...]


def profile(task: Task, tokenizer: PreTrainedTokenizerBase, first: int = 5) -> TaskProfile:
    """Describe a task; `first` training documents are shown as they are learnt. Raises ModelError."""
    train, train_estimated = _token_counts(task.train, tokenizer)
    held_out, held_out_estimated = _token_counts(task.held_out, tokenizer)
    return TaskProfile(
        documents=len(task.train),
        held_out_documents=len(task.held_out),
        train_bytes=text_bytes(task.train),
        held_out_bytes=text_bytes(task.held_out),
        train_tokens=_scaled(train, task.train),
        held_out_tokens=_scaled(held_out, task.held_out),
        tokens_are_estimated=train_estimated or held_out_estimated,
        scripts=scripts(task.train),
        lengths=tuple(train),
        first=task.train[:first],
    )


def scripts(documents: Sequence[Document]) -> tuple[tuple[str, float], ...]:
    """Writing systems by their share of the letters, largest first; empty where there are no letters."""
    every = max(1, sum(len(d.text) for d in documents) // _SCRIPT_CHARACTERS)
    counts = Counter(c for document in islice(documents, 0, None, every) for c in document.prompt + document.text)
    by_script: Counter[str] = Counter()
    for character, count in counts.items():
        script = _script(character)
        if script:
            by_script[script] += count
    letters = sum(by_script.values())
    return tuple((script, count / letters) for script, count in by_script.most_common())


@cache
def _script(character: str) -> str:
    if not character.isalpha():
        return ""
    word = unicodedata.name(character, "").split(" ")[0].split("-")[0]
    return "" if word in _NOT_A_SCRIPT else _SCRIPTS.get(word, word.capitalize())


def _token_counts(documents: Sequence[Document], tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], bool]:
    every = -(-text_bytes(documents) // MAX_TOKENISED_BYTES) or 1
    chosen = documents[::every]
    counts = [0] * len(chosen)
    for texts in ([d.text for d in chosen], [d.prompt for d in chosen]):
        if any(texts):
            # Names of special tokens that stand in a text are text.
            with model_errors("This model's tokenizer can't encode the texts; choose another model"):
                encoded = tokenizer(texts, add_special_tokens=False, split_special_tokens=True, verbose=False)
            counts = [count + len(ids) for count, ids in zip(counts, encoded["input_ids"], strict=True)]
    return counts, every > 1


def _scaled(counts: Sequence[int], documents: Sequence[Document]) -> int:
    return round(sum(counts) * len(documents) / len(counts)) if counts else 0
