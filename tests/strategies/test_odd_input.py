"""Every strategy on what is rare: a model that can't pack documents, prompts, conversations, tasks of few documents."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch

from engine import events, strategies
from engine.models.loading import LoadedModel
from engine.strategies.base import Strategy
from engine.strategies.terms import Term
from engine.tokens.blocks import IGNORED, Blocks, EncodedDocument, cut, pack
from engine.training.loop import train
from engine.training.run_state import EncodedTask, RunSetup
from engine.training.scoring import prepare
from tests.builders import BLOCK, VOCABULARY, document, loaded, random_documents, small_setup
from tests.strategies.test_contract import terms_of

Change: TypeAlias = Callable[[Sequence[EncodedDocument]], list[EncodedDocument]]
CHOICES = [
    (name, {key: each.choices[number] for key, each in strategies.parameters_of(name).items() if each.choices})
    for name in strategies.offered()
    for number in (0, 1)
    if number == 0 or (any(each.choices for each in strategies.parameters_of(name).values()) and "+" not in name)
]
READING = [(name, values) for name, values in CHOICES if strategies.build(name, {}).redefines("loss_terms")]


def with_prompts(documents: Sequence[EncodedDocument]) -> list[EncodedDocument]:
    """Of every second document of more than three tokens, two more are a prompt."""
    long = [n % 2 == 0 and len(each.token_ids) > 3 for n, each in enumerate(documents)]
    return [
        EncodedDocument(each.token_ids, 3, 4) if is_long else each
        for each, is_long in zip(documents, long, strict=True)
    ]


def as_conversations(documents: Sequence[EncodedDocument]) -> list[EncodedDocument]:
    """Every second token is learnt, longer ones than a block among them."""
    longer = [document([*each.token_ids.tolist(), *each.token_ids.tolist()[1:] * 2]) for each in documents]
    return [EncodedDocument(each.token_ids, 1, 4, torch.arange(len(each.token_ids)) % 2 == 1) for each in longer]


def few(documents: Sequence[EncodedDocument]) -> list[EncodedDocument]:
    return list(documents[:2])


def unpacked(checkpoint: Path | None) -> LoadedModel:
    return replace(loaded(checkpoint), packed=False)


def changed(setup: RunSetup, change: Change, together: bool = True) -> RunSetup:
    """The run over changed texts of other random documents; with `together` false each has a row of its own."""

    def task(own: EncodedTask, number: int) -> EncodedTask:
        documents = change(random_documents(12, number))
        held_out = prepare(change(random_documents(4, 10 + number)), BLOCK, 40, together)
        rows = pack([piece for each in documents for piece in cut(each, BLOCK)], BLOCK, together)
        return replace(own, documents=tuple(documents), blocks=rows, held_out=held_out)

    load = loaded if together else unpacked
    return replace(setup, load_model=load, tasks=tuple(task(own, number) for number, own in enumerate(setup.tasks)))


def with_texts(name: str, values: dict[str, Any], texts: int = 7) -> Strategy:
    counts = {key: texts for key, each in strategies.parameters_of(name).items() if each.unit in ("documents", "texts")}
    return strategies.build(name, values | counts)


def spied(verb: Callable[..., list[Term]], seen: list[Blocks]) -> Callable[..., list[Term]]:
    def spy(*arguments: Any) -> list[Term]:
        terms = verb(*arguments)
        seen.extend(term.blocks for term in terms)
        return terms

    return spy


@pytest.mark.parametrize("change", [with_prompts, as_conversations, few])
@pytest.mark.parametrize(("name", "values"), READING)
def test_prompts_conversations_and_few_documents_give_finite_terms_and_resume_alike(
    name: str, values: dict[str, Any], change: Change, tmp_path: Path
) -> None:
    setup = changed(small_setup(with_texts(name, values), tmp_path), change)
    whole = list(train(setup))
    assert isinstance(whole[-1], events.RunFinished)
    for event in whole:
        if isinstance(event, events.StepDone):
            assert all(math.isfinite(value) for value in event.terms.values())
    resumed = terms_of(list(train(replace(setup, finished_stages=1))))
    assert resumed == [each for each in terms_of(whole) if each[0] >= resumed[0][0]]


@pytest.mark.parametrize(("name", "values"), READING)
def test_of_a_model_that_cannot_pack_every_row_of_a_term_holds_one_piece(
    name: str, values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy, seen = with_texts(name, values), list[Blocks]()
    for cls in strategies.parts_of(name):
        monkeypatch.setattr(cls, "loss_terms", spied(cls.loss_terms, seen))
    setup = changed(small_setup(strategy, tmp_path, tasks=2), with_prompts, together=False)
    assert isinstance(list(train(setup))[-1], events.RunFinished)
    assert seen
    for blocks in seen:
        for targets, positions in zip(blocks.targets, blocks.position_ids, strict=True):
            last = int((targets != IGNORED).nonzero()[-1])
            assert positions[: last + 1].tolist() == list(range(last + 1))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("change", [with_prompts, as_conversations, few])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("kl", {}),
        ("kl", {"reference_text": "samples"}),
        ("kl", {"reference_text": "new"}),
        ("self-replay", {"loss": "kl", "prompt": "first tokens"}),
        ("der", {"top_k": VOCABULARY}),
    ],
)
def test_at_a_stages_first_step_the_model_is_its_teacher_and_the_divergence_nothing(
    name: str, values: dict[str, Any], change: Change, together: bool, tmp_path: Path
) -> None:
    """Closed form: KL(π ‖ π) = 0, token by token; a distribution of another token would show."""
    short = small_setup(with_texts(name, values), tmp_path, tasks=2, tokens_per_step=16)
    setup = changed(short, change, together)
    steps = [event for event in train(setup) if isinstance(event, events.StepDone) and event.stage == 2]
    assert abs(steps[0].terms[name]) < 1e-6
    assert max(step.terms[name] for step in steps) > 1e-4
