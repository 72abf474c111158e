"""Guards held against a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from engine.common.errors import ConfigError
from engine.common.quoting import quoted
from engine.events.scores import GuardOutcome
from engine.guards.guard import OF_ANSWERS, Guard
from engine.insight.measures.answers import Tokens, answers, check_room
from engine.insight.measures.prompts import Prompt
from engine.insight.measures.token_scores import token_scores
from engine.models.loading import LoadedModel
from engine.tasks.documents import Turn
from engine.tokens.blocks import EncodedDocument
from engine.tokens.chat_templates import ChatTemplate
from engine.tokens.encoded_documents import EncodedDocuments
from engine.tokens.tokenisation import make_encoder


def check_guards(
    base: LoadedModel, guards: Sequence[Guard], progress: Callable[[], None] = lambda: None
) -> list[GuardOutcome]:
    """An outcome for every guard; `progress` is called between pieces of work, and may raise.

    Answers are greedy. A continuation's likelihood is Σ log p(token | prompt, tokens before it), prompt and
    continuation tokenised apart; a loss is the mean of −log p over the tokens of the text. Raises ConfigError where a
    guard is longer than the model's context.
    """
    check_fits(base, base.context, guards)
    outcomes: dict[int, GuardOutcome] = {}
    asked = [number for number, guard in enumerate(guards) if guard.kind in OF_ANSWERS]
    for most in sorted({guards[number].answer_tokens for number in asked}):
        numbers = [number for number in asked if guards[number].answer_tokens == most]
        prompts = [Prompt(guards[number].prompt, guards[number].chat) for number in numbers]
        found = answers(base, prompts, most, None, lambda written: progress())
        for number, answer in zip(numbers, found, strict=True):
            outcomes[number] = GuardOutcome(guards[number].accepts(answer.text), answer.text)
    rest = [number for number in range(len(guards)) if number not in outcomes]
    for number, sums in zip(rest, _log_likelihoods(base, [guards[n] for n in rest], progress), strict=True):
        outcomes[number] = _by_likelihood(guards[number], sums)
    return [outcomes[number] for number in range(len(guards))]


def check_fits(base: Tokens, context: int, guards: Sequence[Guard]) -> None:
    """Raises ConfigError that names the guard where one is longer than the model's `context`, or has no text in its
    tokens; ModelError where the model's chat template can't write a prompt."""
    for guard in guards:
        if guard.kind in OF_ANSWERS:
            check_room(base, context, Prompt(guard.prompt, guard.chat), guard.answer_tokens, _named(guard))
        else:
            for text in _texts(guard):
                _document(base, context, guard, text)


@dataclass(frozen=True)
class _Likelihood:
    nats: float
    """−log p of the whole."""
    tokens: int


def _by_likelihood(guard: Guard, found: Sequence[_Likelihood]) -> GuardOutcome:
    if guard.loss_at_most is not None:
        loss = found[0].nats / found[0].tokens
        return GuardOutcome(loss <= guard.loss_at_most, f"a loss of {loss:.3f} nats per token")
    own, *others = found
    nearest = min(range(len(others)), key=lambda number: others[number].nats)
    ahead = others[nearest].nats - own.nats
    words = f"{abs(ahead):.2f} nats {'likelier' if ahead > 0 else 'less likely'} than {quoted(guard.than[nearest])}"
    return GuardOutcome(ahead > 0, words)


def _log_likelihoods(
    base: LoadedModel, guards: Sequence[Guard], progress: Callable[[], None]
) -> list[list[_Likelihood]]:
    """For each guard the likelihood of each of its texts."""
    texts = [_texts(guard) for guard in guards]
    pairs = [(guard, text) for guard, own in zip(guards, texts, strict=True) for text in own]
    documents = [_document(base, base.context, guard, text) for guard, text in pairs]
    if not documents:
        return []
    encoded = EncodedDocuments.of(documents)
    nats = token_scores(base, encoded, base.context, lambda done, of: progress()).nats
    ends = np.cumsum(encoded.targets)
    starts = ends - encoded.targets
    parts = [nats[start:end] for start, end in zip(starts, ends, strict=True)]
    remaining = iter(_Likelihood(float(part.sum(dtype=np.float64)), len(part)) for part in parts)
    return [[next(remaining) for _ in own] for own in texts]


def _texts(guard: Guard) -> list[str]:
    """Those whose likelihood decides."""
    return [guard.text] if guard.text is not None else [guard.likelier or "", *guard.than]


def _named(guard: Guard) -> str:
    return f"The guard {quoted(guard.title)}"


def _document(base: Tokens, context: int, guard: Guard, text: str) -> EncodedDocument:
    encode = make_encoder(base.tokenizer)
    before = [base.bos, *encode([guard.prompt])[0].tolist()] if guard.prompt else [base.bos]
    if guard.chat:
        before = ChatTemplate(base.tokenizer, "auto").asked([Turn("user", guard.prompt)]).tolist()
    own = encode([text])[0].tolist()
    if len(before) + len(own) > context or not own:
        why = (
            f"has {len(before) + len(own):,} tokens, more than the {context:,} that the model reads at once"
            if own
            else "has no text in this model's tokens"
        )
        raise ConfigError(f"{_named(guard)} {why}; write another text.")
    return EncodedDocument(torch.tensor([*before, *own], dtype=torch.int32), len(before), len(text.encode()))
