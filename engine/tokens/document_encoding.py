"""Documents to token ids, with a mark on what is learnt: texts, pairs joined by a separator, conversations.

Pairs and conversations keep to one block, so that no answer is learnt without its question; what they are too long by
is counted and said.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from engine.common.ranges import ranges
from engine.tasks.documents import Document, Kind, Turn
from engine.tokens.chat_templates import ChatTemplate, Mask, Rendered
from engine.tokens.tokenisation import Counts, Encode, Ids, make_encoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from engine.tasks.spec import TaskSpec


@dataclass(frozen=True, eq=False)
class Encoded:
    """Documents in tokens, one after the other. All numbers are int64 [n]."""

    tokens: Ids
    lengths: Counts
    first_targets: Counts
    """Where in each document what is learnt begins."""
    text_bytes: Counts
    """UTF-8 bytes of what is learnt."""
    learnt: Mask | None = None
    """Per token; None: everything from the first target on."""


class DocumentEncoder(Protocol):
    """Encodes documents, a batch at a time. `counts` fills up with what `remarks` says."""

    counts: Counter[str]

    def __call__(self, documents: Sequence[Document]) -> Encoded: ...


class BytesOf(Protocol):
    """UTF-8 bytes of the text that token ids stand for."""

    def __call__(self, ids: Ids) -> int: ...


class PairEncoder:
    """bos, prompt, separator, text, eos. Prompt and text are tokenised apart: they never share a token."""

    def __init__(
        self, encode_texts: Encode, bos: int, eos: int, separator: str = "", longest: int | None = None,
        bytes_of: BytesOf | None = None,
    ) -> None:  # fmt: skip
        """`longest` is the most tokens that a document with a prompt may have; None: any number. With it `bytes_of`
        counts what is cut off."""
        self._encode, self._bos, self._eos = encode_texts, bos, eos
        self._separator, self._longest, self._bytes_of = separator, longest, bytes_of
        self.counts: Counter[str] = Counter()

    def __call__(self, documents: Sequence[Document]) -> Encoded:
        prompts, in_prompt = self._encode([d.prompt + self._separator if d.prompt else "" for d in documents])
        texts, in_text = self._encode([d.text for d in documents])
        text_bytes = np.array([_utf8(d.text) for d in documents], np.int64)
        lengths = in_prompt + in_text + 2
        starts = np.cumsum(lengths) - lengths
        tokens = np.empty(int(lengths.sum()), np.int32)
        tokens[starts], tokens[starts + lengths - 1] = self._bos, self._eos
        tokens[ranges(starts + 1, in_prompt)] = prompts
        tokens[ranges(starts + 1 + in_prompt, in_text)] = texts
        found = Encoded(tokens, lengths, in_prompt + 1, text_bytes)
        return found if self._longest is None else self._cut(found, documents)

    def _cut(self, found: Encoded, documents: Sequence[Document]) -> Encoded:
        """Of a pair that is too long the beginning of the prompt goes, down to half a block, then the completion's
        end."""
        assert self._longest is not None
        assert self._bytes_of is not None
        is_pair = np.array([bool(d.prompt) for d in documents])
        too_long = is_pair & (found.lengths > self._longest)
        if not too_long.any():
            return found
        prompt, completion = found.first_targets - 1, found.lengths - found.first_targets
        kept_prompt = np.minimum(prompt, np.maximum(self._longest - 1 - completion, (self._longest - 1) // 2))
        kept_prompt = np.where(too_long, kept_prompt, prompt)
        kept_completion = np.where(too_long, np.minimum(completion, self._longest - 1 - kept_prompt), completion)
        self.counts["prompt"] += int((kept_prompt < prompt).sum())
        self.counts["completion"] += int((kept_completion < completion).sum())
        before = np.cumsum(found.lengths) - found.lengths
        lengths = 1 + kept_prompt + kept_completion
        starts = np.cumsum(lengths) - lengths
        tokens = np.empty(int(lengths.sum()), np.int32)
        tokens[starts] = self._bos
        tokens[ranges(starts + 1, kept_prompt)] = found.tokens[ranges(before + 1 + prompt - kept_prompt, kept_prompt)]
        tokens[ranges(starts + 1 + kept_prompt, kept_completion)] = found.tokens[
            ranges(before + 1 + prompt, kept_completion)
        ]
        text_bytes = found.text_bytes.copy()
        for i in np.flatnonzero(kept_completion < completion):
            end = before[i] + found.lengths[i] - 1
            lost = found.tokens[before[i] + found.first_targets[i] + kept_completion[i] : end]
            text_bytes[i] = max(1, int(text_bytes[i]) - self._bytes_of(lost))
        return Encoded(tokens, lengths, kept_prompt + 1, text_bytes)


class ChatEncoder:
    """Conversations by a chat template; pairs as conversations of one question, texts as texts."""

    def __init__(
        self, template: ChatTemplate, texts: PairEncoder, learn: Literal["assistant", "all"], longest: int,
        bytes_of: BytesOf,
    ) -> None:  # fmt: skip
        self._template, self._texts, self._learn, self._longest = template, texts, learn, longest
        self._bytes_of = bytes_of
        self.counts: Counter[str] = Counter()

    def __call__(self, documents: Sequence[Document]) -> Encoded:
        conversations = {i: turns for i, d in enumerate(documents) if (turns := _turns_of(d))}
        rendered = self._fitting(list(conversations.values()))
        parts: dict[int, tuple[Ids, Mask, int]] = {
            i: found for i, found in zip(conversations, rendered, strict=True) if found is not None
        }
        rest = [i for i in range(len(documents)) if i not in conversations]
        if rest:
            plain = self._texts([documents[i] for i in rest])
            ends = np.cumsum(plain.lengths)
            for at, i in enumerate(rest):
                ids = plain.tokens[ends[at] - plain.lengths[at] : ends[at]]
                parts[i] = ids, np.arange(len(ids)) >= plain.first_targets[at], int(plain.text_bytes[at])
        chosen = [parts[i] for i in sorted(parts)]
        lengths = np.array([len(ids) for ids, _, _ in chosen], np.int64)
        return Encoded(
            np.concatenate([np.zeros(0, np.int32), *(ids for ids, _, _ in chosen)]),
            lengths,
            np.array([int(mask.argmax()) for _, mask, _ in chosen], np.int64),
            np.array([size for _, _, size in chosen], np.int64),
            np.concatenate([np.zeros(0, np.bool_), *(mask for _, mask, _ in chosen)]),
        )

    def _fitting(self, conversations: list[tuple[Turn, ...]]) -> list[tuple[Ids, Mask, int] | None]:
        """Every conversation within a block: the oldest turns go first."""
        found: list[tuple[Ids, Mask, int] | None] = [None] * len(conversations)
        left = list(range(len(conversations)))
        shortened: set[int] = set()
        first = True
        while left:
            again = []
            for i, one in zip(left, self._template.render([conversations[i] for i in left]), strict=True):
                if isinstance(one, str):
                    self.counts[f"refused:{one}"] += 1
                    continue
                if first:
                    for reason in one.refused:
                        self.counts[f"turn:{reason}"] += 1
                fewer = _without_oldest(conversations[i], one, self._longest)
                if fewer is not None:
                    self.counts["turns"] += len(conversations[i]) - len(fewer)
                    shortened.add(i)
                    conversations[i] = fewer
                    again.append(i)
                else:
                    found[i] = self._finished(conversations[i], one)
            left, first = again, False
        self.counts["shortened"] += len(shortened)
        return found

    def _bytes_learnt(self, turn: Turn, ids: Ids) -> int:
        """Of an answer its content; of one with tool calls all that the template writes."""
        return self._bytes_of(ids) if turn.more else _utf8(turn.content.strip())

    def _finished(self, turns: Sequence[Turn], one: Rendered) -> tuple[Ids, Mask, int] | None:
        """Token ids, mask, and bytes of what is learnt; None where the question alone fills the block."""
        ids, mask = one.ids, one.learnt
        if mask.all():
            self.counts["refused:by its chat template everything is the assistant's"] += 1
            return None
        if self._learn == "all":
            mask = np.arange(len(ids)) > 0
            size = sum(_utf8(turn.content.strip()) for turn in turns)
        else:
            mask = mask & (np.arange(len(ids)) > 0)  # nothing predicts a first token
            size = sum(self._bytes_learnt(turns[number], one.ids[start:end]) for number, start, end in one.answers)
        if not mask.any():
            self.counts["refused:the chat template leaves nothing of its answers"] += 1
            return None
        if len(ids) > self._longest:
            lost = one.ids[self._longest :][mask[self._longest :]]
            ids, mask = ids[: self._longest], mask[: self._longest]
            if not mask[1:].any():
                self.counts["question"] += 1
                return None
            self.counts["answer"] += 1
            size = max(1, size - self._bytes_of(lost))
        return ids, mask, max(1, size)


@dataclass(frozen=True)
class Rendering:
    """How a task's documents become tokens."""

    encoder: DocumentEncoder
    key: str = ""
    """All that determines the tokens beside the documents and the tokenizer; "" for plain texts."""
    separator: str | None = None
    """Of pairs."""
    chat_template: str | None = None
    """Of conversations, the whole template."""


