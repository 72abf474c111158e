"""Probes held against models: likelihoods as of a loop over single texts, and rigged models that score as they must."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.common.errors import ConfigError
from engine.insight.measures import probe_scores
from engine.insight.measures.probe_items import Item, items_of
from engine.insight.measures.probe_scores import choice_nats, probed
from engine.insight.measures.probes import AGREEMENT, ARITHMETIC, COPYING, LOOK_UP, PROBES, SORTING, Probe
from engine.models.loading import LoadedModel, load_base

MIXED = Probe("mixed", "Mixed", 3, False, "Choices of several lengths, of which some share their beginnings.")
ITEMS = (
    Item("The king of", (" France and Spain", " France and Italy", " the"), 0),
    Item("12 + 3 =", (" 15", " 16", " 29"), 0),
    Item("A long prompt about nothing at all, which goes on and on, and then", (" a", " ended at last", " ended"), 2),
)


def test_likelihoods_are_those_of_a_loop_over_single_texts() -> None:
    base = load_base("tiny-gpt2")
    model, tokenizer = base.model.eval(), base.tokenizer
    found = choice_nats(base, MIXED, ITEMS)
    for item, nats in zip(ITEMS, found, strict=True):
        for choice, value in zip(item.choices, nats, strict=True):
            before = [base.bos, *tokenizer.encode(item.prompt)]
            ids = torch.tensor([[*before, *tokenizer.encode(choice)]])
            with torch.no_grad():
                law = model(input_ids=ids).logits[0].log_softmax(-1)
            expected = -sum(float(law[at - 1, ids[0, at]]) for at in range(len(before), ids.shape[1]))
            assert value == pytest.approx(expected, abs=1e-3)


class Rigged(torch.nn.Module):
    """Gives a token that continues a known text a probability near 1, and every other the same."""

    def __init__(self, texts: list[list[int]], vocabulary: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=vocabulary))
        self.device, self._vocabulary = torch.device("cpu"), vocabulary
        self._next = {tuple(text[:end]): text[end] for text in texts for end in range(1, len(text))}

    def forward(self, input_ids: Tensor, position_ids: Tensor | None = None, use_cache: bool = False) -> Any:
        logits = torch.zeros(*input_ids.shape, self._vocabulary)
        for row, ids in enumerate(input_ids.tolist()):
            for at in range(len(ids)):
                if (token := self._next.get(tuple(ids[: at + 1]))) is not None:
                    logits[row, at, token] = 20.0
        return SimpleNamespace(logits=logits)


def rigged(probe: Probe, knows: bool) -> LoadedModel:
    """A model that knows every answer of a probe, or nothing."""
    tiny = load_base("tiny-gpt2")
    texts = [[tiny.bos, *tiny.tokenizer.encode(i.prompt), *tiny.tokenizer.encode(i.answer)] for i in items_of(probe)]
    model: Any = Rigged(texts if knows else [], 4096)
    return LoadedModel("rigged", model, tiny.tokenizer, tiny.bos, tiny.eos, 256, packed=True)


@pytest.mark.parametrize("probe", [LOOK_UP, AGREEMENT], ids=lambda probe: probe.name)
def test_a_model_that_knows_the_answers_has_all_and_one_that_knows_nothing_as_many_as_chance(probe: Probe) -> None:
    assert all(probed(rigged(probe, knows=True), probe).right)
    items = items_of(probe)
    found = choice_nats(rigged(probe, knows=False), probe, items)
    by_chance = [int(nats.argmin()) == item.right for nats, item in zip(found, items, strict=True)]
    assert abs(sum(by_chance) / len(items) - probe.chance) < 0.08


@pytest.mark.parametrize("probe", [ARITHMETIC, COPYING, SORTING], ids=lambda probe: probe.name)
def test_written_answers_are_right_where_their_first_line_is_the_answer(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, items = rigged(probe, knows=True), items_of(probe)
    endings = ["\nMore: text", "", " and more", "\n"]
    given: dict[str, Any] = {}

    def written(model: Any, prompts: Any, most: int, ends: Any, seen: Any) -> list[Tensor]:
        given["most"] = most
        texts = [item.answer.upper() + endings[number % 4] for number, item in enumerate(items)]
        return [torch.tensor(base.tokenizer.encode(text)) for text in texts]

    monkeypatch.setattr(probe_scores, "continuations", written)
    monkeypatch.setattr(probe_scores, "ends_of", lambda base: [0])
    found = probed(base, probe)
    assert all(found.right)
    assert found.written == tuple(number % 4 != 2 for number in range(len(items)))
    assert given["most"] > max(len(base.tokenizer.encode(item.answer)) for item in items)


def test_items_longer_than_the_context_are_refused_by_the_probes_name() -> None:
    tiny = load_base("tiny-gpt2")
    short = LoadedModel("short", tiny.model, tiny.tokenizer, tiny.bos, tiny.eos, 16, packed=True)
    with pytest.raises(ConfigError, match=r"The probe Copying has items of [0-9]+ tokens, more than the 16"):
        choice_nats(short, COPYING, items_of(COPYING))


def test_all_probes_fit_the_embedded_models_context() -> None:
    tiny = load_base("tiny-gpt2")
    longest = max(
        len(tiny.tokenizer.encode(item.prompt)) + 2 * len(tiny.tokenizer.encode(choice))
        for probe in PROBES
        for item in items_of(probe)
        for choice in item.choices
    )
    assert longest + 8 < tiny.context == 256


def test_progress_is_told_and_may_end_the_work() -> None:
    told: list[int] = []
    choice_nats(load_base("tiny-gpt2"), MIXED, ITEMS, told.append)
    assert told == sorted(told)

    def end(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probed(load_base("tiny-gpt2"), AGREEMENT, end)
    assert np.isfinite(told).all()
