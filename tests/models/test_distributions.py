"""Divergences from a teacher and from stored distributions, against sums by hand and loops over two models."""

import itertools
import math
from copy import deepcopy

import pytest
import torch
from torch import Tensor
from transformers import GPT2LMHeadModel

from engine.models import lm_head
from engine.models.distributions import StoredDistributions, Teacher, exchanged
from engine.models.likelihood import TokenLoss, _look, logits_of, weighted_losses
from engine.tokens.blocks import IGNORED, Blocks
from tests.builders import blocks_of, document, random_documents, tiny_gpt2


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def another(model: GPT2LMHeadModel, seed: int = 5, by: float = 0.3) -> GPT2LMHeadModel:
    """A copy whose weights are somewhere else."""
    torch.manual_seed(seed)
    other = deepcopy(model)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(by * torch.randn_like(weight))
    return other


def gradients(model: torch.nn.Module) -> list[Tensor]:
    found = [weight.grad for weight in model.parameters()]
    assert all(each is not None for each in found)
    return [each for each in found if each is not None]


def divergence_by_loop(student: GPT2LMHeadModel, teacher: GPT2LMHeadModel, blocks: Blocks) -> Tensor:
    """Σ_v π(v) (log π(v) − log p(v)) of every target token, by two models and autograd."""
    wanted = blocks.targets != IGNORED
    log_p = logits_of(student, blocks)[wanted].log_softmax(-1)
    log_pi = logits_of(teacher, blocks)[wanted].log_softmax(-1).detach()
    return (log_pi.exp() * (log_pi - log_p)).sum(-1)


@pytest.mark.parametrize("plain_head", [True, False])
@pytest.mark.parametrize("at_once", [1, 90, 2**26])
def test_the_divergence_from_a_teacher_and_its_gradient_are_those_of_a_loop_over_two_models(
    plain_head: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lm_head, "LOGITS_AT_ONCE", at_once)
    monkeypatch.setattr(lm_head, "_LOGITS_IN_CACHE", at_once)
    student = tiny_gpt2().eval()
    teacher = another(student)
    if not plain_head:
        lm_head._heads[student] = None
    blocks = blocks_of(random_documents(9, seed=1))
    weights = torch.rand(blocks.target_tokens)
    expected = divergence_by_loop(student, teacher, blocks)
    (expected * weights).sum().backward()
    wished = [each.clone() for each in gradients(student)]
    student.zero_grad()
    total, (found,) = weighted_losses(student, blocks, [TokenLoss(weights, None, Teacher(weights_of(teacher)))])
    total.backward()
    assert torch.allclose(found, expected, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients(student), wished, strict=True))


def test_the_divergence_is_forward_and_not_reverse() -> None:
    """π = (1/2, 1/4, 1/4) and p = (1/4, 1/4, 1/2): KL(π ‖ p) = ½ ln 2 − ¼ ln 2 both ways; with p = (1/8, 1/8, 3/4) the
    ways differ: forward ½ ln 4 + ¼ ln 2 + ¼ ln ⅓, reverse ⅛ ln ¼ + ⅛ ln ½ + ¾ ln 3."""
    head = torch.nn.Linear(3, 3, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.eye(3))
    states = torch.tensor([[1 / 8, 1 / 8, 3 / 4]]).log().requires_grad_()
    pi = torch.tensor([[0.5, 0.25, 0.25]])
    stored = StoredDistributions(
        torch.tensor([[0, 1, 2]], dtype=torch.int32), torch.cat([pi, torch.zeros(1, 1)], 1).log()
    )
    total, losses = lm_head.weighted_losses(states, head, stored.overwrite, torch.ones(1))
    forward = 0.5 * math.log(4) + 0.25 * math.log(2) + 0.25 * math.log(1 / 3)
    assert losses.tolist() == pytest.approx([forward])
    (gradient,) = torch.autograd.grad(total, states)
    assert torch.allclose(gradient, torch.tensor([[1 / 8 - 1 / 2, 1 / 8 - 1 / 4, 3 / 4 - 1 / 4]]))  # p − π


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_teacher_that_is_the_model_itself_costs_nothing_and_moves_nothing(precision: str) -> None:
    student, blocks = tiny_gpt2().train(), blocks_of(random_documents(6, seed=2))
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        weights = torch.ones(blocks.target_tokens)
        total, (found,) = weighted_losses(student, blocks, [TokenLoss(weights, None, Teacher(weights_of(student)))])
    total.backward()
    assert not found.any()
    assert not any(each.any() for each in gradients(student))


