"""Holding a model to what it was: KL on a reference text, and replay of stored distributions."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine import events, strategies
from engine.common.errors import ConfigError
from engine.common.random_streams import Streams
from engine.models import lm_head
from engine.models.distributions import StoredDistributions, Teacher
from engine.models.likelihood import logits_of
from engine.strategies.base import Batch, KeptWeights, StageView, State
from engine.strategies.kl import Reference
from engine.strategies.terms import Term
from engine.strategies.tools.stored import store
from engine.tokens.blocks import IGNORED, EncodedDocument
from engine.training.gradients import accumulate_gradients
from engine.training.loop import train
from tests.builders import BLOCK, base_of, blocks_of, document, random_documents, small_setup, tiny_gpt2
from tests.models.test_distributions import another, divergence_by_loop, weights_of


def view(model: torch.nn.Module, documents: list[EncodedDocument], stage: int = 1) -> StageView:
    return StageView(stage, model, documents, BLOCK, packed=True, check=lambda: None)  # type: ignore[arg-type]


def gradients_of(model: torch.nn.Module) -> list[Tensor]:
    return [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]


@pytest.mark.parametrize("most_rows", [None, 1, 2])
def test_a_step_minimises_new_plus_beta_times_the_mean_divergence(most_rows: int | None) -> None:
    student = tiny_gpt2().eval()
    teacher = another(student)
    new, old = blocks_of(random_documents(7, seed=1)), blocks_of(random_documents(5, seed=2))
    terms = [Term("new", new), Term("kl", old, 0.7, against=Teacher(weights_of(teacher)))]
    student.train()  # without any dropout
    means = accumulate_gradients(base_of(student), terms, most_rows=most_rows)
    found = gradients_of(student)
    student.zero_grad()
    wanted = new.targets != IGNORED
    nats = torch.nn.functional.cross_entropy(logits_of(student, new)[wanted], new.targets[wanted])
    divergence = divergence_by_loop(student, teacher, old).mean()
    (nats + 0.7 * divergence).backward()
    assert float(means["new"]) == pytest.approx(float(nats.detach()), rel=1e-5)
    assert float(means["kl"]) == pytest.approx(float(divergence.detach()), rel=1e-4)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, gradients_of(student), strict=True))


@pytest.mark.parametrize("most_rows", [None, 2])
def test_the_new_text_as_reference_shares_one_pass_with_its_loss(most_rows: int | None) -> None:
    student = tiny_gpt2().eval()
    teacher = another(student)
    new = blocks_of(random_documents(9, seed=1))
    strategy = strategies.build("kl", {"reference_text": "new", "kl_weight": 0.3})
    state = State(Reference(strategy.initial_state().fixed.memory, KeptWeights(1, weights_of(teacher))))
    (term,) = strategy.loss_terms(Batch(new, 2, 1, BLOCK, True), state, Streams(0))
    assert term.blocks is new
    rows = []

    def counted(module: torch.nn.Module, positions: object, inputs: dict[str, Tensor]) -> None:
        rows.append((len(inputs["input_ids"]), torch.is_grad_enabled()))

    lm_head.plain_head(student)  # tried before anything is counted
    counting = student.transformer.register_forward_pre_hook(counted, with_kwargs=True)
    means = accumulate_gradients(base_of(student), [Term("new", new), term], most_rows=most_rows)
    assert sum(count for count, with_gradient in rows if with_gradient) == len(new)
    assert sum(count for count, with_gradient in rows if not with_gradient) == len(new)
    counting.remove()
    found = gradients_of(student)
    student.zero_grad()
    wanted = new.targets != IGNORED
    nats = torch.nn.functional.cross_entropy(logits_of(student, new)[wanted], new.targets[wanted])
    divergence = divergence_by_loop(student, teacher, new).mean()
    (nats + 0.3 * divergence).backward()
    assert float(means["kl"]) == pytest.approx(float(divergence.detach()), rel=1e-4)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, gradients_of(student), strict=True))


def test_the_teacher_is_the_model_of_the_stage_before_or_the_base_model(tmp_path: Path) -> None:
    for teacher, expected in (("previous", [1, 2]), ("base", [0, 0])):
        seen: list[KeptWeights] = []
        strategy = strategies.build("kl", {"teacher": teacher})
        real = type(strategy).begin_stage

        def spied(self: object, begin: StageView, state: State, random: Streams, real: object = real) -> State:
            found: State = real(self, begin, state, random)  # type: ignore[operator]
            seen.append(found.fixed.teacher)  # noqa: B023
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(strategy), "begin_stage", spied)
            setup = small_setup(strategy, tmp_path / teacher)
            list(train(setup))
        assert [each.stage for each in seen] == expected
        for each in seen:
            folder = tmp_path / teacher / f"stage-{each.stage}" if each.stage else None
            kept = dict(setup.load_model(folder).model.named_parameters())
            assert each.tensors.keys() == kept.keys()
            assert all(torch.equal(weight, kept[name]) for name, weight in each.tensors.items())


def test_a_state_is_written_without_the_teachers_weights(tmp_path: Path) -> None:
    list(train(small_setup(strategies.build("kl", {}), tmp_path, tasks=2)))
    plain = torch.load(tmp_path / "stage-2" / "palimpsest-state.pt", weights_only=True)
    assert plain["strategy"]["fixed"]["teacher"]["stage"] == 1
    assert "tensors" not in plain["strategy"]["fixed"]["teacher"]


def test_a_large_weight_keeps_a_past_task_that_naive_forgets(tmp_path: Path) -> None:
    lost = {}
    for name, parameters in (("naive", {}), ("kl", {"kl_weight": 10.0}), ("der", {"logit_weight": 10.0})):
        run = train(small_setup(strategies.build(name, parameters), tmp_path / name, tasks=2, epochs=6))
        wholes = [e.whole["task 0"].nats_per_token for e in run if isinstance(e, events.Evaluated) and e.whole]
        lost[name] = wholes[2] - wholes[1]
    assert lost["kl"] < 0.5 * lost["naive"]
    assert lost["der"] < 0.5 * lost["naive"]


def test_stored_distributions_are_the_models_own_in_pieces_as_long_as_a_block() -> None:
    """Of a document of three blocks and one with a prompt: the k likeliest of softmax(logits), and 1 less their sum."""
    model = tiny_gpt2(dropout=0.5).train()
    documents = [document([0, *range(1, 31), *range(1, 11)]), document([0, 5, 6, 7, 8], first_target=3)]
    found = store(view(model, documents), documents, top_k=3)
    assert model.training
    model.eval()
    for one, stored in zip(documents, found, strict=True):
        ids, expected = one.token_ids.long(), []
        for start in range(0, len(ids) - 1, BLOCK):
            inputs = ids[:-1][start : start + BLOCK]
            p = model(input_ids=inputs[None]).logits[0].softmax(-1)
            expected += [p[i] for i in range(len(inputs)) if start + i + 1 >= one.first_target]
        p = torch.stack(expected).detach()
        assert stored.tokens.tolist() == p.topk(3).indices.tolist()
        likeliest = p.topk(3).values
        assert torch.allclose(stored.log_probabilities[:, :3].exp(), likeliest, atol=1e-6)
        assert torch.allclose(stored.log_probabilities[:, 3].exp(), 1 - likeliest.sum(1), atol=1e-5)


def test_with_the_whole_vocabulary_stored_der_is_kl_to_the_model_after_the_stage() -> None:
    model = tiny_gpt2()
    documents = [*random_documents(20, seed=1), document([0, *range(1, 31), *range(1, 11)])]
    strategy = strategies.build("der", {"top_k": 1000, "memory_size": 30, "logit_weight": 1.0})
    state = strategy.end_stage(view(model, documents), strategy.initial_state(), Streams(0))
    batch = Batch(blocks_of(random_documents(12, seed=2)), 2, 1, BLOCK, True)
    (term,) = strategy.loss_terms(batch, state, Streams(0))
    assert isinstance(term.against, StoredDistributions)
    student = another(model)
    found = []
    for against in (term.against, Teacher(weights_of(model))):
        student.zero_grad()
        means = accumulate_gradients(base_of(student), [replace(term, against=against)], most_rows=2)
        found.append([means["der"], *gradients_of(student)])
    assert float(found[0][0]) > 0.1
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*found, strict=True))


def test_what_is_stored_follows_the_memory_when_it_makes_room() -> None:
    model = tiny_gpt2()
    strategy = strategies.build("der", {"memory_size": 7, "top_k": 2})
    state = strategy.initial_state()
    for stage in (1, 2, 3):
        state = strategy.end_stage(view(model, random_documents(9, seed=stage), stage), state, Streams(0))
    past = state.fixed
    assert [len(task) for task in past.memory.tasks] == [len(own) for own in past.stored] == [3, 2, 2]
    for task, own in zip(past.memory.tasks, past.stored, strict=True):
        for one, stored in zip(task, own, strict=True):
            expected = store(view(model, [one]), [one], 2)[0]
            assert torch.equal(stored.tokens, expected.tokens)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("kl", {"reference_ratio": 0.25}),
        ("kl", {"reference_ratio": 0.25, "reference_text": "samples"}),
        ("der", {"replay_ratio": 0.25}),
        ("self-replay", {"replay_ratio": 0.25, "samples": 200}),
        ("agem", {"replay_ratio": 0.25}),
        ("replay", {"replay_ratio": 0.25}),
    ],
)
def test_a_step_draws_as_many_tokens_as_the_ratio_says(name: str, parameters: dict) -> None:
    """A quarter of 256 new tokens."""
    model, strategy = tiny_gpt2(), strategies.build(name, parameters)
    documents = [document([0, n % 30 + 1]) for n in range(400)]
    state = strategy.end_stage(view(model, documents), strategy.initial_state(), Streams(0))
    if strategy.redefines("begin_stage"):
        state = strategy.begin_stage(replace(view(model, documents, 2), starts_from=1), state, Streams(0))
    new = blocks_of([document([0, *range(1, 17)])] * 16)
    tokens = 0
    for step in range(1, 21):
        (term,) = strategy.loss_terms(Batch(new, 2, step, BLOCK, True), state, Streams(0))
        tokens += term.blocks.target_tokens
    assert tokens / 20 == pytest.approx(64, rel=0.12)


def test_a_teacher_of_the_base_is_refused_where_the_frozen_weights_change() -> None:
    with pytest.raises(ConfigError, match="frozen_share"):
        strategies.build("freeze+kl", {"frozen_share": 0.5, "teacher": "base"})
    assert strategies.build("freeze+kl", {"frozen_share": 0.5}).name == "freeze+kl"
    assert strategies.build("freeze+kl", {"teacher": "base"}).name == "freeze+kl"


@pytest.mark.parametrize("name", ["averaging+lora", "replay+lora", "kl+lora", "reptile+lora"])
def test_weights_that_are_led_back_are_refused_beside_a_fresh_adapter_in_each_stage(name: str) -> None:
    parameters = {"between_stages": "merged"}
    if name in ("averaging+lora", "reptile+lora"):
        with pytest.raises(ConfigError, match="between_stages"):
            strategies.build(name, parameters)
    else:
        assert strategies.build(name, parameters).name == name