def make_rendering(
    tokenizer: PreTrainedTokenizerBase, bos: int, eos: int, kind: Kind, spec: TaskSpec, block_size: int
) -> Rendering:
    """The way from a task's documents to tokens, for blocks of `block_size`.

    Raises ModelError where the model can't render conversations as the task wants.
    """
    encode_texts = make_encoder(tokenizer)

    def bytes_of(ids: Ids) -> int:
        return _utf8(tokenizer.decode(ids.tolist(), skip_special_tokens=True))

    if kind == "text":
        return Rendering(PairEncoder(encode_texts, bos, eos))
    if kind == "chat" or spec.template != "auto":
        template = ChatTemplate(tokenizer, spec.template)
        texts = PairEncoder(encode_texts, bos, eos)
        encoder = ChatEncoder(template, texts, spec.learn, block_size + 1, bytes_of)
        key = json.dumps(["chat", template.text, spec.learn, block_size])
        return Rendering(encoder, key, chat_template=template.text)
    if spec.beyond_block == "continue":
        return Rendering(PairEncoder(encode_texts, bos, eos, spec.separator), spec.separator, spec.separator)
    pairs = PairEncoder(encode_texts, bos, eos, spec.separator, block_size + 1, bytes_of)
    return Rendering(pairs, json.dumps(["pairs", spec.separator, block_size]), spec.separator)