def test_in_bfloat16_the_model_reads_its_own_weights_after_the_teacher_has_looked() -> None:
    """Autocast keeps what it has cast by the tensor that held it, and teacher and model take turns in one."""
    student = tiny_gpt2().eval()
    teacher = Teacher(weights_of(another(student)))
    blocks = blocks_of(random_documents(9, seed=1))
    weights = torch.rand(blocks.target_tokens)

    def own_loss(*others: TokenLoss) -> tuple[Tensor, list[Tensor]]:
        student.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            total, found = weighted_losses(student, blocks, [TokenLoss(weights), *others])
        total.backward()
        return found[0], [each.clone() for each in gradients(student)]

    alone, wished = own_loss()
    beside, found = own_loss(TokenLoss(torch.zeros_like(weights), None, teacher))
    assert torch.equal(alone, beside)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, wished, strict=True))


def test_a_teacher_looks_without_dropout_and_leaves_the_model_as_it_was() -> None:
    student, blocks = tiny_gpt2(dropout=0.5).train(), blocks_of(random_documents(4, seed=3))
    before = weights_of(student)
    storages = [weight.data_ptr() for weight in student.parameters()]
    teacher = Teacher({name: weight + 1 for name, weight in before.items()})
    weights = torch.ones(blocks.target_tokens)
    seen = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        student.eval() if seed else student.train()
        with torch.no_grad():
            look = _look(student, blocks, TokenLoss(weights, None, teacher), True)
            assert look is not None
            assert not isinstance(look, StoredDistributions)
            seen.append(look.states)
        assert student.training is not bool(seed)
    assert torch.equal(*seen)
    assert all(torch.equal(weight, before[name]) for name, weight in student.named_parameters())
    assert [weight.data_ptr() for weight in student.parameters()] == storages
    with pytest.raises(ZeroDivisionError), exchanged(student, teacher.weights):
        raise ZeroDivisionError
    assert [weight.data_ptr() for weight in student.parameters()] == storages


def test_a_divergence_of_some_rows_and_the_loss_of_others_share_a_pass() -> None:
    student = tiny_gpt2().eval()
    teacher = another(student)
    new, old = blocks_of(random_documents(5, seed=4)), blocks_of(random_documents(4, seed=5))
    joined = Blocks.joined([new, old])
    count = new.target_tokens
    losses = [
        TokenLoss(torch.full((count,), 0.5), torch.arange(count)),
        TokenLoss(
            torch.ones(old.target_tokens), torch.arange(count, count + old.target_tokens), Teacher(weights_of(teacher))
        ),
    ]
    total, (nats, divergences) = weighted_losses(student, joined, losses)
    total.backward()
    found = [each.clone() for each in gradients(student)]
    student.zero_grad()
    wanted = new.targets != IGNORED
    plain = torch.nn.functional.cross_entropy(logits_of(student, new)[wanted], new.targets[wanted], reduction="none")
    apart = divergence_by_loop(student, teacher, old)
    (0.5 * plain.sum() + apart.sum()).backward()
    assert torch.allclose(nats, plain, atol=1e-5)
    assert torch.allclose(divergences, apart, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(found, gradients(student), strict=True))


