from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.common.random_streams import Streams
from engine.persistence.checkpoints import from_plain, load_state
from engine.strategies import ewc
from engine.strategies.base import StageView, State
from engine.strategies.ewc import EWC, UNIT, Elastic
from engine.strategies.terms import Pull
from engine.strategies.tools.quadratics import Metric, proximal_step, pull_values
from engine.training.loop import train
from tests.builders import BLOCK, fisher_of, random_documents, small_setup, tiny_gpt2

LAMBDA = 3.0


def weight(values: Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(values.clone())


def pull(elastic: Elastic, ewc_lambda: float) -> Pull:
    return Pull("ewc", elastic.anchor, ewc_lambda, elastic.importance, elastic.constant)


def penalty(elastic: Elastic, theta: Tensor, ewc_lambda: float) -> float:
    """(λ/2) (Σ A (θ − μ)² + c), both of its parts together."""
    return float(sum(pull_values([pull(elastic, ewc_lambda)], {"w": theta}).values()))


def step_of(size: float) -> Metric:
    """The metric of plain gradient steps of this size."""
    return lambda theta, part: torch.full_like(theta[part], 1 / size)


def linear_gaussian(tasks: int, seed: int = 0, size: int = 6) -> tuple[list[Tensor], list[Tensor]]:
    """Losses L_t = ½ Σ h_t (θ − m_t)² with diagonal curvature: (h_t, m_t) per task, float64."""
    generator = torch.Generator().manual_seed(seed)
    curvature = [torch.rand(size, generator=generator, dtype=torch.float64) + 0.1 for _ in range(tasks)]
    optimum = [torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(tasks)]
    return curvature, optimum


def minimise(h: Tensor, m: Tensor, elastic: Elastic, start: Tensor, ewc_lambda: float) -> Tensor:
    """Gradient steps on the task's loss, each followed by the proximal step, until they rest."""
    theta, size = weight(start), 0.3
    for _ in range(400):
        with torch.no_grad():
            theta.sub_(size * h * (theta - m))
        proximal_step([pull(elastic, ewc_lambda)], {"w": theta}, step_of(size))
    return theta.detach()


def test_online_ewc_on_an_orthogonal_linear_gaussian_problem_is_joint_least_squares() -> None:
    curvature, optimum = linear_gaussian(3)
    elastic, theta = Elastic(), torch.zeros(6, dtype=torch.float64)
    for h, m in zip(curvature, optimum, strict=True):
        theta = minimise(h, m, elastic, theta, 1.0)
        elastic = ewc.follow(elastic, {"w": h}, {"w": theta}, decay=1.0)
    joint = sum(h * m for h, m in zip(curvature, optimum, strict=True)) / sum(curvature)
    assert torch.allclose(theta, joint, atol=1e-9)


def test_two_tensors_equal_the_explicit_sum_over_fifty_tasks_in_value_and_gradient() -> None:
    fishers, anchors = linear_gaussian(50)
    fishers[3][2] = 0.0
    elastic = Elastic()
    for number, (f, a) in enumerate(zip(fishers, anchors, strict=True), start=1):
        elastic = ewc.accumulate(elastic, {"w": f}, {"w": weight(a)})
        if number == 2:
            after_two = sum(t.numel() for t in (*elastic.importance.values(), *elastic.anchor.values()))
    theta = torch.linspace(-1, 1, 6, dtype=torch.float64)
    value = LAMBDA / 2 * sum(float((f * (theta - a) ** 2).sum()) for f, a in zip(fishers, anchors, strict=True))
    gradient = LAMBDA * sum(f * (theta - a) for f, a in zip(fishers, anchors, strict=True))
    assert abs(penalty(elastic, theta, LAMBDA) - value) < 1e-9 * abs(value)
    assert torch.allclose(LAMBDA * elastic.importance["w"] * (theta - elastic.anchor["w"]), gradient)
    assert sum(t.numel() for t in (*elastic.importance.values(), *elastic.anchor.values())) == after_two == 12


def test_weights_that_no_task_used_stay_free() -> None:
    elastic = ewc.accumulate(Elastic(), {"w": torch.zeros(2)}, {"w": torch.ones(2)})
    elastic = ewc.accumulate(elastic, {"w": torch.zeros(2)}, {"w": torch.zeros(2)})
    theta = weight(torch.tensor([5.0, -7.0]))
    proximal_step([pull(elastic, 1e12)], {"w": theta}, step_of(1.0))
    assert theta.tolist() == [5.0, -7.0]


def test_the_step_taken_is_the_penaltys_gradient_and_not_zero() -> None:
    elastic = Elastic({"w": torch.tensor([0.5, 2.0])}, {"w": torch.tensor([1.0, -1.0])})
    before = torch.tensor([3.0, 3.0])
    theta, size = weight(before), 0.1
    proximal_step([pull(elastic, LAMBDA)], {"w": theta}, step_of(size))
    gradient = LAMBDA * elastic.importance["w"] * (theta.detach() - elastic.anchor["w"])
    assert torch.allclose((before - theta.detach()) / size, gradient, atol=1e-5)
    assert float(gradient.abs().min()) > 1


def test_the_reported_penalty_has_that_gradient() -> None:
    fishers, anchors = linear_gaussian(2)
    elastic = Elastic()
    for f, a in zip(fishers, anchors, strict=True):
        elastic = ewc.accumulate(elastic, {"w": f}, {"w": a})
    theta, step = torch.linspace(-1, 1, 6, dtype=torch.float64), 1e-5
    for k in range(6):
        shift = torch.zeros(6, dtype=torch.float64)
        shift[k] = step
        up, down = (penalty(elastic, theta + s, LAMBDA) for s in (shift, -shift))
        exact = LAMBDA * elastic.importance["w"][k] * (theta[k] - elastic.anchor["w"][k])
        assert abs((up - down) / (2 * step) - exact) < 1e-6


def test_later_weight_updates_do_not_move_the_anchor() -> None:
    for remember in (lambda e, f, w: ewc.accumulate(e, f, w), lambda e, f, w: ewc.follow(e, f, w, 0.9)):
        theta, fisher = weight(torch.ones(3)), torch.ones(3)
        elastic = remember(Elastic(), {"w": fisher}, {"w": theta})
        with torch.no_grad():
            theta.add_(5)
            fisher.add_(5)
        assert torch.equal(elastic.anchor["w"], torch.ones(3))
        assert torch.equal(elastic.importance["w"], torch.ones(3))


def test_over_twelve_orders_of_lambda_training_stays_finite_and_drift_falls(tmp_path) -> None:
    drifts = []
    for number, exponent in enumerate(range(-6, 7, 2)):
        strategy = EWC(ewc_lambda=10.0**exponent)
        setup = small_setup(strategy, tmp_path / str(number), tasks=2)
        for event in train(setup):
            if type(event).__name__ == "StepDone":
                assert all(abs(v) < float("inf") for v in event.terms.values())
        weights = [setup.load_model(setup.folder / f"stage-{t}").model for t in (1, 2)]
        pairs = zip(*(w.parameters() for w in weights), strict=True)
        drifts.append(sum(float((a - b).detach().square().sum()) for a, b in pairs))
    assert drifts == sorted(drifts, reverse=True)
    assert drifts[-1] < 0.05 * drifts[0]


def test_explicit_gradient_steps_would_diverge_where_the_proximal_step_does_not() -> None:
    elastic = Elastic({"w": torch.ones(1)}, {"w": torch.zeros(1)})
    theta, explicit = weight(torch.ones(1)), torch.ones(1)
    for _ in range(20):
        proximal_step([pull(elastic, 1e6)], {"w": theta}, step_of(1.0))
        explicit = explicit - 1e6 * explicit
    assert abs(float(theta.detach())) < 1e-6
    assert not abs(float(explicit)) < 1e30


def test_a_weight_of_many_parts_is_treated_like_a_small_one() -> None:
    size = 2**17 + 3
    generator = torch.Generator().manual_seed(0)
    a, mu, theta = (torch.rand(size, generator=generator) for _ in range(3))
    elastic, moved = Elastic({"w": a}, {"w": mu}), weight(theta)
    proximal_step([pull(elastic, LAMBDA)], {"w": moved}, step_of(0.5))
    assert torch.allclose(moved.detach(), (2 * theta + LAMBDA * a * mu) / (2 + LAMBDA * a), atol=1e-6)
    value = LAMBDA / 2 * float((a.double() * (theta.double() - mu.double()) ** 2).sum())
    assert abs(penalty(elastic, theta, LAMBDA) - value) < 1e-5 * value


def test_the_step_stays_finite_where_lambda_times_the_importance_overflows() -> None:
    elastic = Elastic({"w": torch.tensor([1e38, 0.0])}, {"w": torch.tensor([2.0, 2.0])})
    theta = weight(torch.tensor([5.0, 5.0]))
    proximal_step([pull(elastic, 1e12)], {"w": theta}, step_of(0.1))
    assert theta.tolist() == [2.0, 5.0]


def test_sums_over_sets_of_weights_that_change_are_those_of_each_weights_own_tasks() -> None:
    """Task 1 trains a and b, task 2 b and c, task 3 a: each weight's quadratic sums over the tasks that trained it."""
    generator = torch.Generator().manual_seed(0)
    sets, elastic, online = ("ab", "bc", "a"), Elastic(), Elastic()
    past: dict[str, list[tuple[Tensor, Tensor]]] = {"a": [], "b": [], "c": []}
    for trains in sets:
        f, reached = (
            {name: torch.rand(4, generator=generator, dtype=torch.float64) for name in trains} for _ in range(2)
        )
        elastic, online = ewc.accumulate(elastic, f, reached), ewc.follow(online, f, reached, 0.5)
        for name in trains:
            past[name].append((f[name], reached[name]))
    theta = {name: torch.rand(4, generator=generator, dtype=torch.float64) for name in "abc"}
    explicit = sum((f * (theta[name] - reached).square()).sum() for name in past for f, reached in past[name])
    value = sum(pull_values([pull(elastic, 2.0)], {name: weight(each) for name, each in theta.items()}).values())
    assert float(value) == pytest.approx(float(explicit), rel=1e-12)
    assert list(elastic.importance) == list(elastic.anchor) == ["a", "b", "c"]
    assert set(online.importance) == set(online.anchor) == {"a", "b", "c"}
    for name, (*older, (f, reached)) in past.items():
        assert torch.allclose(elastic.importance[name], f + sum(each for each, _ in older))
        assert torch.allclose(online.importance[name], f + 0.5 * sum(each for each, _ in older))
        assert torch.equal(online.anchor[name], reached)


def test_a_strength_of_one_makes_lambda_times_the_mean_fisher_the_unit_whatever_the_fishers_scale() -> None:
    importance = torch.tensor([1.0, 3.0])
    for scale in (1e-9, 1.0, 1e9):
        past = Elastic({"w": scale * importance}, {"w": torch.zeros(2)}, first_mean=scale * 2.0)
        (pull,) = EWC(ewc_strength=5.0).pulls(State(past))
        assert pull.importance is not None
        assert (pull.weight * pull.importance["w"]).tolist() == pytest.approx([5 * UNIT / 2, 5 * UNIT * 3 / 2])
        assert EWC(ewc_lambda=5.0).pulls(State(past))[0].weight == 5.0


@pytest.mark.parametrize("accumulation", ["exact", "online"])
def test_the_scale_is_the_mean_of_the_first_tasks_fisher_over_all_weights_and_stays(accumulation: Any) -> None:
    strategy, state, model = EWC(accumulation=accumulation, online_decay=0.5), State(Elastic()), tiny_gpt2()
    first = random_documents(4, seed=0)
    fisher = fisher_of(model, first, BLOCK)
    numbers = [float(each) for tensor in fisher.values() for each in tensor.flatten()]
    assert len(numbers) == model.num_parameters()
    for stage, documents in enumerate((first, random_documents(4, seed=1), random_documents(4, seed=2)), start=1):
        end = StageView(stage, model, documents, BLOCK, packed=True, check=lambda: None)
        state = strategy.end_stage(end, state, Streams(0))
        assert state.fixed.first_mean == pytest.approx(sum(numbers) / len(numbers), rel=1e-5)


@pytest.mark.parametrize("accumulation", ["exact", "online"])
def test_a_run_with_a_strength_is_the_run_with_the_lambda_that_it_comes_to(accumulation: Any, tmp_path: Path) -> None:
    list(train(small_setup(EWC(ewc_strength=40.0, accumulation=accumulation), tmp_path / "relative")))
    states = [load_state(tmp_path / "relative" / f"stage-{stage}")["strategy"].fixed for stage in (1, 2)]
    assert states[0].first_mean == states[1].first_mean > 0
    raw = EWC(ewc_lambda=40.0 * UNIT / states[0].first_mean, accumulation=accumulation)
    list(train(small_setup(raw, tmp_path / "raw")))
    one, other = (load_file(tmp_path / name / "stage-3" / "model.safetensors") for name in ("relative", "raw"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_while_no_weight_has_mattered_to_a_task_the_next_task_sets_the_scale() -> None:
    nothing = Elastic({"w": torch.zeros(2)}, {"w": torch.zeros(2)})
    assert EWC().lambda_of(nothing) == 0.0
    model = tiny_gpt2()
    zeros = {name: torch.zeros_like(weight) for name, weight in model.named_parameters()}
    end = StageView(
        2, model, random_documents(4, seed=0), BLOCK, packed=True, check=lambda: None,
        cached=lambda parts, compute: {name: each + 2.0 for name, each in zeros.items()},
    )  # fmt: skip
    assert EWC().end_stage(end, State(Elastic(zeros, zeros)), Streams(0)).fixed.first_mean == 2.0


def test_a_state_of_a_version_without_strengths_is_read() -> None:
    plain = {"__dataclass__": "engine.strategies.ewc:Elastic", "importance": {}, "anchor": {}, "constant": 1.5}
    assert from_plain(plain) == Elastic({}, {}, 1.5, 0.0)
