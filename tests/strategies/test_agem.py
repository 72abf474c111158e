"""A-GEM's projection against plain vectors, and as a run takes it."""

import gc
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine import events, strategies
from engine.common.random_streams import Streams
from engine.strategies import agem
from engine.strategies.agem import AGEM, projected
from engine.strategies.base import Batch, Gradients, State
from engine.strategies.terms import Term
from engine.strategies.tools.memory import Memory
from engine.training.gradients import accumulate_gradients, combined_gradients
from engine.training.loop import train
from tests.builders import BLOCK, base_of, blocks_of, random_documents, small_setup, tiny_gpt2

Floats = tuple[float, ...]


def vectors(*values: Sequence[float]) -> list[dict[str, Tensor]]:
    """Each list as a gradient of two weights: its first element, and the others."""
    return [{"a": torch.tensor(each[:1]), "b": torch.tensor(each[1:])} for each in values]


def whole(gradient: dict[str, Tensor]) -> list[float]:
    return torch.cat([gradient["a"], gradient["b"]]).tolist()


@pytest.mark.parametrize(
    ("own", "reference", "wanted"),
    [
        ((1.0, 2.0, 3.0), (3.0, 0.0, 1.0), (1.0, 2.0, 3.0)),  # they agree
        ((0.0, 2.0, 0.0), (3.0, 0.0, 1.0), (0.0, 2.0, 0.0)),  # at a right angle
        ((1.0, 2.0, 3.0), (0.0, 0.0, 0.0), (1.0, 2.0, 3.0)),  # the memory has nothing to say
        # gᵀm = −6, mᵀm = 3: g + 2m. Weight by weight it would be otherwise.
        ((-4.0, -3.0, 1.0), (1.0, 1.0, 1.0), (-2.0, -1.0, 3.0)),
        ((3.0, -1.0, -5.0), (1.0, 1.0, 1.0), (4.0, 0.0, -4.0)),
        ((-2.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.0, 0.0, 0.0)),  # what goes straight against it goes
    ],
)
def test_the_projection_is_that_of_equation_11(own: Floats, reference: Floats, wanted: Floats) -> None:
    gradient, memory = vectors(own, reference)
    assert whole(projected(gradient, memory)) == pytest.approx(list(wanted), abs=1e-6)
    assert whole(gradient) == list(own), "what comes in is left alone"


def test_a_gradient_that_agrees_is_left_bit_for_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    gradient = {"w": torch.randn(1000, generator=generator)}
    memory = {"w": gradient["w"] + torch.randn(1000, generator=generator)}
    assert torch.equal(projected(gradient, memory)["w"], gradient["w"])


def test_weights_that_only_one_of_the_gradients_reaches_take_part() -> None:
    own, memory = {"a": torch.tensor([-6.0]), "n": torch.tensor([5.0])}, {"a": torch.tensor([1.0]), "m": torch.ones(2)}
    # gᵀm = −6 and mᵀm = 3 over all weights, absent ones 0: g + 2m.
    found = projected(own, memory)
    assert {name: each.tolist() for name, each in found.items()} == {"a": [-4.0], "n": [5.0], "m": [2.0, 2.0]}


def test_a_projected_gradient_of_a_model_is_orthogonal_to_the_memorys() -> None:
    base = base_of(tiny_gpt2())
    new, old = blocks_of(random_documents(6, seed=1, low=1, high=9)), blocks_of(random_documents(6, seed=2, low=20))
    gradients: dict[str, dict[str, Tensor]] = {}
    for name, blocks in (("new", new), ("agem", old)):
        base.model.zero_grad()
        accumulate_gradients(base, [Term(name, blocks)])
        gradients[name] = {n: p.grad.clone() for n, p in base.model.named_parameters()}
    flat = {name: torch.cat([g.flatten() for g in each.values()]).double() for name, each in gradients.items()}
    flat["new"] = flat["new"] - 2 * flat["agem"]  # so that they disagree
    new_gradient = {n: g - 2 * gradients["agem"][n] for n, g in gradients["new"].items()}
    assert flat["new"] @ flat["agem"] < 0
    strategy = AGEM()
    found = strategy.combine({"new": new_gradient, "agem": gradients["agem"]}, State())
    result = torch.cat([found[n].flatten() for n in gradients["new"]]).double()
    assert abs(result @ flat["agem"]) < 1e-6 * result.norm() * flat["agem"].norm()
    expected = flat["new"] - (flat["new"] @ flat["agem"]) / flat["agem"].square().sum() * flat["agem"]
    assert torch.allclose(result, expected, atol=1e-6)


