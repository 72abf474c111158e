"""L2 towards earlier weights, against closed forms and against elastic weight consolidation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine import events, strategies
from engine.common.random_streams import Streams
from engine.strategies.base import KeptWeights, StageView, State
from engine.strategies.ewc import Elastic
from engine.strategies.l2 import L2
from engine.strategies.tools import fisher
from engine.strategies.tools.quadratics import proximal_step
from engine.training.loop import train
from tests.builders import BLOCK, random_documents, small_setup, tiny_gpt2

LAMBDA = 0.7


def held(size: float) -> Any:
    """The metric of plain gradient steps of this size."""
    return lambda theta, part: torch.full_like(theta[part], 1 / size)


def checkpoint(folder: Path, stage: int) -> dict[str, Tensor]:
    if stage == 0:
        return {name: each.detach() for name, each in tiny_gpt2().named_parameters()}
    return load_file(folder / f"stage-{stage}" / "model.safetensors")


def steps_of(heard: Sequence[events.Event], stage: int) -> list[Mapping[str, float]]:
    return [e.terms for e in heard if isinstance(e, events.StepDone) and e.stage == stage]


def away(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """(λ/2) ‖first − second‖²."""
    return LAMBDA / 2 * sum(float((first[n].double() - second[n].double()).square().sum()) for n in first)


def test_on_a_quadratic_it_rests_at_the_mean_of_optimum_and_reference_by_their_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    h, m, reference = (torch.rand(6, generator=generator, dtype=torch.float64) + 0.1 for _ in range(3))
    pulls = L2(l2_lambda=LAMBDA).pulls(State(KeptWeights(1, {"w": reference})))
    theta, size = torch.nn.Parameter(torch.zeros(6, dtype=torch.float64)), 0.3
    for _ in range(400):
        with torch.no_grad():
            theta.sub_(size * h * (theta - m))
        proximal_step(pulls, {"w": theta}, held(size))
    assert torch.allclose(theta.detach(), (h * m + LAMBDA * reference) / (h + LAMBDA), atol=1e-9)


def test_it_is_ewc_with_a_fisher_of_one_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ones(end: StageView, *_: Any) -> dict[str, Tensor]:
        return {name: torch.ones_like(weight) for name, weight in end.weights.items()}

    monkeypatch.setattr(fisher, "diagonal_fisher", ones)
    online = {"ewc_lambda": LAMBDA, "accumulation": "online", "online_decay": 0.0}
    runs = {
        name: list(train(small_setup(strategies.build(name, parameters), tmp_path / name)))
        for name, parameters in (("l2", {"l2_lambda": LAMBDA}), ("ewc", online), ("naive", {}))
    }
    for stage in (1, 2, 3):
        one, other, naive = (checkpoint(tmp_path / name, stage) for name in runs)
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert all(torch.equal(one[name], naive[name]) for name in one) == (stage == 1)
        values = [[step.get(f"{name} pull") for step in steps_of(runs[name], stage)] for name in ("l2", "ewc")]
        assert values[0] == values[1]
        assert (values[0][-1] is None) == (stage == 1)


@pytest.mark.parametrize("names", ["ewc+l2", "l2+ewc"])
def test_beside_ewc_one_step_is_taken_on_the_sum(names: str) -> None:
    generator = torch.Generator().manual_seed(1)
    a, mu, reference, start, d = (torch.rand(5, generator=generator, dtype=torch.float64) for _ in range(5))
    states = {"ewc": Elastic({"w": a}, {"w": mu}), "l2": KeptWeights(1, {"w": reference})}
    strategy = strategies.build(names, {"ewc_lambda": 3.0, "l2_lambda": LAMBDA})
    theta = torch.nn.Parameter(start.clone())
    pulls = strategy.pulls(State(tuple(states[name] for name in names.split("+"))))
    proximal_step(pulls, {"w": theta}, lambda weight, part: d[part].clone())
    expected = (d * start + 3.0 * a * mu + LAMBDA * reference) / (d + 3.0 * a + LAMBDA)
    assert torch.allclose(theta.detach(), expected, atol=1e-12)


def test_towards_the_previous_task_the_pull_begins_at_nothing_in_every_stage_but_the_first(tmp_path: Path) -> None:
    heard = list(train(small_setup(L2(l2_lambda=LAMBDA), tmp_path)))
    assert not any("l2 pull" in step for step in steps_of(heard, 1))
    for stage in (2, 3):
        values = [step["l2 pull"] for step in steps_of(heard, stage)]
        assert values[0] == 0 < min(values[1:])


def test_towards_the_base_model_the_pull_is_the_way_that_all_stages_have_gone(tmp_path: Path) -> None:
    heard = list(train(small_setup(L2(l2_lambda=LAMBDA, reference="base"), tmp_path)))
    base = checkpoint(tmp_path, 0)
    for stage in (1, 2, 3):
        began = {name: checkpoint(tmp_path, stage - 1)[name] for name in base}
        assert steps_of(heard, stage)[0]["l2 pull"] == pytest.approx(away(base, began), rel=1e-5)
        assert min(step["l2 pull"] for step in steps_of(heard, stage)[1:]) > 0


def test_the_reference_is_written_as_the_number_of_its_stage_alone(tmp_path: Path) -> None:
    list(train(small_setup(L2(), tmp_path)))
    plain = torch.load(tmp_path / "stage-3" / "palimpsest-stage-state.pt", weights_only=True)
    assert plain["fixed"]["stage"] == 2
    assert "tensors" not in plain["fixed"]


@pytest.mark.parametrize(("reference", "stages"), [("previous", [2, 3]), ("base", [1, 2, 3])])
def test_it_acts_where_there_is_a_reference_and_costs_a_copy_there(reference: str, stages: list[int]) -> None:
    strategy = L2(reference=reference)  # type: ignore[arg-type]
    assert [stage for stage in (1, 2, 3) if strategy.acts(stage)] == stages
    assert [stage for stage in (1, 2, 3) if strategy.cost(stage).copies == 1] == stages
    view = StageView(1, tiny_gpt2(), random_documents(2, seed=0), BLOCK, packed=True, check=lambda: None)
    assert (strategy.begin_stage(view, State(), Streams(0)).fixed is not None) == (1 in stages)
