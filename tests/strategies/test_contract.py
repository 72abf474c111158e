"""Every registered strategy, without naming it: neutral values equal naive, state survives, resumed equals whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import events, strategies
from engine.common.errors import ConfigError
from engine.common.parameters import parameters_of
from engine.common.random_streams import Streams
from engine.persistence.checkpoints import from_plain, to_plain
from engine.strategies.base import StageView
from engine.training.loop import train
from tests.builders import BLOCK, random_documents, small_setup, tiny_gpt2

NEUTRAL = {
    "replay": {"replay_weight": 0.0},
    "ewc": {"ewc_lambda": 0.0},
    "replay+ewc": {"replay_weight": 0.0, "ewc_lambda": 0.0},
}
NAMES = sorted({*strategies.registry(), *strategies.offered()})


def weights_after(folder: Path, stage: int) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / f"stage-{stage}" / "model.safetensors")


def scores_of(happened: Sequence[events.Event]) -> list[Any]:
    return [(e.stage, e.step, e.sample, e.whole) for e in happened if isinstance(e, events.Evaluated)]


def terms_of(happened: Sequence[events.Event]) -> list[Any]:
    return [(e.step, e.terms, e.gradient_norm) for e in happened if isinstance(e, events.StepDone)]


@pytest.mark.parametrize("name", sorted(NEUTRAL))
def test_neutral_parameters_equal_naive_bit_for_bit(name: str, tmp_path: Path) -> None:
    naive = list(train(small_setup(strategies.build("naive", {}), tmp_path / "a", tasks=2)))
    neutral = list(train(small_setup(strategies.build(name, NEUTRAL[name]), tmp_path / "b", tasks=2)))
    assert terms_of(naive) == terms_of(neutral)
    assert scores_of(naive) == scores_of(neutral)
    a, b = weights_after(tmp_path / "a", 2), weights_after(tmp_path / "b", 2)
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimizer_state", ["reset", "keep"])
def test_a_resumed_run_gives_the_same_numbers_as_a_whole_one(name: str, optimizer_state: str, tmp_path: Path) -> None:
    setup = small_setup(strategies.build(name, {}), tmp_path, optimizer_state=optimizer_state)
    whole = list(train(setup))
    weights = weights_after(tmp_path, 3)
    resumed = list(train(replace(setup, finished_stages=1)))
    later = [e for e in terms_of(whole) if e[0] >= terms_of(resumed)[0][0]]
    assert terms_of(resumed) == later
    assert scores_of(resumed) == [s for s in scores_of(whole) if s[0] > 1]
    assert all(torch.equal(weights[key], value) for key, value in weights_after(tmp_path, 3).items())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_minimised_is_what_is_reported(name: str, tmp_path: Path) -> None:
    strategy = strategies.build(name, {})
    steps = [e for e in train(small_setup(strategy, tmp_path, tasks=2)) if isinstance(e, events.StepDone)]
    factor = {"replay": strategy.parameters.get("replay_weight", 1.0)}
    for step in steps:
        parts = sum(factor.get(term, 1.0) * value for term, value in step.terms.items() if term != "total")
        assert step.terms["total"] == pytest.approx(parts, rel=1e-6)
    expected = {"replay": {"replay"}, "ewc": {"penalty"}, "replay+ewc": {"replay", "penalty"}}.get(name, set())
    assert set(steps[0].terms) == {"new", "total"}
    assert set(steps[-1].terms) == {"new", "total"} | expected


@pytest.mark.parametrize("name", NAMES)
def test_a_declared_cost_is_what_the_end_of_a_stage_reads_and_remembers(name: str) -> None:
    strategy, model, documents = strategies.build(name, {}), tiny_gpt2(), random_documents(4, seed=0)
    asked: list[Any] = []

    def once(parts: tuple[Any, ...], compute: Callable[[], Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        asked.append(parts)
        return dict(compute())

    end = StageView(1, model, documents, BLOCK, packed=True, check=lambda: None, once=once)
    state = to_plain(strategy.end_stage(end, strategy.initial_state(), Streams(0)))
    cost = strategy.cost(1)
    assert [reading.shared_as for reading in cost.readings] == asked
    assert numbers_in(state) == cost.tensors * model.num_parameters()


def numbers_in(state: Any) -> int:
    """Elements of all tensors of floating point."""
    if isinstance(state, torch.Tensor):
        return state.numel() if state.is_floating_point() else 0
    if isinstance(state, dict):
        return sum(map(numbers_in, state.values()))
    return sum(map(numbers_in, state)) if isinstance(state, list | tuple) else 0


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_declared_whole(name: str) -> None:
    for cls in strategies.parts_of(name):
        assert cls.title
        assert cls.summary.endswith(".")
        for declared in parameters_of(cls):
            assert declared.label
            assert declared.help.endswith(".")
            assert declared.default is not None
            if declared.type in (int, float):
                assert declared.low is not None
                assert declared.high is not None


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("nonsense", {}, "nonsense"),
        ("ewc", {"ewc_lamda": 1}, "ewc_lamda"),
        ("ewc", {"ewc_lambda": -1}, "ewc_lambda"),
        ("replay", {"memory_size": "many"}, "memory_size"),
        ("replay+joint", {}, "joint"),
        ("ewc+ewc", {}, "twice"),
    ],
)
def test_a_wrong_strategy_is_refused_with_the_field_named(name: str, parameters: dict, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        strategies.build(name, parameters)


def test_nested_state_survives_being_plain_data() -> None:
    from engine.strategies.replay import Replay
    from engine.strategies.tools.memory import Memory
    from tests.builders import random_documents

    memory = Memory(4).with_task(random_documents(3, seed=0), torch.Generator().manual_seed(0))
    back = from_plain(to_plain((memory, {"a": [1, 2]})), {t.__name__: t for t in Replay().state_types})
    assert back[1] == {"a": [1, 2]}
    assert back[0].size == 4
    assert all(torch.equal(a.token_ids, b.token_ids) for a, b in zip(back[0].tasks[0], memory.tasks[0], strict=True))


def test_a_penalty_is_known_by_name() -> None:
    assert [strategies.penalises(name) for name in ("naive", "replay", "ewc", "replay+ewc", "joint")] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert not strategies.penalises("of another version")
