"""The places of this machine: how many, and what part of it each one has."""

from pathlib import Path

import pytest

from engine import events
from engine.common.errors import ConfigError
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.execution.local_places import local_places, runs_at_once
from engine.execution.places import Place
from engine.execution.worker_process import Share, execute_in_process
from engine.experiments.experiment import Experiment
from tests.fake_runs import experiment


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PALIMPSEST_PARALLEL", "PALIMPSEST_WORKER", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)


@pytest.fixture
def described(tmp_path: Path) -> Experiment:
    return experiment(tmp_path)


def share(place: Place | None) -> Share:
    found: Share = place.execute.keywords["share"]  # type: ignore[union-attr]
    return found


def test_without_a_number_there_is_one_place_and_its_runs_compute_where_they_did(
    described: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = local_places()
    place = places.take(described, None)
    assert place is not None
    assert place.execute is execute_run
    assert places.take(described, None) is None
    places.give_back(place)
    monkeypatch.setenv("PALIMPSEST_WORKER", "process")
    place = local_places().take(described, None)
    assert place is not None
    assert place.execute is execute_in_process


@pytest.mark.parametrize("given", ["many", "0", "-1", "1.5", "٣", "2 3"])
def test_a_number_that_is_none_is_refused_in_words(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_PARALLEL", given)
    with pytest.raises(ConfigError, match=f"^PALIMPSEST_PARALLEL: '{given}' is neither a number from 1 nor auto.$"):
        local_places()
    assert runs_at_once("3") == 3  # what is asked for goes before the variable
    with pytest.raises(ConfigError, match="parallel: 'x' is neither"):
        runs_at_once("x")


def test_auto_is_one_run_a_gpu_and_one_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs_at_once("auto") == 1
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    assert runs_at_once("auto") == 4
    monkeypatch.setenv("PALIMPSEST_PARALLEL", " auto ")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert runs_at_once() == 2


def test_several_places_share_the_threads_of_one(described: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 8)
    places = local_places(3)
    taken = [places.take(described, None) for _ in range(3)]
    assert [share(place) for place in taken] == [Share(2, None, 3)] * 3
    assert places.take(described, None) is None
    assert share(local_places(16).take(described, None)).threads == 1
    assert Share(2).variables == {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    assert Share(device="3").variables == {"CUDA_VISIBLE_DEVICES": "3"}


def test_runs_are_spread_over_the_gpus_that_may_be_seen(described: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 7")
    places = local_places(5)
    taken = [places.take(described, None) for _ in range(4)]
    assert [share(place).device for place in taken] == ["5", "7", "5", "7"]
    assert [place.name for place in taken if place is not None] == ["GPU 5", "GPU 7"] * 2
    for place in (taken[0], taken[1], taken[3]):
        assert place is not None
        places.give_back(place)
    assert [share(places.take(described, None)).device for _ in range(2)] == ["7", "5"]  # where there are the fewest


def test_a_thread_cannot_execute_several_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_WORKER", "thread")
    local_places(1)
    with pytest.raises(ConfigError, match="a thread executes one run at a time, and 2 at once need processes"):
        local_places(2)


def test_a_worker_computes_with_its_threads_from_its_first_moment(tmp_path: Path) -> None:
    training = {"epochs": 1, "stage_tokens": 64, "block_size": 32, "tokens_per_step": 64, "device": "cpu"}
    described, control = experiment(tmp_path, training=training, strategies=["naive"]), Control()
    for event in execute_in_process(described, described.runs()[0], tmp_path / "run", control, share=Share(3)):
        if isinstance(event, events.RunStarted):
            assert event.environment["threads"] == 3
            control.stop()
    assert isinstance(event, events.RunStopped)
