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
from engine.tokens.chat_text import DATE, Whole
from engine.tokens.oldest_turns import Shortening
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
    """Encodes documents, a batch at a time. `counts` fills up with what `remarks_on` says."""

    counts: Counter[str]

    def __call__(self, documents: Sequence[Document]) -> Encoded: ...


class BytesOf(Protocol):
    """UTF-8 bytes of the text that token ids stand for, without white space around it where it is `stripped`."""

    def __call__(self, ids: Ids, stripped: bool = False) -> int: ...


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
        kept, wholes = self._shortened(conversations)
        rendered: list[Rendered | str]
        if self._learn == "all":
            rendered = [one if isinstance(one, str) else _all_of(one) for one in wholes]
        else:
            rendered = self._template.answers(kept, wholes)
        found: list[tuple[Ids, Mask, int] | None] = []
        for turns, whole, one in zip(kept, wholes, rendered, strict=True):
            if isinstance(whole, str) or isinstance(one, str):
                self.counts[f"refused:{one}"] += 1
                found.append(None)
                continue
            for reason in one.refused:
                self.counts[f"turn:{reason}"] += 1
            found.append(self._finished(turns, whole, one))
            if found[-1] is not None:
                self.counts["unwritten"] += len(self._template.unwritten(turns, whole))
                self.counts.update(f"unused:{key}" for key in self._template.unused_keys(turns))
        return found

    def _shortened(self, conversations: list[tuple[Turn, ...]]) -> tuple[list[tuple[Turn, ...]], list[Whole | str]]:
        """The conversations, without what follows the last answer and as many of the oldest exchanges as must go where
        they are longer than a block; and how the template writes them."""
        wholes, kept = self._template.wholes(conversations), list(conversations)
        searches = {
            i: Shortening(conversations[i], to_the_end=self._learn == "all")
            for i, whole in enumerate(wholes) if not isinstance(whole, str) and len(whole.ids) > self._longest
        }  # fmt: skip
        while asked := {i: turns for i, search in searches.items() if (turns := search.candidate) is not None}:
            for i, whole in zip(asked, self._template.wholes(list(asked.values())), strict=True):
                if searches[i].answer(not isinstance(whole, str) and len(whole.ids) <= self._longest):
                    kept[i], wholes[i] = asked[i], whole
        for search in searches.values():
            self.counts["after"] += search.after
            self.counts["turns"] += search.dropped
            self.counts["shortened"] += search.dropped > 0
        return kept, wholes

    def _bytes_learnt(self, turn: Turn, ids: Ids, written: str) -> int:
        """Of an answer its content; of one with tool calls, or whose content does not stand in it, all that the
        template writes."""
        if turn.more:
            return self._bytes_of(ids)
        content = turn.content.strip()
        return _utf8(content) if content in written else self._bytes_of(ids, stripped=True)

    def _bytes_of_all(self, turns: tuple[Turn, ...], whole: Whole) -> int:
        """The same of all turns."""
        missing = set(self._template.unwritten(turns, whole))
        apart = [number for number, turn in enumerate(turns) if turn.more or number in missing]
        size = sum(_utf8(turn.content.strip()) for number, turn in enumerate(turns) if number not in apart)
        return size + (self._template.bytes_written(turns, whole, apart) if apart else 0)

    def _finished(self, turns: tuple[Turn, ...], whole: Whole, one: Rendered) -> tuple[Ids, Mask, int] | None:
        """Token ids, mask, and bytes of what is learnt; None where the question alone fills the block."""
        ids, mask = one.ids, one.learnt
        if self._learn == "all":
            size = self._bytes_of_all(turns, whole)
        elif mask.all():
            self.counts["refused:by its chat template everything is the assistant's"] += 1
            return None
        else:
            size = sum(
                self._bytes_learnt(turns[number], ids[start:end], written)
                for (number, start, end), written in zip(one.answers, one.written, strict=True)
            )
        mask = mask & (np.arange(len(ids)) > 0)  # nothing predicts a first token
        if not mask.any():
            self.counts["refused:the chat template leaves nothing of its answers"] += 1
            return None
        if len(ids) > self._longest:
            lost = ids[self._longest :][mask[self._longest :]]
            ids, mask = ids[: self._longest], mask[: self._longest]
            if not mask[1:].any():
                self.counts["question"] += 1
                return None
            if len(lost):
                self.counts["end" if self._learn == "all" else "answer"] += 1
                size = max(1, size - self._bytes_of(lost))
        return ids, mask, max(1, size)


@dataclass(frozen=True)
class Tokenisation:
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
) -> Tokenisation:
    """The way from a task's documents to tokens, for blocks of `block_size`.

    Raises ModelError where the model can't render conversations as the task wants.
    """
    encode_texts = make_encoder(tokenizer)

    def bytes_of(ids: Ids, stripped: bool = False) -> int:
        text = str(tokenizer.decode(ids.tolist(), skip_special_tokens=True))
        return _utf8(text.strip() if stripped else text)

    if kind == "text":
        return Tokenisation(PairEncoder(encode_texts, bos, eos))
    if kind == "chat" or spec.template != "auto":
        template = ChatTemplate(tokenizer, spec.template)
        texts = PairEncoder(encode_texts, bos, eos)
        encoder = ChatEncoder(template, texts, spec.learn, block_size + 1, bytes_of)
        dated = []
        if template.is_dated:
            encoder.counts["dated"] = 1
            dated = [DATE.date().isoformat()]
        key = json.dumps(["chat", template.text, spec.learn, block_size, *dated])
        return Tokenisation(encoder, key, chat_template=template.text)
    if spec.beyond_block == "continue":
        return Tokenisation(PairEncoder(encode_texts, bos, eos, spec.separator), spec.separator, spec.separator)
    pairs = PairEncoder(encode_texts, bos, eos, spec.separator, block_size + 1, bytes_of)
    return Tokenisation(pairs, json.dumps(["pairs", spec.separator, block_size]), spec.separator)


def _turns_of(document: Document) -> tuple[Turn, ...]:
    if document.turns or not document.prompt:
        return document.turns
    return Turn("user", document.prompt), Turn("assistant", document.text)


def _all_of(whole: Whole) -> Rendered:
    """A conversation that is learnt from its first token to its last."""
    return Rendered(whole.ids, np.ones(len(whole.ids), np.bool_), (), ())


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
