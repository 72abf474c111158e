"""The bin: what is in it is nowhere else, what is restored is as before, and what emptying frees is what it says."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from engine.common.errors import StoreError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.housekeeping import Chosen, changes, labels, wastebin
from engine.running import queue
from engine.running.queue import Runner
from engine.running.results_folder import begin
from engine.store import Store
from tests.fake_runs import FakeRun, experiment, wait_until
from tests.persistence.test_disk_use import on_disk


def played(store: Store, tmp_path: Path, **changed: object) -> tuple[str, list[str]]:
    """A finished experiment of two runs."""
    experiment_id = store.add_experiment(experiment(tmp_path, **changed))
    run_ids = store.runs(experiment_id)["run_id"].tolist()
    for run_id in run_ids:
        store.claim(run_id)
        drive(store, run_id, Control(), FakeRun())
    return experiment_id, run_ids


def binned(store: Store) -> list[str]:
    return [each.thing.about for each in wastebin.contents(store)]


def aged(store: Store, seconds: float) -> None:
    """Let so much time go by for all that is in the bin."""
    with store.writing() as connection:
        for table in ("experiments", "runs"):
            connection.exec_driver_sql(f"UPDATE {table} SET deleted_at = deleted_at - {seconds}")


def test_an_experiment_in_the_bin_is_in_no_list_and_says_where_it_is(store: Store, tmp_path: Path) -> None:
    experiment_id, run_ids = played(store, tmp_path)
    other, _ = played(store, tmp_path, name="pantry")
    wastebin.put(store, Chosen((experiment_id,)))
    assert store.experiments()["experiment_id"].tolist() == [other]
    assert set(store.runs()["experiment_id"]) == {other}
    assert store.runs(experiment_id).empty
    assert store.runs(run_ids=run_ids).empty
    assert store.begun_runs(experiment_id) == {}
    with pytest.raises(StoreError, match="'kitchen' is in the bin; restore it"):
        store.experiment(experiment_id)
    with pytest.raises(StoreError, match="'naive' with seed 0 is in the bin"):
        store.run_spec(run_ids[0])
    with pytest.raises(StoreError, match="in the bin"):
        store.requeue(run_ids[0])
    (entry,) = wastebin.contents(store)
    assert (entry.thing.name, entry.run_ids, entry.goes_at - entry.deleted_at) == ("kitchen", tuple(run_ids), 86_400)


def test_one_restored_is_as_it_was(store: Store, tmp_path: Path) -> None:
    experiment_id, run_ids = played(store, tmp_path)
    before = store.runs(), store.matrix(run_ids), on_disk(store.folder / "runs")
    wastebin.put(store, Chosen((experiment_id,)))
    wastebin.restore(store, Chosen((experiment_id,)))
    assert store.runs().equals(before[0])
    assert store.matrix(run_ids).equals(before[1])
    assert on_disk(store.folder / "runs") == before[2]
    assert binned(store) == []


def test_a_running_run_is_refused_by_name_and_nothing_is_moved(store: Store, tmp_path: Path) -> None:
    experiment_id, _ = played(store, tmp_path)
    running = store.add_experiment(experiment(tmp_path, name="pantry"))
    store.claim_next()
    with pytest.raises(StoreError, match=r"Still running: naive \(seed 0\). Stop"):
        wastebin.put(store, Chosen((experiment_id, running)))
    assert binned(store) == []
    assert len(store.experiments()) == 2


def test_waiting_runs_leave_the_queue_and_come_back_stopped(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    first, second = store.runs(experiment_id)["run_id"]
    wastebin.put(store, Chosen(runs=(first,)))
    assert store.claim_next() == second
    assert not store.claim(first)
    wastebin.restore(store, Chosen(runs=(first,)))
    assert store.runs(run_ids=first)["status"].item() == "stopped"
    store.requeue(first)
    assert store.claim_next() == first


def test_a_run_that_lost_its_process_does_not_write_into_the_bin(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_experiment(experiment(tmp_path))
    run_id = store.claim_next()
    assert run_id is not None
    monkeypatch.setattr("engine.store.writing.STALE_AFTER_SECONDS", -1.0)
    wastebin.put(store, Chosen(runs=(run_id,)))
    assert store.beat({(run_id, 1)}) == {(run_id, 1)}  # taken away from whoever comes back


def test_an_experiment_goes_with_its_last_run_and_comes_back_with_any(store: Store, tmp_path: Path) -> None:
    experiment_id, (first, second) = played(store, tmp_path)
    wastebin.put(store, Chosen(runs=(first,)))
    assert store.runs()["run_id"].tolist() == [second]
    wastebin.put(store, Chosen(runs=(second,)))
    assert store.experiments().empty
    assert sorted(binned(store)) == [experiment_id, first]
    wastebin.restore(store, Chosen(runs=(first,)))
    assert store.runs()["run_id"].tolist() == [first]
    assert binned(store) == [second]


def test_an_experiment_comes_back_without_the_run_that_was_moved_before_it(store: Store, tmp_path: Path) -> None:
    experiment_id, (first, second) = played(store, tmp_path)
    wastebin.put(store, Chosen(runs=(first,)))
    wastebin.put(store, Chosen((experiment_id,)))
    wastebin.restore(store, Chosen((experiment_id,)))
    assert store.runs()["run_id"].tolist() == [second]
    assert binned(store) == [first]


def test_emptying_after_a_day_leaves_what_is_younger_and_says_who_did_it(store: Store, tmp_path: Path) -> None:
    old, old_runs = played(store, tmp_path)
    young, young_runs = played(store, tmp_path, name="pantry")
    wastebin.put(store, Chosen((old,)))
    aged(store, wastebin.DAY_SECONDS + 1)
    wastebin.put(store, Chosen((young,)))
    wastebin.tidy(store)
    assert binned(store) == [young]
    assert [store.run_folder(run_id).exists() for run_id in (*old_runs, *young_runs)] == [False, False, True, True]
    (change,) = changes.history(store)
    assert (change.visitor, change.action, change.thing.name) == ("the server", "deleted for good", "kitchen")
    with pytest.raises(StoreError, match="deleted"):
        store.experiment(old)


def test_a_file_that_another_run_or_a_later_one_may_use_is_not_counted_as_freed(store: Store, tmp_path: Path) -> None:
    _, (first, second) = played(store, tmp_path)
    shared = store.shared_folder / "key"
    shared.mkdir(parents=True)
    common = store.run_folder(first) / "common.safetensors"
    for file, places in ((common, [store.run_folder(second) / "common.safetensors"]),
                         (store.run_folder(first) / "kept.pt", [shared / "kept.pt"])):  # fmt: skip
        file.write_bytes(b"x" * 5000)
        for place in places:
            os.link(file, place)
    wastebin.put(store, Chosen(runs=(first,)))
    taken, frees = wastebin.sizes(store, wastebin.runs_in(store))
    assert taken - frees == 10_000
    places = [store.folder / name for name in ("runs", "logs", "shared")]
    before = on_disk(*places)
    things, freed = wastebin.empty(store, "")
    assert (len(things), freed) == (1, frees)
    assert before - on_disk(*places) == frees
    wastebin.put(store, Chosen(runs=(second,)))
    assert wastebin.sizes(store, wastebin.runs_in(store))[1] >= 5000  # the last name of the common file


def test_what_a_kill_left_half_removed_is_finished_and_not_restored(store: Store, tmp_path: Path) -> None:
    experiment_id, run_ids = played(store, tmp_path)
    wastebin.put(store, Chosen((experiment_id,)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wastebin, "_remove_files", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            wastebin.empty(store, "")
    assert binned(store) == []
    with pytest.raises(StoreError, match="can't be restored"):
        wastebin.restore(store, Chosen((experiment_id,)))
    wastebin.tidy(store)
    assert not store.run_folder(run_ids[0]).exists()
    with pytest.raises(StoreError, match="deleted"):
        store.experiment(experiment_id)


def test_files_that_can_t_be_removed_are_tried_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id, run_ids = played(store, tmp_path)
    wastebin.put(store, Chosen((experiment_id,)))
    with monkeypatch.context() as patch:
        patch.setattr(wastebin.shutil, "rmtree", lambda *given, **how: None)
        assert wastebin.empty(store, "") == ([], 0)
    assert store.run_folder(run_ids[0]).exists()
    things, freed = wastebin.empty(store, "edith@example.org")
    assert [each.name for each in things] == ["kitchen"]
    assert freed > 0


def test_the_server_empties_the_bin_by_itself_with_no_page_open(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "TIDY_SECONDS", 0.05)
    experiment_id, run_ids = played(store, tmp_path)
    runner = Runner(store, FakeRun()).start()
    try:
        wastebin.put(store, Chosen((experiment_id,)))
        aged(store, wastebin.DAY_SECONDS + 1)
        wait_until(lambda: changes.history(store))
    finally:
        runner.close()
    assert not store.run_folder(run_ids[0]).exists()


def test_a_results_folder_without_pages_keeps_its_bin(store: Store, tmp_path: Path) -> None:
    described = experiment(tmp_path)
    experiment_id, (first, second) = played(store, tmp_path)
    wastebin.put(store, Chosen(runs=(first,)))
    aged(store, wastebin.DAY_SECONDS + 1)
    assert begin(store, described, resume=True) == experiment_id
    assert store.runs()["run_id"].tolist() == [second]
    assert binned(store) == [first]


def rows_and_files(store: Store, experiment_id: str) -> Any:
    """All that the store and the disk hold of an experiment."""
    connection = sqlite3.connect(store.folder / "palimpsest.db")
    tables = ("runs", "stages", "steps", "losses", "scores", "document_sums")
    found = [
        connection.execute(f"SELECT * FROM {table} WHERE run_id LIKE '{experiment_id}-%' ORDER BY 1, 2, 3").fetchall()
        for table in tables
    ]
    own = connection.execute("SELECT * FROM experiments WHERE experiment_id = ?", (experiment_id,)).fetchall()
    connection.close()
    files = sorted((store.folder / "runs").glob(f"{experiment_id}-*/**/*"))
    return own, found, [(str(path), path.read_bytes()) for path in files if path.is_file()]


class AnySequence(RuleBasedStateMachine):
    """Whatever is put into the bin, restored and emptied: everything else stays as it is, byte for byte."""

    things = Bundle("things")
    folder: Path

    @initialize()
    def begin(self) -> None:
        self.folder = AnySequence.folder / f"{time.monotonic_ns()}"
        self.folder.mkdir()
        self.store = Store(self.folder / "data")
        self.kept, _ = played(self.store, self.folder)
        self.before = rows_and_files(self.store, self.kept)

    @rule(target=things, number=st.integers(0, 2))
    def add(self, number: int) -> tuple[str, list[str]]:
        experiment_id, run_ids = played(self.store, self.folder, name=f"pantry {number}")
        for run_id in run_ids:  # a file in common with the experiment that stays
            source = next((self.store.folder / "runs").glob(f"{self.kept}-*/stage-1/model.safetensors"))
            os.link(source, self.store.run_folder(run_id) / "common.safetensors")
        self.before = rows_and_files(self.store, self.kept)
        return experiment_id, run_ids

    def _possible(self, thing: tuple[str, list[str]], whole: bool) -> Chosen:
        with self.store.reading() as connection:
            left = set(connection.exec_driver_sql("SELECT run_id FROM runs").scalars())
        runs = tuple(run_id for run_id in thing[1][:1] if run_id in left)
        return Chosen((thing[0],)) if whole and left & set(thing[1]) else Chosen(runs=runs)

    @rule(thing=things, whole=st.booleans())
    def put(self, thing: tuple[str, list[str]], whole: bool) -> None:
        wastebin.put(self.store, self._possible(thing, whole))

    @rule(thing=things, whole=st.booleans())
    def restore(self, thing: tuple[str, list[str]], whole: bool) -> None:
        wastebin.restore(self.store, self._possible(thing, whole))

    @rule()
    def empty(self) -> None:
        told = wastebin.sizes(self.store, wastebin.runs_in(self.store))[1]
        places = [self.store.folder / name for name in ("runs", "logs")]
        before = on_disk(*places)
        _, freed = wastebin.empty(self.store, "")
        assert before - on_disk(*places) == freed == told
        assert wastebin.contents(self.store) == []

    @rule(thing=consumes(things))
    def delete(self, thing: tuple[str, list[str]]) -> None:
        self.store.delete_experiment(thing[0])

    @invariant()
    def the_other_experiment_is_untouched(self) -> None:
        if hasattr(self, "before"):
            assert rows_and_files(self.store, self.kept) == self.before

    @invariant()
    def an_experiment_in_a_list_has_a_run(self) -> None:
        if hasattr(self, "before"):
            assert (self.store.experiments()["runs"] > 0).all()
            assert set(self.store.runs()["experiment_id"]) == set(self.store.experiments()["experiment_id"])

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    AnySequence.folder = tmp_path


class TestAnySequence(AnySequence.TestCase):
    settings = settings(max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))


def test_what_is_chosen_and_gone_is_said(store: Store, tmp_path: Path) -> None:
    experiment_id, _ = played(store, tmp_path)
    store.delete_experiment(experiment_id)
    for change in (wastebin.put, wastebin.restore, lambda *given: labels.set_archived(*given, archived=True)):
        with pytest.raises(StoreError, match="Reload the page"):
            change(store, Chosen((experiment_id,)))
