import gc

import pytest
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from engine.models import likelihood, lm_head
from engine.strategies.tools import fisher
from tests.builders import BLOCK, VOCABULARY, Unigram, document, fisher_of, random_documents, tiny_gpt2

COUNTS = [5, 3, 2]
"""How often tokens 0, 1 and 2 are the one target of a document."""


def fitted_unigram() -> tuple[Unigram, list]:
    """A unigram model at its maximum-likelihood point on documents of one target each."""
    model = Unigram(3)
    with torch.no_grad():
        model.logits.copy_(torch.tensor(COUNTS, dtype=torch.float32).log())
    return model, [document([0, token]) for token, count in enumerate(COUNTS) for _ in range(count)]


def same(a: dict, b: dict, tolerance: float = 1e-6) -> bool:
    return a.keys() == b.keys() and all(torch.allclose(a[n], b[n], rtol=1e-4, atol=tolerance) for n in a)


def test_fisher_of_a_unigram_model_at_its_optimum_is_p_times_one_minus_p() -> None:
    model, documents = fitted_unigram()
    found = fisher_of(model, documents, BLOCK)["logits"]
    p = torch.tensor([0.5, 0.3, 0.2])
    assert torch.allclose(found, p * (1 - p), atol=1e-6)


def test_sampled_fisher_of_a_unigram_model_comes_to_the_same_in_expectation() -> None:
    model, documents = fitted_unigram()
    generator = torch.Generator().manual_seed(0)
    found = fisher_of(model, documents * 300, BLOCK, "sampled", generator)["logits"]
    p = torch.tensor([0.5, 0.3, 0.2])
    assert torch.allclose(found, p * (1 - p), atol=0.015)


def test_fisher_equals_a_loop_over_documents_and_counts_tied_weights_once() -> None:
    model, documents = tiny_gpt2().eval(), random_documents(7, seed=1)
    expected = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for d in documents:
        model.zero_grad()
        ids = d.token_ids.long()[None]
        logits = model(input_ids=ids[:, :-1]).logits[0]
        F.cross_entropy(logits, ids[0, 1:], reduction="sum").backward()
        for name, p in model.named_parameters():
            expected[name] += p.grad.square()
    tokens = sum(len(d.token_ids) - 1 for d in documents)
    found = fisher_of(model, documents, BLOCK)
    assert same(found, {name: total / tokens for name, total in expected.items()})
    assert "transformer.wte.weight" in found
    assert "lm_head.weight" not in found


def test_fisher_is_the_same_in_every_order_padding_and_batch_size(monkeypatch) -> None:
    model, documents = tiny_gpt2(), random_documents(5, seed=2, longest=15)
    once = fisher_of(model, documents, BLOCK)
    assert same(fisher_of(model, documents[::-1], BLOCK), once)
    assert same(fisher_of(model, documents, 60), once)
    assert same(fisher_of(model, documents, BLOCK, packed=False), once)
    long = [document([0, *range(1, 31)])] * 2  # four pieces each, which alone take a pass each
    whole = fisher_of(model, long, 8)
    monkeypatch.setattr(lm_head, "LOGITS_AT_ONCE", 1)
    assert same(fisher_of(model, long, 8), whole)


def test_a_document_in_several_pieces_counts_as_one_observation() -> None:
    model = Unigram(3)
    found = fisher_of(model, [document([0, 1, 1, 1, 1])], block_size=2)["logits"]
    gradient = 4 * (torch.tensor([1 / 3, 1 / 3, 1 / 3]) - torch.tensor([0.0, 1.0, 0.0]))
    assert torch.allclose(found, gradient.square() / 4)


def test_fisher_restores_mode_and_gradients_and_ignores_dropout() -> None:
    model, documents = tiny_gpt2(dropout=0.5), random_documents(4, seed=4)
    model.train()
    model.transformer.h[0].eval()
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    first = fisher_of(model, documents, BLOCK)
    second = fisher_of(model, documents, BLOCK)
    assert same(first, second)
    assert model.training
    assert not model.transformer.h[0].training
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in model.parameters())
    assert any(f.sum() > 0 for f in first.values())


