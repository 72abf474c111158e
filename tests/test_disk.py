"""Room for checkpoints: by the disk, by the operator's limit, and said before anything is trained."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine import strategies
from engine.control import Control
from engine.disk import check_room, room
from engine.drive import drive
from engine.errors import ConfigError, StoreError
from engine.store import Store
from engine.training import train
from tests.builders import small_setup
from tests.fake_runs import experiment


def test_files_under_several_names_count_once(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "weights").write_bytes(b"x" * 1000)
    os.link(tmp_path / "runs" / "weights", tmp_path / "shared")
    assert room(tmp_path).used == 1000


def test_the_limit_of_the_operator_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").write_bytes(b"x" * 600_000)
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", "0.001")
    assert room(tmp_path).free == 400_000
    check_room(tmp_path, 400_000)
    with pytest.raises(StoreError, match=r"limit of 0.001 GB .* leaves 0.00 GB"):
        check_room(tmp_path, 400_001)
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", "much")
    with pytest.raises(ConfigError, match="'much' is not a number of gigabytes"):
        room(tmp_path)


def test_a_run_without_room_ends_before_its_stage_and_goes_on_once_there_is(tmp_path: Path) -> None:
    def no_room() -> None:
        if len(list(tmp_path.glob("stage-*"))) == full_after[0]:
            raise StoreError("full")

    full_after = [1]
    setup = replace(small_setup(strategies.build("naive", {}), tmp_path, tasks=2), check_room=no_room)
    with pytest.raises(StoreError, match="full"):
        list(train(setup))
    assert (tmp_path / "stage-1").is_dir()
    full_after[0] = -1
    list(train(replace(setup, finished_stages=1)))
    assert (tmp_path / "stage-2").is_dir()


def test_a_run_that_does_not_fit_says_so_in_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_DISK_LIMIT_GB", "0.01")
    store = Store(tmp_path / "data")
    store.add_experiment(experiment(tmp_path, training={"device": "cpu", "block_size": 32}))
    run_id = store.claim_next()
    assert run_id is not None
    drive(store, run_id, Control())
    row = store.runs(run_ids=run_id).iloc[0]
    assert row["status"] == "failed"
    assert "a checkpoint with a resume point of this run takes about 0.04 GB" in row["reason"]
    store.close()
