"""What runs take over from each other is, bit for bit, what they would have trained alone."""

import errno
import os
import time
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engine import events, strategies
from engine.driving.driver import drive
from engine.events.control import Control
from engine.persistence.checkpoints import drop_large_states
from engine.persistence.content_keys import stage_key_parts
from engine.persistence.shared_results import SharedResults
from engine.running.headless import run_experiment
from engine.store import Store
from engine.strategies.tools import fisher
from engine.training.loop import train
from engine.training.run_state import RunSetup
from tests.builders import small_setup
from tests.fake_runs import experiment

NAMES = sorted({*strategies.registry(), *strategies.offered()})
T = 3


def setup_of(name: str, folder: Path, shared: SharedResults | None, **changes: Any) -> RunSetup:
    strategy = strategies.build(name, changes.pop("parameters", {}))
    return replace(small_setup(strategy, folder, **changes), shared=shared, content="one content")


def numbers_of(recorded: Sequence[events.Event]) -> list[Any]:
    """Every number of a run that is not a time."""
    steps = [(e.stage, e.step, e.terms, e.target_tokens, e.gradient_norm, e.learning_rate)
             for e in recorded if isinstance(e, events.StepDone)]  # fmt: skip
    scores = [(e.stage, e.step, e.sample, e.whole) for e in recorded if isinstance(e, events.Evaluated)]
    return [steps, scores]


def trained_stages(recorded: Sequence[events.Event]) -> list[int]:
    return [e.stage for e in recorded if isinstance(e, events.StageStarted) and not e.shared]


def weights(folder: Path, stage: int) -> dict[str, torch.Tensor]:
    """Of the checkpoint: the model's, or those of an adapter."""
    (file,) = (folder / f"stage-{stage}").glob("*.safetensors")
    return load_file(file)


