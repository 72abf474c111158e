import math
import statistics
from dataclasses import replace

import pytest
import torch

from engine.events.scores import Score
from engine.models import lm_head
from engine.tokens import blocks
from engine.training import scoring
from tests.builders import BLOCK, Unigram, blocks_of, document, random_documents, tiny_gpt2


@torch.no_grad()
def by_hand(model: torch.nn.Module, documents: list) -> tuple[float, int, int]:
    """Summed nats, target tokens and correct tokens, one plain pass a document."""
    nats, tokens, correct = 0.0, 0, 0
    for d in documents:
        ids = d.token_ids.long()
        log_p = model(input_ids=ids[None, :-1]).logits[0].log_softmax(-1)[d.first_target - 1 :]
        targets = ids[d.first_target :]
        nats -= float(log_p.gather(1, targets[:, None]).sum())
        tokens += len(targets)
        correct += int((log_p.argmax(-1) == targets).sum())
    return nats, tokens, correct


def test_scores_equal_a_loop_over_documents() -> None:
    model, documents = tiny_gpt2().eval(), random_documents(9, seed=1)
    found = scoring.score(model, blocks_of(documents), text_bytes=100)
    nats, tokens, correct = by_hand(model, documents)
    assert found.total_nats == pytest.approx(nats, rel=1e-5)
    assert (found.target_tokens, found.correct_tokens, found.text_bytes) == (tokens, correct, 100)


def test_scores_do_not_depend_on_batching_or_on_what_shares_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    model, documents = tiny_gpt2(dropout=0.3).train(), random_documents(11, seed=2)
    packed = scoring.score(model, blocks_of(documents), 1)
    alone = scoring.score(
        model, blocks.pack([p for d in documents for p in blocks.cut(d, BLOCK)], 60, False), 1, packed=False
    )
    monkeypatch.setattr(lm_head, "LOGITS_AT_ONCE", 1)
    row_by_row = scoring.score(model, blocks_of(documents[::-1]), 1)
    assert packed.total_nats == pytest.approx(alone.total_nats, rel=1e-5)
    assert packed.total_nats == pytest.approx(row_by_row.total_nats, rel=1e-5)
    assert model.training


def test_prompts_are_read_but_not_scored() -> None:
    model = tiny_gpt2().eval()
    documents = [document([0, 5, 6, 7, 8, 9], first_target=4), document([0, 3, 4, 2], first_target=2)]
    found = scoring.score(model, blocks_of(documents), 1)
    assert found.target_tokens == 2 + 2
    assert found.total_nats == pytest.approx(by_hand(model, documents)[0], rel=1e-5)


def test_questions_between_answers_are_read_but_not_scored() -> None:
    model = tiny_gpt2().eval()
    ids, learnt = [0, 5, 6, 7, 8, 9, 3], [False, False, True, False, False, True, True]
    conversation = replace(document(ids), learnt=torch.tensor(learnt))
    found = scoring.score(model, blocks_of([conversation, document([0, 3, 4])]), 1)
    # −log p of the tokens at 2, 5 and 6, each after all that stands before it, as prompts of their own
    alone = [document(ids[: at + 1], first_target=at) for at in (2, 5, 6)]
    assert found.target_tokens == 3 + 2
    assert found.total_nats == pytest.approx(by_hand(model, [*alone, document([0, 3, 4])])[0], rel=1e-5)


def test_padding_counts_for_nothing() -> None:
    model = Unigram(4)
    found = scoring.score(model, blocks_of([document([0, 1, 2])], block_size=50), 1)
    assert (found.target_tokens, found.nats_per_token) == (2, pytest.approx(math.log(4)))


def test_perplexity_is_exp_of_the_mean_over_tokens() -> None:
    total = Score(10.0, 10, 30, 4) + Score(90.0, 10, 30, 2)
    assert total.perplexity == pytest.approx(math.exp(5.0))
    assert total.nats_per_token == 5.0
    assert total.bits_per_byte == pytest.approx(100 / math.log(2) / 60)
    assert total.accuracy == pytest.approx(0.3)
    assert Score(1e6, 1, 1, 0).perplexity == math.inf


def test_the_sample_and_the_rest_are_all_held_out_text_once() -> None:
    documents = random_documents(40, seed=3)
    held_out = scoring.prepare(documents, BLOCK, sample_tokens=60)
    assert held_out.rest is not None
    assert held_out.sample.target_tokens + held_out.rest.target_tokens == sum(d.target_tokens for d in documents)
    assert held_out.sample_bytes + held_out.rest_bytes == sum(d.text_bytes for d in documents)
    assert 30 <= held_out.sample.target_tokens <= 120
    assert scoring.prepare(documents, BLOCK, sample_tokens=10**6).rest is None


