"""A full disk, a locked or damaged database, a clock that jumps: one sentence, and nothing recorded is lost."""

import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine import events
from engine.common.errors import ConfigError, StoreError, StoreUnavailableError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.execution.worker_process import Execute
from engine.experiments.experiment import experiment_from
from engine.housekeeping import Chosen, changes, overview, wastebin
from engine.running.results_folder import begin
from engine.store import Store, migrations, schema, writing
from engine.store.progress import Batch
from tests.fake_runs import STEPS, FakeRun, experiment, wait_until

STAGES = 2


def claimed(store: Store, folder: Path) -> str:
    store.add_experiment(experiment(folder))
    run_id = store.claim_next()
    assert run_id is not None
    return run_id


class Disk:
    """A database that may not grow while it is `full`: SQLite says what it says of a full disk."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        real = schema._on_begin

        def begin(connection: object) -> None:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()  # type: ignore[attr-defined]
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages if self.full else 2**30}")  # type: ignore[attr-defined]
            real(connection)  # type: ignore[arg-type]

        schema.sa.event.remove(store._engine, "begin", real)
        schema.sa.event.listen(store._engine, "begin", begin)


def test_a_run_waits_while_the_disk_is_full_and_goes_on_by_itself(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.driving.recorder.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("engine.driving.pulse.POLL_SECONDS", 0.05)
    import tests.fake_runs as fake

    monkeypatch.setattr(fake, "STEPS", 300)
    run_id, disk, reasons = claimed(store, tmp_path), Disk(store, monkeypatch), list[str]()
    execute = FakeRun(step_seconds=0.001)
    execute.before_step = lambda step: setattr(disk, "full", True) if step == 100 else None
    thread = threading.Thread(target=drive, args=(store, run_id, Control(), execute), kwargs={"tell": reasons.append})
    thread.start()
    wait_until(lambda: reasons)
    assert "the disk is full; free some space" in reasons[0]
    assert "goes on by itself" in reasons[0]
    recorded = store.steps(run_id)["step"].tolist()
    assert recorded == list(range(1, len(recorded) + 1))  # what was recorded is intact and readable
    disk.full = False
    thread.join(120)
    assert not thread.is_alive()
    assert reasons[-1] == ""
    assert store.runs(run_ids=run_id)["status"].item() == "finished"
    assert store.steps(run_id)["step"].tolist() == list(range(1, 300 * STAGES + 1))


def test_a_run_that_waits_for_the_disk_can_be_stopped(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.driving.recorder.RETRY_SECONDS", 0.05)
    run_id, disk = claimed(store, tmp_path), Disk(store, monkeypatch)
    execute = FakeRun()
    execute.before_step = lambda step: setattr(disk, "full", True) if step == 2 else None
    monkeypatch.setattr(Store, "record_batches", _refusing_when(disk, Store.record_batches))
    _stop_while_it_waits(store, run_id, execute)


def test_a_run_that_was_stopped_while_it_waited_counts_as_stopped_once_that_can_be_written(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.driving.recorder.RETRY_SECONDS", 0.05)
    run_id, disk = claimed(store, tmp_path), Disk(store, monkeypatch)

    def execute(*arguments: Any) -> Iterator[events.Event]:
        try:
            for event in FakeRun()(*arguments):
                disk.full = disk.full or isinstance(event, events.Evaluated)
                yield event
        finally:
            disk.full = False  # room again, just after the run was given up

    monkeypatch.setattr(Store, "record_batches", _refusing_when(disk, Store.record_batches))
    _stop_while_it_waits(store, run_id, execute)
    run = store.runs(run_ids=run_id).iloc[0]
    assert run["status"] == "stopped"
    assert "Stopped while its records could not be written" in run["reason"]


def test_a_run_is_alive_as_long_as_this_process_drives_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.writing.STALE_AFTER_SECONDS", 0.2)
    monkeypatch.setattr("tests.fake_runs.STEPS", 100_000)
    run_id, control = claimed(store, tmp_path), Control()
    experiment_id = store.experiments()["experiment_id"].item()
    thread = threading.Thread(target=drive, args=(store, run_id, control, FakeRun(step_seconds=0.05)))
    with monkeypatch.context() as full:
        full.setattr(Store, "beat", _always_refusing)
        full.setattr(Store, "record_batches", lambda _, batches: [_REFUSAL] * len(batches))
        thread.start()
        wait_until(lambda: time.time() - store.runs(run_ids=run_id)["heartbeat_at"].item().timestamp() > 0.3)
        assert store.runs(run_ids=run_id)["status"].item() == "running"
        assert store.experiments()["status"].item() == "running"
        with pytest.raises(StoreError, match="still running"):
            store.delete_experiment(experiment_id)
        with pytest.raises(StoreError, match="only interrupted, stopped and failed runs"):
            store.requeue(run_id)
        control.stop()
        thread.join(120)
    assert not thread.is_alive()


def _stop_while_it_waits(store: Store, run_id: str, execute: Execute) -> None:
    control, reasons = Control(), list[str]()
    thread = threading.Thread(target=drive, args=(store, run_id, control, execute), kwargs={"tell": reasons.append})
    thread.start()
    wait_until(lambda: reasons)
    control.stop()
    thread.join(120)
    assert not thread.is_alive()


_REFUSAL = StoreUnavailableError("palimpsest.db: the disk is full; free some space.")


def _always_refusing(*_: object, **__: object) -> None:
    raise _REFUSAL


def test_a_file_beside_the_database_that_goes_meanwhile_refuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path).close()
    beside = tmp_path / "palimpsest.db-wal"
    beside.touch()
    real = os.access

    def another_process_closes(file: Path, mode: int) -> bool:
        if Path(file) == beside:
            beside.unlink(missing_ok=True)
        return real(file, mode)

    monkeypatch.setattr("engine.store.schema.os.access", another_process_closes)
    Store(tmp_path).close()


def test_a_store_whose_folder_is_gone_says_so_whatever_is_asked(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    store.version()
    store.close()
    shutil.rmtree(tmp_path / "data")
    for ask in (store.version, store.experiments):
        with pytest.raises(StoreUnavailableError, match="it can't be opened"):
            ask()


def _refusing_when(disk: Disk, real: Callable[..., Any]) -> object:
    def record(store: Store, batches: Sequence[Batch]) -> list[Exception | None]:
        return [_REFUSAL] * len(batches) if disk.full else real(store, batches)

    return record


def test_a_locked_database_is_named_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LOCKED_SECONDS", 0.1)
    store = Store(tmp_path / "data")
    other = sqlite3.connect(tmp_path / "data" / "palimpsest.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds it"):
        store.add_experiment(experiment(tmp_path))
    other.execute("ROLLBACK")
    other.close()
    assert store.add_experiment(experiment(tmp_path))
    store.close()


def test_a_database_that_is_not_one_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "palimpsest.db"
    file.write_bytes(b"my diary, not a database at all" * 100)
    before = file.read_bytes()
    with pytest.raises(StoreError, match="not a database of Palimpsest"):
        Store(tmp_path)
    assert file.read_bytes() == before


def test_a_damaged_database_is_said_to_be_damaged(store: Store, tmp_path: Path) -> None:
    store.add_experiment(experiment(tmp_path))
    store.close()
    file = store.folder / "palimpsest.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(StoreError, match="this is damaged"):
        Store(store.folder).experiments()


def test_a_newer_schema_is_refused_untouched(store: Store) -> None:
    store.close()
    file = store.folder / "palimpsest.db"
    connection = sqlite3.connect(file)
    connection.execute("DROP TABLE losses")  # as a newer version may have done
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match="a newer version of Palimpsest"):
        Store(store.folder)
    assert file.read_bytes() == before


def test_an_older_schema_is_brought_forward_with_all_that_it_holds(store: Store, tmp_path: Path) -> None:
    run_id, control = claimed(store, tmp_path), Control()
    execute = FakeRun()
    execute.before_step = lambda step: control.stop() if step == STEPS + 2 else None
    drive(store, run_id, control, execute)
    before = store.losses(run_id)
    store.close()
    connection = sqlite3.connect(store.folder / "palimpsest.db")
    connection.execute("ALTER TABLE runs DROP COLUMN kept_step")
    _back_to_2(connection)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    opened = Store(store.folder)
    assert opened.losses(run_id).equals(before)
    assert opened.runs(run_ids=run_id)["kept_step"].item() == STEPS  # its last finished stage
    assert opened.stages(run_id)["new_tokens"].isna().all()
    with opened._reading() as connection:
        assert connection.exec_driver_sql("PRAGMA user_version").scalar() == migrations.VERSION
    opened.close()


def test_what_was_made_before_there_were_tags_and_a_bin_is_there_untagged_and_in_no_bin(
    store: Store, tmp_path: Path
) -> None:
    run_id = claimed(store, tmp_path)
    drive(store, run_id, Control(), FakeRun())
    before = store.runs(), store.losses(run_id)
    store.close()
    connection = sqlite3.connect(store.folder / "palimpsest.db")
    for table, own in (("experiments", "owner"), ("runs", "title")):
        for column in ("tags", "notes", "archived_at", "deleted_at", "origin", own):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    for table in ("changes", "drafts"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("PRAGMA user_version = 10")
    connection.commit()
    connection.close()
    opened = Store(store.folder)
    assert opened.runs().equals(before[0])
    assert opened.losses(run_id).equals(before[1])
    (row, *_) = overview.read(opened).runs.to_dict("records")
    assert (row["tags"], row["notes"], row["archived"], row["owner"], row["title"], row["origin"]) == (
        [], "", False, "", "", None,
    )  # fmt: skip
    assert wastebin.contents(opened) == changes.history(opened) == []
    wastebin.put(opened, Chosen(runs=(run_id,)))
    assert [each.run_ids for each in wastebin.contents(opened)] == [(run_id,)]
    opened.close()


def _back_to_2(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TABLE document_sums")
    connection.execute("ALTER TABLE runs DROP COLUMN steps_measured")
    connection.execute("ALTER TABLE runs DROP COLUMN expected_seconds")
    connection.execute("ALTER TABLE stages DROP COLUMN new_tokens")
    connection.execute("PRAGMA user_version = 2")


def test_pairs_of_before_stay_joined_as_they_were_and_go_on_from_the_same_file(tmp_path: Path) -> None:
    tasks = [{"name": "a", "train": "a.jsonl", "prompt_column": "q", "completion_column": "a"},
             {"name": "b", "train": "b.jsonl", "text_column": "text"}, {"name": "c", "train": "c.csv"}]  # fmt: skip
    described = experiment_from({"name": "x", "tasks": tasks, "strategies": ["naive"]})
    store = Store(tmp_path)
    experiment_id = store.add_experiment(described)
    store.close()
    connection = sqlite3.connect(tmp_path / "palimpsest.db")
    connection.execute("PRAGMA user_version = 3")
    connection.commit()
    connection.close()
    opened = Store(tmp_path)
    kept = opened.experiment(experiment_id).tasks
    assert [(task.separator, task.beyond_block) for task in kept] == [
        ("", "continue"), ("\n", "cut"), ("", "continue"),
    ]  # fmt: skip
    assert begin(opened, described, resume=True) == experiment_id
    said = described.tasks[0].model_copy(update={"separator": "\n"})
    with pytest.raises(ConfigError, match="another experiment"):
        begin(opened, described.model_copy(update={"tasks": (said, *described.tasks[1:])}), resume=True)
    opened.close()


@pytest.mark.parametrize("said", [{"separator": "", "beyond_block": "continue"}, {"separator": ""},
                                  {"beyond_block": "continue"}])  # fmt: skip
def test_an_explicit_way_to_join_pairs_is_another_experiment_than_the_usual_one(
    said: dict[str, str], tmp_path: Path
) -> None:
    pairs = {"name": "a", "train": "a.jsonl", "prompt_column": "q", "completion_column": "a"}
    usual, other = (
        experiment_from({"name": "x", "tasks": [pairs | more], "strategies": ["naive"]}) for more in ({}, said)
    )
    for kept, wanted in ((usual, other), (other, usual)):
        store = Store(tmp_path / repr(kept is usual))
        experiment_id = store.add_experiment(kept)
        assert begin(store, kept, resume=True) == experiment_id
        with pytest.raises(ConfigError, match="other tasks"):
            begin(store, wanted, resume=True)
        store.close()


def test_a_run_from_before_sums_of_documents_keeps_its_curve_and_matrix_without_an_error(
    store: Store, tmp_path: Path
) -> None:
    run_id = claimed(store, tmp_path)
    drive(store, run_id, Control(), FakeRun())
    curve, matrix = store.curve(run_id), store.matrix(run_id)
    store.close()
    connection = sqlite3.connect(store.folder / "palimpsest.db")
    _back_to_2(connection)
    connection.commit()
    connection.close()
    opened = Store(store.folder)
    assert opened.matrix(run_id).equals(matrix)
    old = opened.curve(run_id)
    assert old["nats_per_token"].equals(curve["nats_per_token"])
    inside = old["step"].isin([STEPS // 2, STEPS + STEPS // 2])
    assert old.loc[inside, "nats_per_token_low"].isna().all()
    assert not old["is_worse"].any()
    opened.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="can't be made"):
        Store(tmp_path / "file" / "data")


def test_a_clock_that_is_set_back_leaves_no_dead_run_alive(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = claimed(store, tmp_path)
    assert store.runs(run_ids=run_id)["status"].item() == "running"
    an_hour_ago = time.time() - 3600
    monkeypatch.setattr(schema.time, "time", lambda: an_hour_ago)
    assert writing.effective_status("a run", "running", time.time() + 3600) == "interrupted"
    assert store.runs(run_ids=run_id)["status"].item() == "interrupted"
    assert not store.beat([(run_id, 1)])  # a living one says so at its next beat
    assert store.runs(run_ids=run_id)["status"].item() == "running"


@pytest.mark.parametrize("lost", ["stage-1", "stage-1/model.safetensors", "stage-1/sums.sha256"])
def test_a_deleted_checkpoint_costs_its_stage_and_not_the_run(lost: str, store: Store, tmp_path: Path) -> None:
    run_id, control = claimed(store, tmp_path), Control()
    execute = FakeRun()
    execute.before_step = lambda step: control.stop() if step == STEPS + 2 else None
    drive(store, run_id, control, execute)
    assert store.runs(run_ids=run_id)["status"].item() == "stopped"
    gone = store.run_folder(run_id) / lost
    subprocess.run(["rm", "-r", str(gone)], check=True)
    store.requeue(run_id)
    while store.claim_next() != run_id:
        pass
    execute.before_step = None
    drive(store, run_id, Control(), execute)
    assert [finished for _, _, finished in execute.started] == [0, 0]
    assert store.runs(run_ids=run_id)["status"].item() == "finished"
    assert store.steps(run_id)["step"].tolist() == list(range(1, STAGES * STEPS + 1))