def every_text(vocabulary: int, end: int, longest: int) -> list[list[int]]:
    """All texts of the tokens 0 … vocabulary − 1 that end with `end`, or are `longest` long."""
    tokens = [token for token in range(vocabulary) if token != end]
    finished = [[*begin, end] for n in range(longest) for begin in itertools.product(tokens, repeat=n)]
    return finished + [list(begin) for begin in itertools.product(tokens, repeat=longest)]


def test_over_every_text_of_a_tiny_vocabulary_weighted_by_the_teacher_both_gradients_are_one() -> None:
    """Σ_x π(x) ∇(−log p(x)) = Σ_x π(x) Σ_i ∇KL(π(·|x_<i) ‖ p(·|x_<i)): own samples make cross-entropy a divergence.
    Sums over texts, not means, since they are not of one length."""
    student = tiny_gpt2(vocabulary=3).double().eval()
    teacher = another(student, by=1.0)
    by_entropy = [torch.zeros_like(weight) for weight in student.parameters()]
    by_divergence = [torch.zeros_like(weight) for weight in student.parameters()]
    mass = 0.0
    for text in every_text(3, end=0, longest=4):
        blocks = blocks_of([document([0, *text])])
        with torch.no_grad():
            log_pi = logits_of(teacher, blocks)[0].log_softmax(-1)[torch.arange(len(text)), torch.tensor(text)].sum()
        mass += (chance := float(log_pi.exp()))
        for into, against in ((by_entropy, None), (by_divergence, Teacher(weights_of(teacher)))):
            student.zero_grad()
            weighted_losses(student, blocks, [TokenLoss(torch.ones(len(text)), None, against)])[0].backward()
            for whole, each in zip(into, gradients(student), strict=True):
                whole += chance * each
    assert mass == pytest.approx(1, abs=1e-12)
    assert all(torch.allclose(a, b, rtol=0, atol=1e-10) for a, b in zip(by_entropy, by_divergence, strict=True))
    assert max(float(each.abs().max()) for each in by_entropy) > 0.01


def test_stored_distributions_over_the_whole_vocabulary_are_the_teacher() -> None:
    student = tiny_gpt2().eval()
    teacher = another(student)
    blocks = blocks_of(random_documents(5, seed=6))
    with torch.no_grad():
        log_pi = logits_of(teacher, blocks)[blocks.targets != IGNORED].log_softmax(-1)
    ordered = log_pi.topk(log_pi.shape[1], dim=1)
    rest = torch.full((len(log_pi), 1), -torch.inf)
    stored = StoredDistributions(ordered.indices.int(), torch.cat([ordered.values, rest], 1))
    weights = torch.rand(blocks.target_tokens)
    found = []
    for against in (Teacher(weights_of(teacher)), stored):
        student.zero_grad()
        total, (losses,) = weighted_losses(student, blocks, [TokenLoss(weights, None, against)])
        total.backward()
        found.append([losses, *(each.clone() for each in gradients(student))])
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("at_once", [1, 2**20])
def test_the_tokens_that_are_not_stored_are_one_outcome(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against autograd of Σ_b π_b (log π_b − log p_b) over two tokens and the bucket of the rest."""
    monkeypatch.setattr(lm_head, "_LOGITS_IN_CACHE", at_once)
    torch.manual_seed(0)
    logits = torch.randn(5, 7, requires_grad=True)
    tokens = torch.stack([torch.randperm(7)[:2] for _ in range(5)])
    pi = torch.rand(5, 3).softmax(-1)
    p = logits.softmax(-1)
    own = p.gather(1, tokens)
    outcomes = torch.cat([own, 1 - own.sum(1, keepdim=True)], 1)
    expected = (pi * (pi.log() - outcomes.log())).sum(1)
    scale = torch.rand(5)
    (wished,) = torch.autograd.grad((expected * scale).sum(), logits)
    found = logits.detach().clone()
    losses = StoredDistributions(tokens.int(), pi.log()).overwrite(found, slice(0, 5), scale)
    assert torch.allclose(losses, expected, atol=1e-6)
    assert torch.allclose(found, wished, atol=1e-6)
