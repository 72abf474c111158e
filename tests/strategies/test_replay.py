import pytest
import torch

from engine.strategies.terms import Term
from engine.strategies.tools.memory import Memory
from engine.training import gradients
from tests.builders import BLOCK, Unigram, base_of, blocks_of, document, drawn_from, random_documents, tiny_gpt2

WEIGHT = 0.3


def gradient_of(terms: list[Term]) -> list[torch.Tensor]:
    base = base_of(tiny_gpt2())
    gradients.accumulate_gradients(base, terms)
    return [p.grad for p in base.model.parameters()]


def mean_gradient(documents: list) -> list[torch.Tensor]:
    """∇ of the mean loss over all target tokens, by one plain pass a document."""
    model = tiny_gpt2()
    nats = 0.0
    for d in documents:
        ids = d.token_ids.long()
        logits = model(input_ids=ids[None, :-1]).logits[0]
        nats = nats - logits.log_softmax(-1).gather(1, ids[1:, None]).sum()
    (nats / sum(len(d.token_ids) - 1 for d in documents)).backward()
    return [p.grad for p in model.parameters()]


def test_the_gradient_is_new_plus_weight_times_memory() -> None:
    new, old = random_documents(9, seed=1), random_documents(2, seed=2)
    found = gradient_of([Term("new", blocks_of(new)), Term("replay", blocks_of(old), WEIGHT)])
    for f, n, o in zip(found, mean_gradient(new), mean_gradient(old), strict=True):
        assert torch.allclose(f, n + WEIGHT * o, atol=2e-6)


def test_a_unigram_models_optimum_under_replay_is_the_weighted_mixture() -> None:
    new = [document([0, t]) for t in (0, 1, 1, 1)]
    old = [document([0, t]) for t in (0, 2)]
    terms = [Term("new", blocks_of(new)), Term("replay", blocks_of(old), WEIGHT)]
    model = Unigram(3)
    base = base_of(model)
    optimizer = torch.optim.LBFGS([model.logits], max_iter=200, tolerance_grad=1e-9, tolerance_change=1e-12)

    def closure() -> float:
        optimizer.zero_grad()
        means = gradients.accumulate_gradients(base, terms)
        return sum(term.weight * means[term.name] for term in terms)

    optimizer.step(closure)
    p_new, p_old = torch.tensor([0.25, 0.75, 0.0]), torch.tensor([0.5, 0.0, 0.5])
    mixture = (p_new + WEIGHT * p_old) / (1 + WEIGHT)
    assert torch.allclose(model.probabilities(), mixture, atol=1e-4)
    forgetting = gradients.accumulate_gradients(base, terms[1:])["replay"] - float(
        -(p_old[p_old > 0].log() * p_old[p_old > 0]).sum()
    )
    divergence = float(sum(p * (p / q).log() for p, q in zip(p_old, mixture, strict=True) if p > 0))
    assert abs(forgetting - divergence) < 1e-4


def test_memory_never_exceeds_its_size_and_stays_balanced() -> None:
    memory = Memory(10)
    for task in range(6):
        before = memory.tasks
        memory = memory.with_task(random_documents(8, seed=task), torch.Generator().manual_seed(task))
        counts = [len(documents) for documents in memory.tasks]
        assert sum(counts) <= 10
        assert max(counts[1:] or counts) - min(counts) <= 1
        for old, new in zip(before, memory.tasks, strict=False):
            assert all(any(d is kept for kept in old) for d in new)
    assert sum(counts) == 10


def test_a_draw_takes_the_same_share_of_tokens_from_every_task() -> None:
    memory = Memory(40)
    memory = memory.with_task(random_documents(20, seed=1, longest=3, low=1, high=2), torch.Generator().manual_seed(0))
    memory = memory.with_task(random_documents(20, seed=2, longest=14, low=2, high=3), torch.Generator().manual_seed(0))
    for wanted, block_size in ((60, BLOCK), (20, 60)):  # of whole rows, and of less than one
        counts, both = torch.zeros(3), 0
        for seed in range(100):
            drawn = drawn_from(memory, wanted, block_size, seed=seed)
            assert drawn is not None
            tokens = torch.bincount(drawn.targets[drawn.targets > 0], minlength=3)
            both += int(tokens[1:].min()) > 0
            assert int(tokens.sum()) < wanted + 20
            counts += tokens
        assert both > 80
        assert (counts[1:] / counts.sum()).tolist() == pytest.approx([0.5, 0.5], abs=0.15)


def test_an_empty_memory_draws_nothing() -> None:
    assert drawn_from(Memory(5), 10) is None
    assert drawn_from(Memory(0).with_task(random_documents(3, seed=0), torch.Generator()), 10) is None


def test_a_draw_is_no_larger_with_many_past_tasks_and_gives_each_its_share() -> None:
    memory, tasks = Memory(400), 20
    for task in range(1, tasks + 1):
        memory = memory.with_task([document([0, *[task] * 9])] * 20, torch.Generator().manual_seed(task))
    counts = torch.zeros(tasks + 1)
    for seed in range(400):
        drawn = drawn_from(memory, 60, seed=seed)
        assert drawn is not None
        assert 60 <= drawn.target_tokens < 60 + 10
        counts += torch.bincount(drawn.targets[drawn.targets > 0], minlength=tasks + 1)[: tasks + 1]
    shares = counts[1:] / counts.sum()
    assert float((shares * tasks - 1).abs().max()) < 0.4  # four standard deviations of 400 · 7 draws over 20 tasks
