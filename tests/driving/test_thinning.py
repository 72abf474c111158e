"""Fewer checkpoints of finished runs: which stay, when the others go, and what a kill in between leaves."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.common import durable_files
from engine.common.durable_files import is_whole, seal, sealed_sums, take_out
from engine.common.errors import StoreError
from engine.driving import thinning
from engine.driving.driver import drive
from engine.driving.thinning import keep_all_as_set, kept_stages, thin
from engine.events import RunFinished, StageFinished
from engine.events.control import Control
from engine.experiments.kept_checkpoints import KEEPS
from engine.persistence import checkpoints
from engine.persistence.checkpoints import (
    OPTIMIZER_FILE,
    STATE_FILE,
    drop_large_states,
    last_whole_stage,
    remove_stages,
    stage_folder,
)
from engine.persistence.shared_results import SharedResults
from engine.store import Store
from tests.fake_runs import FakeRun, experiment


def finished(store: Store, tmp_path: Path, **changes: object) -> list[str]:
    """The runs of an experiment, all of which have finished."""
    experiment_id = store.add_experiment(experiment(tmp_path, **changes))
    while (run_id := store.claim_next(experiment_id)) is not None:
        drive(store, run_id, Control(), FakeRun())
    return list(map(str, store.runs(experiment_id)["run_id"]))


def there(store: Store, run_id: str) -> list[int]:
    """The stages whose checkpoints are on the disk, which are those that the store tells of."""
    told = [int(row.stage) for row in store.stages(run_id).itertuples() if isinstance(row.checkpoint, str)]
    assert [stage for stage in (1, 2) if stage_folder(store.run_folder(run_id), stage).is_dir()] == told
    return told


def score(store: Store, run_id: str, bits: dict[int, float]) -> None:
    """Give the stages of a run these bits per byte on every task, a byte being one of its texts'."""
    nats = {stage: value * 0.6931471805599453 for stage, value in bits.items()}
    with store._writing() as connection:
        for stage, value in nats.items():
            connection.exec_driver_sql(
                "UPDATE scores SET total_nats = ? * text_bytes WHERE run_id = ? AND stage = ?", (value, run_id, stage)
            )