@pytest.mark.parametrize("prompts", [False, True])
def test_every_document_of_a_sample_has_its_own_sums(prompts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, documents = tiny_gpt2().eval(), random_documents(40, seed=3, longest=3 * BLOCK)
    if prompts:
        documents = [replace(d, first_target=1 + n % (len(d.token_ids) - 1)) for n, d in enumerate(documents)]
    held_out = scoring.prepare(documents, BLOCK, sample_tokens=400)
    scored = scoring.score_sample(model, held_out)
    found, sums = scored.score, scored.documents
    assert 8 <= sums.documents == len(sums.nats) < sums.out_of == 40
    assert (sum(sums.tokens), sum(sums.hits), sum(sums.text_bytes)) == (
        found.target_tokens, found.correct_tokens, found.text_bytes,
    )  # fmt: skip
    assert sum(sums.nats) == pytest.approx(found.total_nats, rel=1e-5)
    alone = [scoring.score(model, blocks_of([d]), d.text_bytes) for d in documents]
    for tokens, text_bytes, nats in zip(sums.tokens, sums.text_bytes, sums.nats, strict=True):
        same = [s for s in alone if (s.target_tokens, s.text_bytes) == (tokens, text_bytes)]
        assert any(nats == pytest.approx(s.total_nats, rel=1e-4) for s in same)
    monkeypatch.setattr(scoring, "MOST_UNITS", 5)
    grouped = scoring.score_sample(model, scoring.prepare(documents, BLOCK, sample_tokens=400)).documents
    assert len(grouped.nats) == 5
    assert grouped.documents == sums.documents
    assert sum(grouped.nats) == pytest.approx(sum(sums.nats), rel=1e-5)
    assert grouped.tokens[0] == sum(sums.tokens[::5])


def test_a_sample_has_documents_enough_for_an_error_but_not_at_any_price() -> None:
    assert scoring.sample_size(100, 6_000, 300) == 8  # five hold 300 tokens
    assert scoring.sample_size(100, 6_000, 3_000) == 50
    assert scoring.sample_size(100, 30_000, 300) == 4  # four times the tokens that were asked for
    assert scoring.sample_size(100, 10**6, 300) == 3
    assert scoring.sample_size(2, 10**6, 300) == 2


def test_the_sample_is_the_same_for_every_run_and_every_document_as_likely() -> None:
    documents = random_documents(40, seed=3)
    samples = [scoring.prepare(documents, BLOCK, 60, generator=torch.Generator().manual_seed(n)) for n in (1, 2)]
    assert torch.equal(*(each.sample.select(torch.arange(2)).input_ids for each in samples))


def test_a_sample_of_sorted_documents_has_their_mean_length() -> None:
    documents = [document([0] * n) for n in range(2, 402)]  # lengths 2 … 401: mean 201.5, variance (400² − 1) / 12
    sums = scoring.prepare(documents, 512, sample_tokens=10_000).units
    assert sums.documents == round(10_000 / 200.5)
    mean = sum(sums.text_bytes) / sums.documents
    assert abs(mean - 201.5) < 4 * (400**2 / 12 / sums.documents) ** 0.5
    assert min(sums.text_bytes) < 50
    assert max(sums.text_bytes) > 350


def test_of_long_held_out_text_every_seed_draws_its_own_documents() -> None:
    documents = random_documents(200, seed=8)

    def drawn(seed: int, limit: int | None = 300) -> scoring.HeldOut:
        return scoring.prepare(documents, BLOCK, 60, limit=limit, generator=torch.Generator().manual_seed(seed))

    longest = max(d.target_tokens for d in documents)
    for seed in (0, 1):
        assert 300 <= drawn(seed).target_tokens < 300 + longest
    assert torch.equal(
        drawn(0).sample.select(torch.arange(3)).input_ids, drawn(0).sample.select(torch.arange(3)).input_ids
    )
    assert drawn(0).sample_bytes + drawn(0).rest_bytes != drawn(1).sample_bytes + drawn(1).rest_bytes
    assert drawn(0, limit=10**6).target_tokens == sum(d.target_tokens for d in documents)
    assert drawn(0, limit=1).target_tokens <= longest


def test_the_mean_over_draws_is_the_score_of_all_of_it() -> None:
    model, documents = tiny_gpt2().eval(), random_documents(60, seed=9)
    whole = scoring.prepare(documents, BLOCK, 10**6)
    exact = scoring.score(model, whole.sample, whole.sample_bytes).nats_per_token
    found = []
    for seed in range(40):
        part = scoring.prepare(documents, BLOCK, 10**6, limit=150, generator=torch.Generator().manual_seed(seed))
        found.append(scoring.score(model, part.sample, part.sample_bytes).nats_per_token)
    mean, error = statistics.mean(found), statistics.stdev(found) / len(found) ** 0.5
    assert abs(mean - exact) < 4 * error
    assert error > 0