@pytest.mark.parametrize("optimizer_state", ["reset", "keep"])
def test_runs_that_share_equal_runs_that_do_not_bit_for_bit(optimizer_state: str, tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared")
    trained = 0
    for name in NAMES:
        alone = list(train(setup_of(name, tmp_path / "a" / name, None, optimizer_state=optimizer_state)))
        together = list(train(setup_of(name, tmp_path / "b" / name, shared, optimizer_state=optimizer_state)))
        assert numbers_of(alone) == numbers_of(together)
        for stage in range(1, T + 1):
            one, other = weights(tmp_path / "a" / name, stage), weights(tmp_path / "b" / name, stage)
            assert all(torch.equal(one[key], other[key]) for key in one)
        trained += len(trained_stages(together))
    # S·(T−1) for S strategies from the second stage on, and the first once for all that do the same in it.
    assert trained == len(NAMES) * (T - 1) + len({strategies.build(name, {}).signature(1) for name in NAMES})


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_that_says_it_does_not_act_trains_as_naive_does(name: str, tmp_path: Path) -> None:
    strategy = strategies.build(name, {})
    if strategy.acts(1):
        pytest.skip(f"{name} acts in the first stage")
    naive = numbers_of(list(train(setup_of("naive", tmp_path / "naive", None, tasks=1))))
    assert numbers_of(list(train(setup_of(name, tmp_path / name, None, tasks=1)))) == naive


def test_a_second_run_of_the_same_takes_over_every_stage_and_its_seconds(tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared")
    first = list(train(setup_of("replay", tmp_path / "a", shared)))
    second = list(train(setup_of("replay", tmp_path / "b", shared)))
    assert (trained_stages(first), trained_stages(second)) == ([1, 2, 3], [])
    assert numbers_of(first) == numbers_of(second)
    spent = [
        sum(e.seconds for e in run if isinstance(e, events.StepDone | events.Evaluated)) for run in (first, second)
    ]
    assert spent[0] == spent[1]


def test_the_fisher_of_the_same_weights_and_documents_is_estimated_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, real = [], fisher.diagonal_fisher
    monkeypatch.setattr(fisher, "diagonal_fisher", lambda *args: counted.append(1) or real(*args))
    shared = SharedResults(tmp_path / "shared")
    for number, ewc_lambda in enumerate((3.0, 30.0, 300.0)):
        list(train(setup_of("ewc", tmp_path / str(number), shared, parameters={"ewc_lambda": ewc_lambda})))
    assert len(counted) == 1 + 3  # after the first stage once, after the second for each λ; nothing after the last


@pytest.mark.parametrize("name", ["ewc", "replay+ewc"])
def test_without_the_fisher_of_stages_a_duplicate_and_a_run_that_goes_on_find_the_same_numbers(
    name: str, tmp_path: Path
) -> None:
    shared = SharedResults(tmp_path / "shared")
    other = {"ewc_lambda": 30.0}
    alone = list(train(setup_of(name, tmp_path / "alone", None, parameters=other)))
    before = list(train(setup_of(name, tmp_path / "before", shared)))
    dropped = list(shared.folder.glob("*/of-stage.safetensors"))
    shared.drop_tensors_of_stages()
    assert len(dropped) == T - 1
    assert not any(file.exists() for file in dropped)
    duplicate = list(train(setup_of(name, tmp_path / "duplicate", shared, parameters=other)))
    assert trained_stages(duplicate) == [2, 3], "the first stage is taken over, its Fisher computed again"
    assert numbers_of(duplicate) == numbers_of(alone)
    shared.clear()
    drop_large_states(tmp_path / "before", T, is_over=True)
    for stage in (1, 2):  # as after a stop there: the state is made again from the checkpoints
        drop_large_states(tmp_path / "before", stage, is_over=True)
        goes_on = replace(setup_of(name, tmp_path / "before", shared), finished_stages=stage)
        steps = [each for each in numbers_of(list(train(goes_on)))[0] if each[0] > stage]
        assert steps == [each for each in numbers_of(before)[0] if each[0] > stage]
        shared.clear()


def test_other_seeds_and_other_contents_share_nothing(tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared")
    setup = setup_of("naive", tmp_path / "a", shared)
    list(train(setup))
    for number, other in enumerate((replace(setup, seed=1), replace(setup, content="another content"))):
        recorded = list(train(replace(other, folder=tmp_path / str(number))))
        assert trained_stages(recorded) == [1, 2, 3]


def key_parts(name: str, parameters: dict[str, Any]) -> tuple[Hashable, ...]:
    return stage_key_parts(strategies.build(name, parameters), ["any settings"] * T)


def test_neutral_weights_are_recognised_as_naive() -> None:
    naive = key_parts("naive", {})
    assert key_parts("replay", {"replay_weight": 0}) == naive
    assert key_parts("replay+ewc", {"replay_weight": 0, "ewc_lambda": 0}) == naive
    ewc = key_parts("ewc", {"ewc_lambda": 7})
    assert key_parts("replay+ewc", {"replay_weight": 0, "ewc_lambda": 7}) == ewc
    assert ewc[1] != naive[1]
    assert key_parts("joint", {})[0] == naive[0]
    for name, null in (("ewc", {"ewc_strength": 0}), ("l2", {"l2_lambda": 0}), ("reptile", {"meta_rate": 1})):
        assert key_parts(name, null) == naive
    assert key_parts("averaging", {"averaging_weight": 0}) == naive
    assert key_parts("averaging", {})[0] == key_parts("l2", {})[0] == naive[0]
    assert key_parts("l2", {"reference": "base"})[0] != naive[0]


def test_a_strength_and_a_lambda_of_ewc_name_different_stages() -> None:
    found = [key_parts("ewc", each)[1] for each in ({}, {"ewc_strength": 2}, {"ewc_lambda": 1}, {"ewc_lambda": 2})]
    assert len(set(found)) == 4
    assert key_parts("ewc", {"ewc_strength": 1, "ewc_lambda": None}) == key_parts("ewc", {})


@pytest.mark.parametrize("name", ["model.safetensors", "happened.jsonl"])
def test_a_damaged_result_is_trained_again(name: str, tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared")
    whole = list(train(setup_of("naive", tmp_path / "a", shared)))
    key = setup_of("naive", tmp_path / "a", shared).stage_keys[1]
    damaged = tmp_path / "shared" / key / name
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.unlink()  # the run's own checkpoint may be the same file
    damaged.write_bytes(content)
    again = list(train(setup_of("naive", tmp_path / "b", shared)))
    assert trained_stages(again) == [2]
    assert numbers_of(again) == numbers_of(whole)


def test_the_least_recently_used_goes_when_there_is_no_room(tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared", limit_bytes=10_000)
    for number in range(4):
        shared.tensors(f"t{number}", lambda: {"a": torch.zeros(1000)})
        if f"t{number}" != "t3" and (tmp_path / "shared" / f"t{number}").exists():
            os.utime(tmp_path / "shared" / f"t{number}" / "sums.sha256", (number, number))
    assert shared.total_bytes() <= 10_000
    assert sorted(folder.name for folder in (tmp_path / "shared").iterdir()) == ["t2", "t3"]
    shared.clear()
    assert shared.total_bytes() == 0


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("I/O error")])
def test_a_full_disk_keeps_nothing_and_harms_nobody(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", refuse)
    shared = SharedResults(tmp_path)
    assert shared.tensors("fisher", lambda: {"weight": torch.ones(2)})["weight"].tolist() == [1.0, 1.0]
    assert not list(tmp_path.iterdir())


def test_what_an_older_version_kept_goes_after_a_day(tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared")
    for name, age in (("old", 2 * 24 * 3600), ("new", 60)):
        folder = tmp_path / "shared" / name
        folder.mkdir(parents=True)
        (folder / "sums.json").write_text("{}")
        os.utime(folder, (time.time() - age, time.time() - age))
    shared.tensors("t", lambda: {"a": torch.zeros(10)})
    assert sorted(folder.name for folder in (tmp_path / "shared").iterdir()) == ["new", "t"]


def test_deleting_what_is_shared_takes_nothing_from_a_run(tmp_path: Path) -> None:
    shared = SharedResults(tmp_path / "shared")
    list(train(setup_of("naive", tmp_path / "a", shared)))
    list(train(setup_of("naive", tmp_path / "b", shared)))
    shared.clear()
    assert weights(tmp_path / "b", 3).keys() == weights(tmp_path / "a", 3).keys()


def test_one_more_value_trains_only_what_is_new(tmp_path: Path) -> None:
    """The same through the store: two experiments in one data folder, the second with one more λ."""
    training = {"epochs": 1, "stage_tokens": 200, "block_size": 32, "tokens_per_step": 64, "device": "cpu"}
    seen: list[tuple[str, events.Event]] = []
    store = Store(tmp_path / "out")

    def trained(weights: list[float]) -> list[tuple[str, int]]:
        seen.clear()
        strategies_ = ["naive", *({"replay": {"replay_weight": weight}} for weight in weights)]
        store.add_experiment(experiment(tmp_path, training=training, strategies=strategies_))
        while run_id := store.claim_next():
            drive(store, run_id, Control(), watch=lambda event, run_id=run_id: seen.append((run_id, event)))
        labels = store.runs().set_index("run_id")["label"]
        return [(labels[run_id], e.stage) for run_id, e in seen if isinstance(e, events.StageStarted) and not e.shared]

    assert trained([1.0]) == [("naive", 1), ("naive", 2), ("replay (replay_weight=1)", 2)]
    assert trained([1.0, 2.0]) == [("replay (replay_weight=2)", 2)]
    assert set(store.runs()["status"]) == {"finished"}
    store.close()


def test_an_experiment_shares_within_its_folder(tmp_path: Path) -> None:
    training = {"epochs": 1, "stage_tokens": 200, "block_size": 32, "tokens_per_step": 64, "device": "cpu"}
    recorded: list[events.Event] = []
    described = experiment(tmp_path, training=training, strategies=["naive", {"ewc": {"fisher_documents": 3}}, "joint"])
    run_experiment(described, tmp_path / "out", watch=lambda _, event: recorded.append(event))
    assert trained_stages(recorded) == [1, 2, 2, 2]
