"""What strategies remember and draw: every document is as likely, and every number is the one that was asked for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine import strategies
from engine.common.random_streams import Streams
from engine.strategies.base import Batch, StageView, State
from engine.strategies.tools.memory import Memory
from engine.tokens.blocks import EncodedDocument
from tests.builders import BLOCK, Unigram, blocks_of, document, drawn_from, fisher_of, random_documents, tiny_gpt2

ROWS = {64: 4, 56: 4, 128: 8, 198: 12}


def numbered(count: int, first: int = 1) -> list[EncodedDocument]:
    """Documents whose one target is their number."""
    return [document([0, n]) for n in range(first, first + count)]


def number_of(one: EncodedDocument) -> int:
    return int(one.token_ids[1])


def assert_as_likely(counts: Tensor, draws: int) -> None:
    """Each count is binomial: n draws, probability p, so within 4.5 standard deviations √(np(1 − p)) of np."""
    p = float(counts.sum()) / len(counts) / draws
    assert float((counts - draws * p).abs().max()) < 4.5 * (draws * p * (1 - p)) ** 0.5


def test_every_document_of_a_task_is_as_likely_to_be_kept() -> None:
    kept, draws = torch.zeros(3, 20), 400
    for seed in range(draws):
        memory = Memory(6)
        for task in range(3):
            drawn = torch.Generator().manual_seed(10 * seed + task)
            memory = memory.with_task(numbered(20), drawn)
        for task, documents in enumerate(memory.tasks):
            assert len(documents) == 2
            for one in documents:
                kept[task, number_of(one) - 1] += 1
    for counts in kept:
        assert_as_likely(counts, draws)


def test_every_piece_of_every_document_is_as_likely_to_be_drawn() -> None:
    long = [document([0, *range(1 + 12 * n, 13 + 12 * n)]) for n in range(5)]  # three pieces of four targets each
    memory = Memory(5).with_task(long, torch.Generator().manual_seed(0))
    for wanted, found in ((8, 8), (2, 4)):  # two rows, and one piece for what is less than a row
        counts, draws = torch.zeros(60), 600
        for seed in range(draws):
            drawn = drawn_from(memory, wanted, block_size=4, seed=seed)
            assert drawn is not None
            assert drawn.target_tokens == found
            counts += torch.bincount(drawn.targets.flatten(), minlength=61)[1:61]
        assert_as_likely(counts[::4], draws)


def test_every_document_is_as_likely_in_a_draw_of_less_than_a_row() -> None:
    memory = Memory(20).with_task([document([0, n, n]) for n in range(1, 21)], torch.Generator().manual_seed(0))
    counts, draws = torch.zeros(20), 600
    for seed in range(draws):
        drawn = drawn_from(memory, 6, seed=seed)
        assert drawn is not None
        assert drawn.target_tokens == 6
        counts += torch.bincount(drawn.targets[drawn.targets > 0], minlength=21)[1:] / 2
    assert_as_likely(counts, draws)


def test_a_draw_of_several_rows_is_of_full_ones_and_of_as_many_tokens_as_were_asked_for() -> None:
    documents = random_documents(200, seed=3, longest=12)
    memory = Memory(200).with_task(documents, torch.Generator().manual_seed(0))
    for wanted in ROWS:  # of 3 rows and a half the half is drawn piece by piece, of 12 and a half no longer
        found, rows = 0, 0
        for seed in range(100):
            drawn = drawn_from(memory, wanted, seed=seed)
            assert drawn is not None
            found, rows = found + drawn.target_tokens, rows + len(drawn)
        assert 1 <= rows / (100 * ROWS[wanted]) < 1.05  # the memory's last row is not full
        assert 0.95 * wanted <= found / 100 < wanted + 6  # the last piece may be too long


def test_sparse_and_dense_tasks_have_the_same_share_of_the_targets() -> None:
    dense = [document([0, *[1] * 7])] * 60
    sparse = [document([0, *[2] * 7], first_target=6)] * 60  # two targets of seven
    memory = Memory(120)
    for task in (dense, sparse):
        memory = memory.with_task(task, torch.Generator().manual_seed(0))
    counts = torch.zeros(3)
    for seed in range(50):
        drawn = drawn_from(memory, 60, seed=seed)
        assert drawn is not None
        counts += torch.bincount(drawn.targets[drawn.targets > 0], minlength=3)
    assert float(counts[2] / counts[1]) == pytest.approx(1, abs=0.15)


def test_a_draw_counts_targets_and_not_prompts() -> None:
    documents = [document([0, *range(1, 13)], first_target=11) for _ in range(10)]  # ten of prompt, two of answer
    memory = Memory(10).with_task(documents, torch.Generator().manual_seed(0))
    drawn = drawn_from(memory, 8)
    assert drawn is not None
    assert drawn.target_tokens == 8


def test_a_replay_term_has_its_weight_and_its_share_of_tokens_and_is_drawn_anew_at_every_step() -> None:
    strategy = strategies.build("replay", {"replay_weight": 0.3, "replay_ratio": 0.25, "memory_size": 96})
    memory = strategy.initial_state().fixed.with_task(numbered(96), torch.Generator().manual_seed(0))
    new = blocks_of([document([0, *range(1, 9)], first_target=5)] * 32)  # four targets each
    drawn = []
    for step in (1, 2, 1):
        (term,) = strategy.loss_terms(Batch(new, 2, step, BLOCK, True), State(memory), Streams(0))
        assert (term.name, term.weight) == ("replay", 0.3)
        assert abs(term.blocks.target_tokens - 0.25 * new.target_tokens) <= 1  # two rows of 16
        drawn.append(sorted(term.blocks.targets[term.blocks.targets > 0].tolist()))
    assert drawn[0] == drawn[2] != drawn[1]


def chosen_for_the_fisher(count: int, stage: int = 1, **parameters: Any) -> list[int]:
    """The numbers of the documents whose Fisher information EWC estimates, from the Fisher itself: a token that no
    document has gets no gradient of its own."""
    model = tiny_gpt2(vocabulary=100)
    strategy = strategies.build("ewc", {"fisher_documents": count, **parameters})
    documents, seen = numbered(60), list[int]()

    def once(parts: tuple[Any, ...], compute: Any) -> Mapping[str, Tensor]:
        found = dict(compute())
        # Row k of the tied embedding: all are pushed down alike, the document's own token is pulled up.
        rows = found["transformer.wte.weight"].sum(1)
        seen.extend((rows[1:61] > 0.05 * rows[1:61].max()).nonzero().flatten().add(1).tolist())
        return found

    end = StageView(stage, model, documents, BLOCK, packed=True, check=lambda: None, cached=once)  # type: ignore[arg-type]
    strategy.end_stage(end, strategy.initial_state(), Streams(0))
    return seen


def test_the_fisher_is_estimated_from_as_many_documents_as_were_asked_for() -> None:
    first, other = chosen_for_the_fisher(8), chosen_for_the_fisher(8, stage=2)
    assert len(first) == len(other) == 8
    assert first == chosen_for_the_fisher(8)
    assert first != other
    assert max(first) > 8


def test_a_shared_fisher_is_named_by_all_that_determines_it() -> None:
    plain: dict[str, Any] = {"fisher": "empirical", "fisher_documents": 50}
    changes: tuple[dict[str, Any], ...] = ({}, {"fisher": "sampled"}, {"fisher_documents": 51})
    names = [strategies.build("ewc", plain | change).cost(1).readings[0].shared_as for change in changes]
    assert len(set(names)) == 3
    assert strategies.build("ewc", plain | {"ewc_lambda": 2.0}).cost(1).readings[0].shared_as == names[0]


def test_fisher_of_documents_with_prompts_is_per_target_token() -> None:
    model = Unigram(3)
    one = document([0, 1, 1, 2], first_target=3)  # one target: the token 2, at p = 1/3
    found = fisher_of(model, [one, replace(one, text_bytes=9)], BLOCK)["logits"]  # type: ignore[arg-type]
    assert torch.allclose(found, torch.tensor([1 / 9, 1 / 9, 4 / 9]))


def test_four_hundred_drawn_targets_give_p_times_one_minus_p() -> None:
    model, p = Unigram(3), torch.tensor([0.5, 0.3, 0.2])
    with torch.no_grad():
        model.logits.copy_(p.log())
    drawn = torch.Generator().manual_seed(1)
    found = fisher_of(model, [document([0, 1])] * 400, BLOCK, "sampled", drawn)["logits"]  # type: ignore[arg-type]
    # (p − 1)² with probability p, else p²: a standard deviation of |1 − 2p| √(p(1 − p))
    error = (1 - 2 * p).abs() * (p * (1 - p) / 400).sqrt()
    assert bool(((found - p * (1 - p)).abs() <= 2.5 * error + 1e-6).all())