def tiny_llama() -> LlamaForCausalLM:
    """Norms of a kind that has no gradient formula of its own here, grouped keys, an untied head."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.2,
    )  # fmt: skip
    return LlamaForCausalLM(config)


@pytest.mark.parametrize("make", [tiny_gpt2, tiny_llama])
def test_documents_that_share_a_pass_give_what_each_gives_alone(make, monkeypatch) -> None:
    model, documents = make(), random_documents(9, seed=6, longest=30)
    assert fisher.gradients_come_apart(model)
    together = fisher_of(model, documents, BLOCK)
    monkeypatch.setattr(likelihood, "TOKENS_PER_FORWARD", 2 * BLOCK)
    in_parts = fisher_of(model, documents, BLOCK)
    monkeypatch.setattr(fisher, "gradients_come_apart", lambda model: False)
    alone = fisher_of(model, documents, BLOCK)
    assert same(together, alone)
    assert same(in_parts, alone)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_a_model_whose_gradients_do_not_come_apart_goes_document_by_document() -> None:
    model = tiny_gpt2()
    model.transformer.h[1].attn.c_proj = model.transformer.h[0].attn.c_proj  # its bias has two uses
    assert not fisher.gradients_come_apart(model)
    assert fisher_of(model, random_documents(3, seed=1), BLOCK)


def test_sampled_targets_that_share_a_pass_come_to_the_same_in_expectation(monkeypatch) -> None:
    model, documents = tiny_gpt2(), random_documents(4, seed=5, longest=6) * 400
    together = fisher_of(model, documents, BLOCK, "sampled", torch.Generator().manual_seed(0))
    monkeypatch.setattr(fisher, "gradients_come_apart", lambda model: False)
    alone = fisher_of(model, documents, BLOCK, "sampled", torch.Generator().manual_seed(1))
    sums = [sum(float(f.sum()) for f in found.values()) for found in (together, alone)]
    assert sums[0] == pytest.approx(sums[1], rel=0.1)


def test_bfloat16_changes_the_fisher_by_its_rounding() -> None:
    model, documents = tiny_gpt2(), random_documents(20, seed=7)
    exact = fisher_of(model, documents, BLOCK)
    rounded = fisher_of(model, documents, BLOCK, precision="bfloat16")
    for name, found in rounded.items():
        assert (found - exact[name]).norm() < 0.05 * exact[name].norm()


def test_an_estimate_leaves_no_tensor_behind() -> None:
    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())

    model, documents = tiny_gpt2(), random_documents(20, seed=0)
    fisher_of(model, documents, BLOCK)
    before = alive()
    for _ in range(3):
        fisher_of(model, documents, BLOCK)
    assert alive() == before


@pytest.mark.parametrize("make", [tiny_gpt2, tiny_llama])
@pytest.mark.parametrize(
    "trains", [(".1.",), ("norm", "ln_f"), (".0.", "embed_tokens", "wte"), ("mlp",), ("lm_head", "wte")]
)
def test_fisher_of_the_weights_that_train_is_that_of_the_whole_model_whether_documents_share_a_pass_or_not(
    make, trains, monkeypatch
) -> None:
    model, documents = make(), random_documents(9, seed=6, longest=30)
    whole = fisher_of(model, documents, BLOCK)
    for name, weight in model.named_parameters():
        weight.requires_grad_(any(part in name for part in trains))
    assert fisher.gradients_come_apart(model)
    together = fisher_of(model, documents, BLOCK)
    monkeypatch.setattr(fisher, "gradients_come_apart", lambda model: False)
    alone = fisher_of(model, documents, BLOCK)
    assert together.keys() == alone.keys() == {n for n, p in model.named_parameters() if p.requires_grad}
    for name in together:
        for found in (together, alone):
            assert (found[name] - whole[name]).norm() <= 1e-3 * whole[name].norm(), name


def test_whether_documents_share_a_pass_is_tried_for_each_set_of_weights_that_train(monkeypatch) -> None:
    model, tried = tiny_gpt2(), []
    monkeypatch.setattr(fisher, "_try_together", lambda model: tried.append(model) is None)
    for frozen in (False, False, True, True):
        model.transformer.h[0].requires_grad_(not frozen)
        assert fisher.gradients_come_apart(model)
    assert len(tried) == 2