@pytest.mark.parametrize(("keep", "stages"), [("all", [1, 2]), ("last", [2]), ("best", [1]), ("none", [])])
def test_a_run_that_has_finished_keeps_what_its_experiment_says(
    keep: str, stages: list[int], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = thinning.keep_as_set

    def of_these_scores(store: Store, run_id: str) -> None:
        assert there(store, run_id) == [1, 2]  # nothing goes before the run has ended
        score(store, run_id, {0: 1.0, 1: 2.0, 2: 3.0})
        real(store, run_id)

    monkeypatch.setattr("engine.driving.driver.keep_as_set", of_these_scores)
    for run_id in finished(store, tmp_path, checkpoints=keep):
        assert there(store, run_id) == stages
        assert len(store.matrix(run_id)) == 3 * 2  # numbers stay


def test_the_best_stage_has_the_fewest_bits_per_byte_and_of_equal_ones_the_later_counts(
    store: Store, tmp_path: Path
) -> None:
    run_id, _ = finished(store, tmp_path)
    for bits, best in (({1: 2.0, 2: 1.0}, 2), ({1: 1.0, 2: 2.0}, 1), ({1: 1.0, 2: 1.0}, 2)):
        score(store, run_id, bits)
        assert kept_stages(store, run_id, "best") == (best,)


def test_fewer_are_kept_later_and_never_more(store: Store, tmp_path: Path) -> None:
    first, second = finished(store, tmp_path)
    assert thin(store, [first], "last") > 0
    assert (there(store, first), there(store, second)) == ([2], [1, 2])
    for keep in KEEPS:
        assert thin(store, [first], "last" if keep == "none" else keep) == 0
        assert there(store, first) == [2]
    thin(store, [first, second], "none")
    assert there(store, first) == there(store, second) == []
    assert thin(store, [first, second], "all") == 0


def test_a_kept_model_is_whole_and_without_states(store: Store, tmp_path: Path) -> None:
    run_id, _ = finished(store, tmp_path)
    thin(store, [run_id], "last")
    folder = stage_folder(store.run_folder(run_id), 2)
    assert is_whole(folder)
    assert (folder / "model.safetensors").exists()
    assert not (folder / STATE_FILE).exists()


def test_a_run_that_has_not_finished_keeps_all(store: Store, tmp_path: Path) -> None:
    store.add_experiment(experiment(tmp_path, checkpoints="none"))
    run_id = store.claim_next()
    assert run_id is not None
    drive(store, run_id, Control(), FakeRun(fail_at=7, error=OSError("no disk")))
    assert there(store, run_id) == [1]
    assert thin(store, [run_id], "none") == 0
    assert there(store, run_id) == [1]
    with pytest.raises(StoreError, match="failed"):
        store.forget_checkpoints(run_id, ())
    store.requeue(run_id)
    store.claim(run_id)
    drive(store, run_id, Control(), FakeRun())
    assert there(store, run_id) == []


@pytest.mark.parametrize("before", ["forget_checkpoints", "remove_stages"])
def test_a_kill_in_between_is_made_good_by_the_next_look(
    before: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    store.add_experiment(experiment(tmp_path, checkpoints="last", strategies=["naive"]))
    run_id = store.claim_next()
    assert run_id is not None
    with monkeypatch.context() as patched:
        patched.setattr(*((Store, before) if before == "forget_checkpoints" else (thinning, before)), die)
        with pytest.raises(Killed):
            drive(store, run_id, Control(), FakeRun())
    assert store.runs(run_ids=run_id)["status"].item() == "finished"
    assert stage_folder(store.run_folder(run_id), 1).is_dir()
    keep_all_as_set(store)
    assert there(store, run_id) == [2]


def test_shared_weights_that_no_run_holds_go_once_no_run_may_take_them(store: Store, tmp_path: Path) -> None:
    shared = SharedResults(store.shared_folder)
    first, second = finished(store, tmp_path)
    for name, run_id in (("held", second), ("thinned", first)):
        shared.keep(name, [], [stage_folder(store.run_folder(run_id), 1) / "model.safetensors"])
    store.add_experiment(experiment(tmp_path))
    thin(store, [first], "last")
    assert shared.has("thinned")  # a run waits
    for run in store.runs_in_play():
        store.request(run.run_id, "stop")
    thin(store, [first], "last")
    assert (shared.has("held"), shared.has("thinned")) == (True, False)


@pytest.mark.parametrize("look", [keep_all_as_set, lambda store: thin(store, [], "last")])
def test_tensors_of_stages_go_once_no_run_may_take_them_and_others_stay(
    look: Callable[[Store], object], store: Store, tmp_path: Path
) -> None:
    shared = SharedResults(store.shared_folder)
    shared.tensors("Fisher information", lambda: {"weight": torch.ones(3)}, of_stage=True)
    shared.tensors("distributions of the base model", lambda: {"all": torch.ones(3)})
    store.add_experiment(experiment(tmp_path))
    look(store)
    assert shared.has("Fisher information")  # a run waits
    for run in store.runs_in_play():
        store.request(run.run_id, "stop")
    look(store)
    assert not shared.has("Fisher information")
    assert shared.has("distributions of the base model")


def test_the_last_run_that_finishes_leaves_no_tensors_of_stages(store: Store, tmp_path: Path) -> None:
    shared = SharedResults(store.shared_folder)
    experiment_id = store.add_experiment(experiment(tmp_path))
    for is_there in (True, False):
        shared.tensors("Fisher information", lambda: {"weight": torch.ones(3)}, of_stage=True)
        run_id = store.claim_next(experiment_id)
        assert run_id is not None
        drive(store, run_id, Control(), FakeRun())
        assert shared.has("Fisher information") == is_there


def a_run(folder: Path, stages: int, state_bytes: int) -> None:
    for stage in range(1, stages + 1):
        place = stage_folder(folder, stage)
        place.mkdir(parents=True)
        for name, size in (("model.safetensors", 10), (STATE_FILE, state_bytes), (OPTIMIZER_FILE, state_bytes)):
            (place / name).write_bytes(os.urandom(size))
        seal(place, durable=False)


def states(folder: Path) -> list[tuple[bool, bool]]:
    """Whether each stage has the strategy's and the optimiser's state."""
    places = sorted(folder.glob("stage-*"))
    return [((place / STATE_FILE).exists(), (place / OPTIMIZER_FILE).exists()) for place in places]


def test_large_states_go_but_the_last_stage_s_and_small_ones_stay(tmp_path: Path) -> None:
    a_run(tmp_path / "large", 3, 2**20 + 1)
    drop_large_states(tmp_path / "large", 3)
    assert states(tmp_path / "large") == [(False, False), (False, False), (True, True)]
    drop_large_states(tmp_path / "large", 3, is_over=True)
    assert states(tmp_path / "large") == [(False, False), (False, False), (False, True)]
    a_run(tmp_path / "small", 3, 2**20)
    drop_large_states(tmp_path / "small", 3, is_over=True)
    assert states(tmp_path / "small") == [(True, True)] * 3


def test_a_run_goes_on_from_what_it_can_make_its_state_again_of(tmp_path: Path) -> None:
    a_run(tmp_path, 3, 2**20 + 1)
    drop_large_states(tmp_path, 3)
    assert last_whole_stage(tmp_path, 3) == last_whole_stage(tmp_path, 3, with_optimizer=True) == 3
    assert last_whole_stage(tmp_path, 2) == 2
    assert last_whole_stage(tmp_path, 2, with_optimizer=True) == 0
    (stage_folder(tmp_path, 1) / "model.safetensors").write_bytes(b"damaged")
    assert last_whole_stage(tmp_path, 2) == 0
    assert last_whole_stage(tmp_path, 3) == 3  # with a state of its own


def test_a_folder_is_whole_whenever_files_are_taken_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(tmp_path, 1, 5)
    folder, seen = stage_folder(tmp_path, 1), []

    class Killed(BaseException):
        pass

    real_unlink, real_write = Path.unlink, durable_files.write_text

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.parent == folder:
            seen.append(is_whole(folder))
            if len(seen) == 2:
                raise Killed
        real_unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        with pytest.raises(Killed):
            take_out(folder, (STATE_FILE, OPTIMIZER_FILE))
    assert seen == [True, True]
    assert sealed_sums(folder).keys() == {"model.safetensors"}  # type: ignore[union-attr]

    monkeypatch.setattr(durable_files, "write_text", lambda *args, **options: seen.append(real_write(*args, **options)))
    take_out(folder, (STATE_FILE, OPTIMIZER_FILE))
    assert len(seen) == 2  # the sums were written before
    assert {file.name for file in folder.iterdir()} == {"model.safetensors", durable_files.SUMS}


def test_a_reader_with_the_sums_of_before_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(tmp_path, 1, 5)
    folder, real = stage_folder(tmp_path, 1), durable_files.file_hash

    def taken_out_meanwhile(file: Path) -> str:
        monkeypatch.setattr(durable_files, "file_hash", real)
        take_out(folder, (STATE_FILE,))
        return real(file)

    monkeypatch.setattr(durable_files, "file_hash", taken_out_meanwhile)
    assert is_whole(folder)
    (folder / "model.safetensors").write_bytes(b"damaged")
    assert not is_whole(folder)


def test_a_half_removed_stage_is_no_stage_and_goes(tmp_path: Path) -> None:
    a_run(tmp_path, 3, 5)
    (stage_folder(tmp_path, 1)).rename(tmp_path / "stage-1.abcd.partial")
    remove_stages(tmp_path, (3,))
    assert [each.name for each in tmp_path.iterdir()] == ["stage-3"]


def test_states_go_when_the_next_stage_is_recorded(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_LITTLE_BYTES", 0)
    store.add_experiment(experiment(tmp_path))
    run_id = store.claim_next()
    assert run_id is not None
    seen = []

    def watch(event: object) -> None:
        if isinstance(event, StageFinished | RunFinished):
            seen.append([has_state for has_state, _ in states(store.run_folder(run_id))])

    drive(store, run_id, Control(), FakeRun(), watch)
    assert seen == [[True], [False, True], [False, True]]
    assert [has_state for has_state, _ in states(store.run_folder(run_id))] == [False, False]
    shutil.rmtree(store.run_folder(run_id))