def remarks_on(counts: Counter[str]) -> tuple[str, ...]:
    """What had to go, one whole sentence for each reason."""
    found = []

    def say(key: str, one: str, many: str) -> None:
        if counts[key]:
            found.append(one if counts[key] == 1 else many.format(counts[key]))

    say("prompt", "1 prompt is longer than the block allows; its beginning is left out.",
        "{:,} prompts are longer than the block allows; their beginnings are left out.")  # fmt: skip
    say("completion", "1 completion is longer than the block allows; its end is left out.",
        "{:,} completions are longer than the block allows; their ends are left out.")  # fmt: skip
    if counts["shortened"]:
        were = "1 conversation is" if counts["shortened"] == 1 else f"{counts['shortened']:,} conversations are"
        turns = "1 turn" if counts["turns"] == 1 else f"{counts['turns']:,} turns"
        found.append(f"{were} longer than the block; the oldest turns, {turns} in all, are left out.")
    say("answer", "1 answer is longer than the block allows; its end is left out.",
        "{:,} answers are longer than the block allows; their ends are left out.")  # fmt: skip
    say("question", "1 conversation is left out: its question alone fills the block.",
        "{:,} conversations are left out: their questions alone fill the block.")  # fmt: skip
    for key, count in counts.items():
        kind, _, reason = key.partition(":")
        if kind == "refused":
            were = "1 conversation is" if count == 1 else f"{count:,} conversations are"
            found.append(f"{were} left out: {reason}.")
        elif kind == "turn":
            were = "1 turn of the assistant is" if count == 1 else f"{count:,} turns of the assistant are"
            found.append(f"{were} read but not learnt: {reason}.")
    return tuple(found)


def _turns_of(document: Document) -> tuple[Turn, ...]:
    if document.turns or not document.prompt:
        return document.turns
    return Turn("user", document.prompt), Turn("assistant", document.text)


def _without_oldest(turns: tuple[Turn, ...], one: Rendered, longest: int) -> tuple[Turn, ...] | None:
    """The turns without as many of the oldest exchanges as must go at least; None where they fit or only one is left.

    An exchange ends before the next turn of the user. System turns at the beginning stay.
    """
    if len(one.ids) <= longest:
        return None
    lead = 0
    while lead < len(turns) and turns[lead].role == "system":
        lead += 1
    ends = {number: end for number, _, end in one.answers}
    begins = [
        number for number in range(lead + 1, len(turns))
        if turns[number].role == "user" and any(turn.role == "assistant" for turn in turns[lead:number])
        and any(turn.is_answer for turn in turns[number:])
    ]  # fmt: skip
    if not begins:
        return None
    for begin in begins:
        dropped = max((end for number, end in ends.items() if number < begin), default=0)
        if len(one.ids) - dropped <= longest:  # what stays needs no fewer tokens than these
            return turns[:lead] + turns[begin:]
    return turns[:lead] + turns[begins[-1] :]


def _utf8(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def batches(documents: Iterable[Document], characters: int) -> Iterator[list[Document]]:
    """Consecutive documents, about `characters` of them at a time."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text) + len(document.prompt)
        if size >= characters:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
