from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from engine.models import lm_head
from engine.models.likelihood import predictions, weighted_nats
from engine.tokens.blocks import IGNORED
from tests.builders import Unigram, blocks_of, random_documents, tiny_gpt2


def given(bias: bool = True, seed: int = 0) -> tuple[torch.Tensor, torch.nn.Linear, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    head = torch.nn.Linear(6, 11, bias=bias)
    return torch.randn(9, 6, requires_grad=True), head, torch.randint(11, (9,)), torch.rand(9)


@pytest.mark.parametrize("at_once", [1, 30, 2**26])
@pytest.mark.parametrize("bias", [True, False])
def test_the_loss_and_its_gradients_are_autograds_whatever_the_chunks(
    at_once: int, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lm_head, "LOGITS_AT_ONCE", at_once)
    monkeypatch.setattr(lm_head, "_LOGITS_IN_CACHE", at_once)
    states, head, targets, scale = given(bias)
    expected = F.cross_entropy(head(states), targets, reduction="none")
    weights = [states, *head.parameters()]
    gradients = torch.autograd.grad(3 * (expected * scale).sum(), weights)
    loss, nats = lm_head.weighted_nats(states, head, targets, scale)
    found = torch.autograd.grad(3 * loss, weights)
    assert torch.allclose(nats, expected)
    assert torch.allclose(loss, (expected * scale).sum())
    assert all(torch.allclose(f, g, atol=1e-6) for f, g in zip(found, gradients, strict=True))


def test_bfloat16_is_what_autocast_makes_of_the_plain_form() -> None:
    states, head, targets, scale = given(bias=False)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(states)
        loss, nats = lm_head.weighted_nats(states, head, targets, scale)
    assert torch.equal(nats, F.cross_entropy(logits.float(), targets, reduction="none"))
    plain = torch.autograd.grad((F.cross_entropy(logits.float(), targets, reduction="none") * scale).sum(), states)[0]
    assert torch.allclose(torch.autograd.grad(loss, states)[0], plain, rtol=0.02, atol=1e-3)


def test_only_a_plain_last_layer_is_taken_for_one() -> None:
    model = tiny_gpt2()
    assert lm_head.plain_head(model) is model.lm_head
    assert lm_head.plain_head(Unigram(3)) is None  # type: ignore[arg-type]
    scaled = tiny_gpt2()
    scaled.register_forward_hook(lambda module, inputs, output: SimpleNamespace(logits=2 * output.logits))
    assert lm_head.plain_head(scaled) is None


def test_models_with_and_without_a_plain_head_give_the_same_scores() -> None:
    model, other, blocks = tiny_gpt2().eval(), tiny_gpt2().eval(), blocks_of(random_documents(5, seed=3))
    lm_head._heads[other] = None
    weights = torch.rand(blocks.target_tokens)
    places = torch.tensor([0, 3, 4, blocks.target_tokens - 1])
    found, expected = predictions(model, blocks, places=places), predictions(other, blocks, places=places)
    assert torch.equal(found.likeliest, expected.likeliest)
    assert torch.allclose(found.nats, expected.nats, atol=1e-5)
    assert torch.allclose(found.log_probabilities, expected.log_probabilities, atol=1e-5)
    targets = blocks.targets[blocks.targets != IGNORED][places]
    own = found.log_probabilities.gather(1, targets[:, None]).squeeze(1)
    assert torch.allclose(-own, found.nats[places], atol=1e-5)
    losses = [weighted_nats(each, blocks, weights) for each in (model, other)]
    assert torch.allclose(losses[0][0], losses[1][0])
    for each, (loss, _) in zip((model, other), losses, strict=True):
        loss.backward()
        assert each.transformer.wte.weight.grad is not None
    assert torch.allclose(model.transformer.wte.weight.grad, other.transformer.wte.weight.grad, atol=1e-5)


@pytest.mark.parametrize("tokens", [1, 31, 32, 33])
def test_products_come_in_few_sizes_and_the_added_rows_weigh_nothing(
    tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes, real = list[int](), lm_head.to_gradient

    def seen(logits: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        sizes.append(len(logits))
        return real(logits, targets, scale)

    monkeypatch.setattr(lm_head, "to_gradient", seen)
    torch.manual_seed(0)
    head, states = torch.nn.Linear(4, 7), torch.randn(tokens, 4, requires_grad=True)
    targets, scale = torch.randint(7, (tokens,)), torch.rand(tokens)
    loss, nats = lm_head.weighted_nats(states, head, targets, scale)
    loss.backward()
    mine, states.grad = states.grad, None
    wanted = F.cross_entropy(head(states), targets, reduction="none")
    (wanted * scale).sum().backward()
    assert [size % 32 for size in sizes] == [0]
    assert nats.shape == (tokens,)
    torch.testing.assert_close(nats, wanted)
    torch.testing.assert_close(mine, states.grad)
