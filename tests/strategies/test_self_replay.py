"""Texts that a model writes itself: their law, their beginnings, and how they are replayed."""

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from engine import strategies
from engine.common.random_streams import Streams
from engine.models.likelihood import logits_of
from engine.strategies.base import Batch, KeptWork, StageView, State, Work
from engine.strategies.tools import samples
from engine.tokens.blocks import EncodedDocument
from tests.builders import BLOCK, blocks_of, document, random_documents, tiny_gpt2
from tests.models.test_distributions import another, every_text

BOS = document([0])


def view(model: GPT2LMHeadModel, block_size: int = BLOCK, stage: int = 2, **more: Any) -> StageView:
    return StageView(stage, model, [], block_size, packed=True, check=lambda: None, bos=0, eos=0, **more)


def chance_of(model: GPT2LMHeadModel, text: list[int], temperature: float) -> float:
    logits = logits_of(model, blocks_of([document([0, *text])]))[0].detach() / temperature
    return float(logits.log_softmax(-1)[torch.arange(len(text)), torch.tensor(text)].sum().exp())


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_the_law_of_all_short_texts_their_ends_included_is_the_models(temperature: float) -> None:
    """A count over n texts is binomial: within 4.5 √(n p (1 − p)) of n p."""
    model = another(tiny_gpt2(vocabulary=3, dropout=0.5), by=0.5).train()
    n, longest = 6000, 3
    written = samples.write(view(model, longest), "self-replay", [BOS] * n, temperature, Streams(0))
    counts = Counter(tuple(each.token_ids[1:].tolist()) for each in written)
    assert model.training
    model.eval()
    mass = 0.0
    for text in every_text(3, end=0, longest=longest):
        p = chance_of(model, text, temperature)
        mass += p
        assert abs(counts.pop(tuple(text), 0) - n * p) <= 4.5 * (n * p * (1 - p)) ** 0.5 + 1
    assert mass == pytest.approx(1, abs=1e-4)
    assert not counts, "no other text can come out"


def test_texts_of_one_stream_are_the_same_and_those_of_another_stage_are_not() -> None:
    model = tiny_gpt2()
    first, again, later = (
        samples.write(view(model, stage=stage), "self-replay", [BOS] * 5, 1.0, Streams(0)) for stage in (2, 2, 3)
    )  # fmt: skip
    assert [each.token_ids.tolist() for each in first] == [each.token_ids.tolist() for each in again]
    assert [each.token_ids.tolist() for each in first] != [each.token_ids.tolist() for each in later]


def test_batches_are_drawn_apart() -> None:
    written = samples.write(view(tiny_gpt2()), "self-replay", [BOS] * (2 * samples.AT_ONCE), 1.0, Streams(0))
    halves = written[: samples.AT_ONCE], written[samples.AT_ONCE :]
    assert [each.token_ids.tolist() for each in halves[0]] != [each.token_ids.tolist() for each in halves[1]]


class Kept(Work):
    """Keeps what is offered, as an interrupted attempt would have."""

    def __init__(self, upto: int) -> None:
        self.found: KeptWork | None = None
        self.upto, self.offers = upto, 0

    def kept(self, name: str) -> KeptWork | None:
        return self.found

    def keep(self, name: str, done: int, tensors: Any) -> None:
        self.offers += 1
        if done <= self.upto:
            self.found = KeptWork(name, done, {key: each.clone() for key, each in tensors().items()})


def test_writing_goes_on_where_it_was_cut_off_to_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "AT_ONCE", 2)
    model, beginnings = tiny_gpt2(), [BOS, document([0, 7]), BOS, BOS, document([0, 8]), document([0, 7])]
    work = Kept(upto=2)
    whole = samples.write(view(model, work=work), "self-replay", beginnings, 1.0, Streams(3))
    assert work.offers == 4
    again = samples.write(view(model, work=work), "self-replay", beginnings, 1.0, Streams(3))
    assert work.offers == 4 + 2, "two of four batches were there"
    assert [each.token_ids.tolist() for each in again] == [each.token_ids.tolist() for each in whole]
    assert [each.token_ids[:2].tolist()[-1] for each in whole if len(each.token_ids) > 1][1] == 7


def test_texts_stop_at_the_end_of_a_block_and_keep_the_targets_of_their_beginnings() -> None:
    model = tiny_gpt2()
    with torch.no_grad():
        model.transformer.wte.weight[0].zero_()
    beginning = document([0, 5, 6, 7], first_target=3)
    for one in samples.write(view(model, 6), "self-replay", [beginning] * 20, 1.0, Streams(0)):
        ids = one.token_ids.tolist()
        assert ids[:4] == [0, 5, 6, 7]
        assert len(ids) == 7 or ids[-1] == 0
        assert 0 not in ids[1:-1]
        assert one.first_target == 3


def test_every_past_task_is_written_about_as_often() -> None:
    tasks = [[document([0, 1]), document([0, 2])], [document([0, 3])]]
    memory = samples.written_memory(view(tiny_gpt2()), "self-replay", 8, Streams(0), 1.0, tasks)
    assert Counter(int(each.token_ids[1]) for each in memory.tasks[0]) == {1: 2, 2: 2, 3: 4}
    alone = samples.written_memory(view(tiny_gpt2()), "self-replay", 8, Streams(0))
    assert len(alone) == 8


