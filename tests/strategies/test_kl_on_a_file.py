"""kl on the experiment's reference text: its draws and its loss, its state, the names of its results."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import events, strategies
from engine.common.random_streams import Streams
from engine.models.distributions import Teacher
from engine.persistence.shared_results import SharedResults
from engine.strategies.base import Batch, KeptWeights, StageView, State, Strategy
from engine.strategies.kl import Reference
from engine.strategies.terms import Term
from engine.training.gradients import accumulate_gradients
from engine.training.loop import train
from engine.training.reference import EncodedReference
from tests.builders import BLOCK, base_of, blocks_of, random_documents, small_setup, tiny_gpt2
from tests.models.test_distributions import another, divergence_by_loop, weights_of

ON_A_FILE = {"reference_text": "file", "kl_weight": 0.7}


def on_a_file(name: str = "kl", **values: Any) -> Strategy:
    return strategies.build(name, ON_A_FILE | values)


def test_a_file_of_the_memorys_documents_gives_the_loss_and_gradient_of_the_memory() -> None:
    """L(new) + β · the mean of KL(π ‖ p) over the target tokens of the rows that the memory draws."""
    student = tiny_gpt2().eval()
    teacher = another(student)
    new, old = blocks_of(random_documents(7, seed=1)), random_documents(30, seed=2)
    kept = KeptWeights(1, weights_of(teacher))
    remembering = strategies.build("kl", {"kl_weight": 0.7, "memory_size": 30})
    end = StageView(1, student, old, BLOCK, packed=True, check=lambda: None)
    memory = remembering.end_stage(end, remembering.initial_state(), Streams(0)).fixed.memory
    reference = EncodedReference(memory.tasks[0], "the memory's").memory(2, Streams(0))
    found, terms = [], []
    for strategy, state, text in (
        (remembering, State(Reference(memory, kept)), None),
        (on_a_file(), State(Reference(on_a_file().initial_state().fixed.memory, kept)), reference),
    ):
        (term,) = strategy.loss_terms(Batch(new, 2, 5, BLOCK, True, text), state, Streams(0))
        student.zero_grad()
        means = accumulate_gradients(base_of(student), [Term("new", new), term])
        found.append(
            [means["kl"], *(weight.grad.clone() for weight in student.parameters() if weight.grad is not None)]
        )
        terms.append(term)
    assert torch.equal(terms[0].blocks.input_ids, terms[1].blocks.input_ids)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert terms[1].weight == 0.7
    assert isinstance(terms[1].against, Teacher)
    by_loop = divergence_by_loop(student, teacher, terms[1].blocks).mean()
    assert float(found[1][0]) == pytest.approx(float(by_loop.detach()), rel=1e-4)


def test_every_document_of_the_text_is_drawn_and_a_step_draws_what_the_ratio_says() -> None:
    strategy = on_a_file(reference_ratio=0.25, memory_size=1)
    state = State(Reference(strategy.initial_state().fixed.memory, KeptWeights(1, weights_of(tiny_gpt2()))))
    text = EncodedReference([replace_token(n) for n in range(30)], "text").memory(2, Streams(0))
    new = blocks_of([replace_token(n) for n in range(30)])
    seen, tokens = set[int](), 0
    for step in range(1, 41):
        (term,) = strategy.loss_terms(Batch(new, 2, step, BLOCK, True, text), state, Streams(0))
        seen |= set(term.blocks.targets[term.blocks.targets > 0].tolist())
        tokens += term.blocks.target_tokens
    assert seen == set(range(1, 31))
    assert tokens / 40 == pytest.approx(0.25 * new.target_tokens, rel=0.15)


def replace_token(number: int) -> Any:
    """A document of four times one token."""
    (document,) = random_documents(1, seed=0)
    return replace(document, token_ids=torch.tensor([0, *[number + 1] * 4], dtype=torch.int32))


def test_in_the_first_stage_it_holds_to_the_base_model_and_else_it_is_naive_there(tmp_path: Path) -> None:
    terms = {}
    for in_first in (False, True):
        run = train(small_setup(on_a_file(in_first_stage=in_first), tmp_path / str(in_first), tasks=2))
        found = [e for e in run if isinstance(e, events.StepDone)]
        terms[in_first] = [{name for e in found if e.stage == stage for name in e.terms} for stage in (1, 2)]
    assert terms[True] == [{"new", "kl", "total"}] * 2
    assert terms[False] == [{"new", "total"}, {"new", "kl", "total"}]


@pytest.mark.parametrize("name", ["kl", "kl+replay"])
def test_no_file_of_a_run_grows_with_the_reference_text(name: str, tmp_path: Path) -> None:
    sizes = []
    for count in (20, 400):
        folder = tmp_path / str(count)
        text = EncodedReference(tuple(random_documents(count, seed=1)), f"{count} documents")
        setup = replace(small_setup(on_a_file(name), folder, tasks=2, epochs=1), reference=text, point_seconds=0.0)
        largest = 0
        for _ in train(setup):
            own = [file.stat().st_size for file in folder.rglob("*.pt") if "optimizer" not in file.name]
            largest = max([largest, *own])
        sizes.append(largest)
    assert sizes[0] > 0
    assert abs(sizes[1] - sizes[0]) < 1000


def keys(name: str, folder: Path, fingerprint: str, **values: Any) -> tuple[str, ...]:
    setup = small_setup(strategies.build(name, values), folder)
    return replace(setup, reference=EncodedReference((), fingerprint), content="the same").stage_keys


def test_the_texts_content_names_the_stages_that_read_it_and_those_after_them(tmp_path: Path) -> None:
    one, other = (keys("kl", tmp_path, text, **ON_A_FILE) for text in ("one", "other"))
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, False, False]
    assert one[0] == keys("naive", tmp_path, "one")[0]
    first = [keys("kl", tmp_path, text, in_first_stage=True, **ON_A_FILE) for text in ("one", "other")]
    assert not set(first[0]) & set(first[1])
    joined = [keys("kl+mask", tmp_path, text, **ON_A_FILE) for text in ("one", "other")]
    assert [a == b for a, b in zip(*joined, strict=True)] == [True, False, False]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("naive", {}), ("replay", {}), ("kl", {}), ("kl", {"reference_text": "new", "in_first_stage": True}),
        ("kl", {"reference_text": "file", "kl_weight": 0.0}), ("kl+ewc", {"reference_text": "samples"}),
    ],
)  # fmt: skip
def test_the_text_names_no_stage_of_a_strategy_that_does_not_read_it(
    name: str, values: dict[str, Any], tmp_path: Path
) -> None:
    assert keys(name, tmp_path, "one", **values) == keys(name, tmp_path, "other", **values)
    assert not strategies.build(name, values).needs_reference


def test_a_stage_on_another_text_is_not_taken_over_and_one_on_the_same_is(tmp_path: Path) -> None:
    shared, taken = SharedResults(tmp_path / "shared"), {}
    for folder, text in (("first", "one"), ("again", "one"), ("other", "other")):
        setup = small_setup(on_a_file(), tmp_path / folder, tasks=2)
        reference = EncodedReference(tuple(random_documents(20, seed=len(text))), text)
        run = train(replace(setup, shared=shared, content="the same", reference=reference))
        taken[folder] = [e.shared for e in run if isinstance(e, events.StageStarted)]
    assert taken == {"first": [False, False], "again": [True, True], "other": [True, False]}


def test_a_point_inside_a_stage_on_another_text_is_left_alone(tmp_path: Path) -> None:
    setup = replace(small_setup(on_a_file(), tmp_path, tasks=2), point_seconds=0.0)
    for event in train(setup):
        if isinstance(event, events.StepDone) and event.stage == 2:
            setup.control.stop()
    other = EncodedReference(tuple(random_documents(20, seed=3)), "other")
    fresh = replace(setup, control=type(setup.control)(), finished_stages=1)
    goes_on = [e.text for e in train(replace(fresh, reference=other)) if isinstance(e, events.Phase)]
    assert not any("going on after step" in text for text in goes_on)