def test_the_gradients_of_all_that_is_minimised_are_projected_as_one() -> None:
    new, replay, memory = vectors([-4.0, 0.0, 1.0], [0.0, -3.0, 0.0], [1.0, 1.0, 1.0])
    found = AGEM().combine({"new": new, "replay": replay, "agem": memory}, State())
    assert whole(dict(found)) == pytest.approx([-2.0, -1.0, 3.0])


def test_the_memory_guards_and_is_not_minimised() -> None:
    """Where the gradients agree, the step's gradient is that of the new text alone."""
    base, blocks = base_of(tiny_gpt2()), blocks_of(random_documents(6, seed=1))
    terms = [Term("new", blocks), Term("agem", blocks, minimised=False)]
    strategy = AGEM()
    means = combined_gradients(
        base, terms, lambda found: strategy.combine(found, State()), lambda part: accumulate_gradients(base, part)
    )
    found = {name: p.grad.clone() for name, p in base.model.named_parameters()}
    base.model.zero_grad()
    accumulate_gradients(base, terms[:1])
    assert all(torch.equal(found[name], p.grad) for name, p in base.model.named_parameters())
    assert means["new"] == means["agem"]


def test_each_step_draws_its_share_of_memory_tokens_anew() -> None:
    documents = random_documents(60, seed=0)
    state = State(Memory(50).with_task(documents, torch.Generator().manual_seed(0)))
    strategy, blocks = AGEM(replay_ratio=0.25), blocks_of(random_documents(20, seed=1))
    drawn = []
    for step in (1, 2):
        (term,) = strategy.loss_terms(Batch(blocks, 2, step, BLOCK, True), state, Streams(0))
        assert (term.name, term.weight, term.minimised) == ("agem", 1.0, False)
        assert term.blocks.target_tokens == pytest.approx(0.25 * blocks.target_tokens, abs=13)
        drawn.append(term.blocks.input_ids.tolist())
    assert drawn[0] != drawn[1]
    assert strategy.loss_terms(Batch(blocks, 1, 1, BLOCK, True), AGEM().initial_state(), Streams(0)) == []


def test_a_run_projects_and_reports_the_memorys_loss_without_counting_it(tmp_path: Path) -> None:
    run = list(train(small_setup(strategies.build("agem", {}), tmp_path / "agem", tasks=2)))
    plain = list(train(small_setup(strategies.build("naive", {}), tmp_path / "naive", tasks=2)))
    steps, naive = ([e for e in events_ if isinstance(e, events.StepDone)] for events_ in (run, plain))
    second = [step for step in steps if step.stage == 2]
    assert all(set(step.terms) == {"new", "agem", "total"} for step in second)
    assert all(step.terms["total"] == step.terms["new"] for step in second)
    assert [s.terms for s in steps if s.stage == 1] == [s.terms for s in naive if s.stage == 1]
    assert [s.gradient_norm for s in second] != [s.gradient_norm for s in naive if s.stage == 2]


SHAPE = (16, 64)
"""That of one weight in each of the two layers, and of no other."""


def alive() -> set[int]:
    """Where the tensors of this shape lie in memory."""
    return {each.data_ptr() for each in gc.get_objects() if issubclass(type(each), Tensor) and each.shape == SHAPE}


@pytest.mark.parametrize(
    "others", [(), ("replay",), ("kl",), ("replay", "der"), ("ewc",), ("replay", "kl", "der", "l2")]
)
def test_the_declared_copies_are_the_tensors_that_a_projecting_step_holds(
    others: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, before = list[int](), alive()

    def counted(gradient: Gradients, reference: Gradients) -> Gradients:
        found = projected(gradient, reference)
        held.append(len(alive() - before))
        return found

    monkeypatch.setattr(agem, "projected", counted)
    strategy = strategies.build("+".join((*others, "agem")), {})
    list(train(small_setup(strategy, tmp_path, tasks=2, epochs=1)))
    cost = strategy.cost(2)
    assert max(held) == 2 * (1 + 2 + 1 + cost.tensors + cost.copies)  # beside a weight, two moments and a gradient


def test_the_declared_cost_is_what_its_steps_read(tmp_path: Path) -> None:
    strategy = AGEM(replay_ratio=1.0)
    assert (strategy.cost(1).tokens_per_new_token, strategy.cost(2).tokens_per_new_token) == (0.0, 1.0)
    assert AGEM(memory_size=0).cost(2).tokens_per_new_token == 0.0