def test_beginnings_are_first_tokens_or_whole_prompts_that_leave_room() -> None:
    documents = [
        document([0, 1, 2, 3, 4, 5]),
        document([0, 1, 2, 3, 4, 5], first_target=4),
        document([0, 1, 2]),  # ends before three tokens are over
        document([0, *range(1, 12)], first_target=9),  # a prompt as long as the block
    ]
    found = samples.beginnings_of(documents, 2, block_size=8)
    assert [each.token_ids.tolist() for each in found] == [[0, 1, 2], [0, 1, 2, 3]]
    assert [each.first_target for each in found] == [1, 4]


def test_of_a_chat_the_first_question_is_the_beginning_whatever_follows() -> None:
    """Two turns: 1 2 is asked, 3 4 answered, 5 6 asked again: a user's turn is never the model's to write."""
    learnt = torch.tensor([0, 0, 0, 1, 1, 0, 0, 1]).bool()
    chat = replace(document([0, 1, 2, 3, 4, 5, 6, 7], first_target=3), learnt=learnt)
    (beginning,) = samples.beginnings_of([chat], 6, block_size=12)
    assert beginning.token_ids.tolist() == [0, 1, 2]
    assert not beginning.mask.any()


def test_a_task_without_beginnings_is_named() -> None:
    _, state, remarks = begun(tiny_gpt2(), prompt="first tokens", prompt_tokens=500)
    assert state.fixed.beginnings.tasks == ((),)
    assert remarks[0].startswith("No document of task 1 is longer than its first tokens")


def test_a_model_without_a_cache_writes_the_same_texts() -> None:
    model, forgetful = tiny_gpt2(), tiny_gpt2()
    real = forgetful.forward

    def forward(**inputs: Any) -> SimpleNamespace:
        assert "past_key_values" not in inputs
        return SimpleNamespace(logits=real(**inputs).logits)

    forgetful.forward = forward  # type: ignore[method-assign,assignment]
    found = [samples.write(view(each), "x", [BOS] * 8, 1.0, Streams(0)) for each in (model, forgetful)]
    assert [each.token_ids.tolist() for each in found[0]] == [each.token_ids.tolist() for each in found[1]]


def test_two_strategies_write_different_texts() -> None:
    one, other = (
        samples.write(view(tiny_gpt2()), owner, [BOS] * 8, 1.0, Streams(0)) for owner in ("kl", "self-replay")
    )  # fmt: skip
    assert [each.token_ids.tolist() for each in one] != [each.token_ids.tolist() for each in other]


def test_texts_go_to_the_task_whose_words_they_use() -> None:
    counts = [samples.counted([document([0, *words])], 10) for words in ([1, 1, 2], [7, 8, 8])]
    assert counts[0].tolist() == [0, 2, 1, *[0] * 7]
    texts = [document([0, 8, 7, 8, 8]), document([0, 1]), document([0, 8])]
    said = "The model wrote 3 texts of 2 tokens on average"
    assert samples.likenesses(texts, counts) == f"{said}: by their words 1 like task 1, 2 like task 2."
    assert samples.likenesses(texts, counts[:1]) == f"{said}."  # of one task it says nothing that all are like it


def begun(model: GPT2LMHeadModel, **parameters: Any) -> tuple[strategies.Strategy, State, list[str]]:
    """The strategy at the beginning of stage 2, after a first task of words 1 to 9."""
    strategy = strategies.build("self-replay", {"samples": 30, **parameters})
    end = replace(view(model, stage=1), documents=random_documents(12, seed=1, high=10))
    state = strategy.end_stage(end, strategy.initial_state(), Streams(0))
    remarks: list[str] = []
    return strategy, strategy.begin_stage(view(model, remark=remarks.append), state, Streams(0)), remarks


@pytest.mark.parametrize("loss", ["cross-entropy", "kl"])
def test_a_step_replays_the_written_texts_with_their_weight_and_loss(loss: str) -> None:
    model = tiny_gpt2()
    strategy, state, remarks = begun(model, loss=loss, replay_weight=0.4)
    batch = Batch(blocks_of(random_documents(20, seed=2)), 2, 1, BLOCK, True)
    (term,) = strategy.loss_terms(batch, state, Streams(0))
    assert (term.name, term.weight) == ("self-replay", 0.4)
    assert (term.against is None) == (loss == "cross-entropy")
    assert abs(term.blocks.target_tokens - 0.5 * batch.blocks.target_tokens) < BLOCK
    words = {tuple(each.token_ids.tolist()) for each in state.fixed.texts.tasks[0]}
    assert len(words) > 10
    assert remarks == [remarks[0]]
    assert remarks[0].startswith("The model wrote 30 texts")


def test_from_bos_no_text_of_the_users_is_kept_and_from_first_tokens_their_beginnings_alone() -> None:
    model = tiny_gpt2()
    _, state, _ = begun(model)
    assert state.fixed.beginnings.tasks == ()
    _, state, _ = begun(model, prompt="first tokens", prompt_tokens=2)
    kept: list[EncodedDocument] = [each for task in state.fixed.beginnings.tasks for each in task]
    assert {len(each.token_ids) for each in kept} == {3}
    firsts = {tuple(each.token_ids.tolist()) for each in kept}
    assert {tuple(each.token_ids[:3].tolist()) for each in state.fixed.texts.tasks[0]} <= firsts
    assert all(isinstance(each, Tensor) for each in state.fixed.token_counts)
