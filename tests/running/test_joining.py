"""Folders of single runs joined into one, against what one folder of all runs holds."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy

from engine.common.durable_files import is_whole
from engine.common.errors import ConfigError, PalimpsestError, StoreError, StoreUnavailableError
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.experiments.experiment import Experiment
from engine.insight import frames
from engine.persistence import disk_space
from engine.running import joining, sources
from engine.running.headless import run_experiment
from engine.running.joining import join
from engine.running.runner_lock import RunnerLock
from engine.store import Store, schema
from tests.fake_runs import STEPS, FakeRun, experiment

TRAINING = {
    "epochs": 1, "stage_tokens": 100, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 2,
    "evaluation_tokens": 64, "device": "cpu",
}  # fmt: skip
TIMES = {"seconds", "created_at", "queued_at", "started_at", "finished_at", "heartbeat_at", "tokens_per_second",
         "seconds_per_step", "steps_measured"}  # fmt: skip


@pytest.fixture(autouse=True)
def texts_are_not_read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what runs are executed for real on has to be."""
    if "bit_for_bit" not in request.node.name:
        monkeypatch.setattr("engine.running.headless.check_input", lambda *_: None)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Four runs."""
    guards = [{"prompt": "p", "contains": "a"}, {"prompt": "q", "contains": "b"}]
    return experiment(tmp_path_factory.mktemp("texts"), seeds=[0, 1], guards=guards)


@pytest.fixture(scope="module")
def parts_once(described: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("engine.running.headless.check_input", lambda *_: None)
        for number in (1, 2, 3, 4):
            made(described, folder / f"part {number}", number)
    return folder


@pytest.fixture
def parts(parts_once: Path, tmp_path: Path) -> list[Path]:
    """A folder of each run."""
    shutil.copytree(parts_once, tmp_path, dirs_exist_ok=True)
    return [tmp_path / f"part {number}" for number in (1, 2, 3, 4)]


def made(described: Experiment, folder: Path, number: int | None, execute: FakeRun | None = None) -> Path:
    run_experiment(described, folder, only=number, execute=execute or FakeRun(beside=True))
    return folder


def cut_short(described: Experiment, folder: Path, number: int) -> Path:
    """A run that was stopped in its second stage."""
    control, fake = Control(), FakeRun(beside=True)
    fake.before_step = lambda step: control.stop() if step == STEPS + 2 else None
    run_experiment(described, folder, only=number, execute=fake, control=control)
    return folder


def everything_in(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns) for file in files}


def rows_of(folder: Path, left_out: set[str]) -> dict[str, list[dict[str, Any]]]:
    """All rows of every table, with the ids of runs and experiments written as their numbers."""
    with closing(Store(folder)) as store, store._reading() as connection:
        (experiment_id,) = connection.execute(sqlalchemy.select(schema.experiments.c.experiment_id)).scalars()
        found = {}
        for table in (schema.experiments, schema.runs, *schema.OF_STAGES):
            query = sqlalchemy.select(table).order_by(*table.primary_key.columns)
            found[table.name] = [
                {
                    name: value.replace(experiment_id, "E") if isinstance(value, str) else value
                    for name, value in row._mapping.items()
                    if name not in left_out
                }
                for row in connection.execute(query)
            ]
        return found


def files_of_runs(folder: Path) -> set[str]:
    """The files of all runs by their numbers."""
    return {str(file.relative_to(folder / "runs")).split("-", 1)[1] for file in folder.glob("runs/*/*/*")}


def weights_of(folder: Path) -> dict[str, bytes]:
    """The weights of all checkpoints, by the number of their run and the stage."""
    files = folder.glob("runs/*/stage-*/model.safetensors")
    return {str(file.relative_to(folder / "runs")).split("-", 1)[1]: file.read_bytes() for file in files}


def without_what_may_differ(results: dict[str, Any]) -> dict[str, Any]:
    """Ids, which checkpoints lie under, and times; and the machine, which is the same one here."""
    for run in results["runs"]:
        number = run["run_id"].rpartition("-")[2]
        run |= {"seconds": None, "checkpoints": [path.replace(run["run_id"], number) for path in run["checkpoints"]]}
        run["run_id"] = number
    return results


def statuses(folder: Path) -> list[str]:
    with closing(Store(folder)) as store:
        found: list[str] = store.runs()["status"].tolist()
        return found


def test_four_runs_on_four_machines_give_the_results_of_one_machine_bit_for_bit(tmp_path: Path) -> None:
    (tmp_path / "general.txt").write_text("Water boils at sea level.\n\nIt freezes in winter.", encoding="utf-8")
    general = {"train": [str(tmp_path / "general.txt")]}
    described = experiment(tmp_path, seeds=[0, 1], training=TRAINING, general=general)
    whole = run_experiment(described, tmp_path / "whole", execute=execute_run)
    for number in (4, 2, 1, 3):
        run_experiment(described, tmp_path / f"{number}", only=number, execute=execute_run)
    joined = join([tmp_path / name for name in "4213"], tmp_path / "joined")
    assert json.loads((tmp_path / "joined/results.json").read_text(encoding="utf-8")) == joined
    assert without_what_may_differ(joined) == without_what_may_differ(whole)
    one, four = rows_of(tmp_path / "whole", TIMES), rows_of(tmp_path / "joined", TIMES)
    assert one == four
    assert all(one[name] for name in ("losses", "scores", "document_sums", "drift", "stages", "steps"))
    assert weights_of(tmp_path / "whole") == weights_of(tmp_path / "joined")
    with closing(Store(tmp_path / "joined")) as store:
        assert all(is_whole(Path(path)) for path in store.stages(store.runs()["run_id"].tolist())["checkpoint"])


def test_every_table_and_file_of_a_run_is_taken(described: Experiment, parts: list[Path], tmp_path: Path) -> None:
    made(described, tmp_path / "whole", None)
    harness = next(parts[2].glob("runs/*")) / "harness"
    harness.mkdir()
    (harness / "notes.txt").write_text("mine", encoding="utf-8")
    out = tmp_path / "above" / "joined"
    join([parts[2], parts[0], parts[3], parts[1]], out)
    one, four = rows_of(tmp_path / "whole", TIMES), rows_of(out, TIMES)
    assert one == four
    assert all(one.values()), "and no table is empty"
    expected, found = files_of_runs(tmp_path / "whole"), files_of_runs(out)
    assert found == expected | {"002/harness/notes.txt"}
    assert sorted(file.name.rpartition("-")[2] for file in out.glob("logs/*")) == [f"00{n}.log" for n in range(4)]
    assert sorted(each.name for each in out.parent.iterdir()) == ["joined"], "and no half folder is left"


def test_weights_are_linked_and_nothing_else_is(parts: list[Path], tmp_path: Path) -> None:
    journal = next(parts[0].glob("runs/*")) / "journal-2.jsonl"
    journal.write_text("", encoding="utf-8")
    join(parts, tmp_path / "joined")
    linked = {file.name for file in (tmp_path / "joined").rglob("*") if file.is_file() and file.stat().st_nlink > 1}
    assert linked == {"model.safetensors", "palimpsest-state.pt"}
    assert next((tmp_path / "joined").glob("runs/*/journal-2.jsonl")).is_file()


def test_weights_are_copied_where_the_disk_has_no_links(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    join(parts, tmp_path / "joined")
    weights = next((tmp_path / "joined").rglob("model.safetensors"))
    assert (weights.read_bytes(), weights.stat().st_nlink) == (b"weights", 1)


def test_the_folders_stay_as_they_were_to_the_byte_and_are_free_again(parts: list[Path], tmp_path: Path) -> None:
    before = [everything_in(folder) for folder in parts]
    join(parts, tmp_path / "joined")
    assert [everything_in(folder) for folder in parts] == before
    for folder in parts:
        lock = RunnerLock(folder)
        assert lock.take()
        lock.release()


def test_what_was_cut_short_goes_on_and_what_was_never_begun_begins(described: Experiment, tmp_path: Path) -> None:
    parts = [cut_short(described, tmp_path / "a", 4), made(described, tmp_path / "b", 2)]
    join(parts, tmp_path / "joined")
    assert statuses(tmp_path / "joined") == ["finished", "stopped"]
    fake = FakeRun(beside=True)
    run_experiment(described, tmp_path / "joined", resume=True, execute=fake)
    assert statuses(tmp_path / "joined") == ["finished"] * 4
    assert sorted(fake.started) == [("naive", 0, 0), ("naive", 1, 0), ("replay", 1, 1)], "the last from its checkpoint"
    assert statuses(tmp_path / "a") == ["stopped"]


def test_two_halves_of_a_folder_of_all_runs_are_joined(described: Experiment, tmp_path: Path) -> None:
    control, fake = Control(), FakeRun()
    fake.before_step = lambda step: control.stop() if len(fake.started) == 2 else None
    run_experiment(described, tmp_path / "first", execute=fake, control=control)
    assert statuses(tmp_path / "first") == ["finished", "stopped", "queued", "queued"]
    second = [made(described, tmp_path / name, number) for name, number in (("c", 3), ("d", 4))]
    join([tmp_path / "first", *second], tmp_path / "joined")
    assert statuses(tmp_path / "joined") == ["finished", "stopped", "finished", "finished"]


@pytest.mark.parametrize("status", ["running", "paused", "queued"])
def test_a_run_whose_program_is_gone_is_interrupted(status: str, described: Experiment, tmp_path: Path) -> None:
    cut_short(described, tmp_path / "a", 1)
    with closing(Store(tmp_path / "a")) as store, store._writing() as connection:
        values = {"status": status, "request": "pause", "phase": "training", "heartbeat_at": 1.0}
        connection.execute(sqlalchemy.update(schema.runs).values(**values))
    join([tmp_path / "a"], tmp_path / "joined")
    (row,) = rows_of(tmp_path / "joined", set())["runs"]
    assert (row["status"], row["request"], row["phase"]) == ("interrupted", None, "")
    assert row["reason"]


def test_a_joined_folder_is_understood_and_verified_as_any_other(parts: list[Path], tmp_path: Path) -> None:
    join(parts, tmp_path / "joined")
    found = frames.run_ids(tmp_path / "joined")
    assert found["label"].nunique() == 2
    assert (found["seed"].tolist(), found["stages"].tolist()) == ([0, 0, 1, 1], [2] * 4)
    alone = frames.verification(parts[3], None, 9.0)
    judged = frames.verification(tmp_path / "joined", None, 9.0, run=found["run_id"].iloc[-1])
    assert (judged["decision"], judged["reasons"]) == (alone["decision"], alone["reasons"])


def test_a_run_that_failed_before_it_recorded_anything_gives_way(described: Experiment, tmp_path: Path) -> None:
    def fail(*_: object) -> Iterator[Any]:
        raise ConfigError("training.device: there is no such device; choose auto.")
        yield

    for name in ("a", "b"):
        made(described, tmp_path / name, 2, fail)  # type: ignore[arg-type]
    join([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    assert statuses(tmp_path / "both") == ["failed"]
    made(described, tmp_path / "c", 2)
    join([tmp_path / "a", tmp_path / "c", tmp_path / "b"], tmp_path / "joined")
    assert statuses(tmp_path / "joined") == ["finished"]


def test_texts_of_one_name_may_lie_elsewhere_on_another_machine(described: Experiment, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    elsewhere = experiment(tmp_path / "other", seeds=[0, 1], guards=[g.model_dump() for g in described.guards])
    parts = [made(described, tmp_path / "a", 1), made(elsewhere, tmp_path / "b", 2)]
    join(parts, tmp_path / "joined")
    assert statuses(tmp_path / "joined") == ["finished"] * 2


def refused(parts: Sequence[Path], out: Path, kind: type[PalimpsestError], *named: str) -> None:
    """One sentence that says all of this, and nothing was written."""
    above = sorted(out.parent.iterdir()) if out.parent.exists() else []
    with pytest.raises(kind) as found:
        join(parts, out)
    assert [words for words in named if words not in str(found.value)] == [], str(found.value)
    assert (sorted(out.parent.iterdir()) if out.parent.exists() else []) == above


def test_a_folder_that_holds_no_results_is_refused(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "none"):
        refused([*parts, folder], tmp_path / "joined", ConfigError, f"{folder}: this is no folder of results")
        assert not list(tmp_path.glob("none*"))


def test_another_experiment_is_refused_and_it_is_said_what_differs(parts: list[Path], tmp_path: Path) -> None:
    guards = [{"prompt": "p", "contains": "a"}, {"prompt": "q", "contains": "b"}]
    other = experiment(tmp_path, seeds=[0, 2], guards=guards, training={"epochs": 7})
    parts.append(made(other, tmp_path / "other", 1))
    refused(parts, tmp_path / "joined", ConfigError, f"{tmp_path / 'other'}: holds another experiment",
            f"{tmp_path / 'part 1'} (other training, seeds)")  # fmt: skip


def test_several_experiments_in_a_folder_are_refused(described: Experiment, parts: list[Path], tmp_path: Path) -> None:
    with closing(Store(parts[1])) as store:
        store.add_experiment(described)
    refused(parts, tmp_path / "joined", ConfigError, f"{parts[1]}: holds 2 experiments")


@pytest.mark.parametrize(("change", "recorded"), [(False, "the same losses"), (True, "other losses")])
def test_a_run_in_two_folders_is_refused_and_it_is_said_whether_they_are_the_same(
    change: bool, recorded: str, described: Experiment, parts: list[Path], tmp_path: Path
) -> None:
    parts.append(made(described, tmp_path / "again", 3))
    if change:
        with closing(Store(tmp_path / "again")) as store, store._writing() as connection:
            last = schema.guard_outcomes.c.stage == 2
            connection.execute(sqlalchemy.update(schema.guard_outcomes).where(last).values(found="other"))
    refused(parts, tmp_path / "joined", ConfigError, "Run 3 (naive, seed 1)", str(parts[2]), str(tmp_path / "again"),
            recorded, "leave one of the two folders out")  # fmt: skip


def test_a_folder_in_which_a_run_is_running_is_refused(parts: list[Path], tmp_path: Path) -> None:
    lock = RunnerLock(parts[3])
    assert lock.take()
    refused(parts, tmp_path / "joined", StoreUnavailableError, f"{parts[3]}: another process is working in this folder")
    lock.release()
    (parts[3] / "runner.lock").unlink()
    with closing(Store(parts[3])) as store, store._writing() as connection:
        beating = {"status": "running", "heartbeat_at": schema.now()}
        connection.execute(sqlalchemy.update(schema.runs).values(**beating))
    refused(parts, tmp_path / "joined", StoreUnavailableError, f"{parts[3]}: a run is still running here")


@pytest.mark.parametrize("column", ["task_facts", "general_facts", "reference_facts", "environment"])
def test_runs_that_read_other_texts_or_began_from_another_model_are_refused(
    column: str, parts: list[Path], tmp_path: Path
) -> None:
    """Files of one name may hold other texts on another machine."""
    kept = [{"name": "bread", "fingerprint": "one", "held_out_fingerprint": "same"}] if column == "task_facts" else {
        "name": "x", "fingerprint": "one", "model_hash": "one",
    }  # fmt: skip
    for folder, print_ in ((parts[0], "one"), (parts[2], "two")):
        with closing(Store(folder)) as store, store._writing() as connection:
            facts = json.loads(json.dumps(kept).replace('"one"', json.dumps(print_)))
            connection.execute(sqlalchemy.update(schema.runs).values({column: facts}))
    named = {"task_facts": "task 'bread'", "environment": "model"}.get(column, column.removesuffix("_facts"))
    refused([parts[0], parts[2]], tmp_path / "joined", StoreError, f"{parts[2]}: The ", named)


def test_a_store_of_a_newer_version_is_refused_by_its_own_name(parts: list[Path], tmp_path: Path) -> None:
    with closing(sqlite3.connect(parts[1] / "palimpsest.db")) as connection:
        connection.execute("PRAGMA user_version = 999")
    refused(parts, tmp_path / "joined", StoreError, f"{parts[1]}: was written by a newer version")


def test_a_store_of_an_older_version_is_brought_up_to_date_as_a_copy(parts: list[Path], tmp_path: Path) -> None:
    with closing(sqlite3.connect(parts[1] / "palimpsest.db")) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN interruptions")
        connection.execute("PRAGMA user_version = 9")
    before = everything_in(parts[1])
    join(parts, tmp_path / "joined")
    assert statuses(tmp_path / "joined") == ["finished"] * 4
    assert everything_in(parts[1]) == before


def test_a_damaged_store_is_refused_by_its_own_name(parts: list[Path], tmp_path: Path) -> None:
    (parts[1] / "palimpsest.db").write_bytes(b"no database" * 1000)
    refused(parts, tmp_path / "joined", StoreError, f"{parts[1] / 'palimpsest.db'}: this is damaged")


def test_what_is_damaged_in_a_folder_is_named_where_it_lies(parts: list[Path], tmp_path: Path) -> None:
    harness = next(parts[2].glob("runs/*")) / "harness"
    harness.mkdir()
    (harness / "stage-1-kept.json").write_text("{}", encoding="utf-8")
    refused(parts, tmp_path / "joined", StoreError, f"{harness / 'stage-1-kept.json'} is damaged")


def test_a_store_that_is_written_meanwhile_is_never_taken_in_halves(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, copies = shutil.copyfile, list[Path]()

    def copied(source: Path, target: Path, **options: Any) -> None:
        real(source, target, **options)
        if Path(source).parent == parts[0] and len(copies) < 2:
            copies.append(source)
            os.utime(source, ns=(len(copies), len(copies)))

    monkeypatch.setattr(sources.shutil, "copyfile", copied)
    join(parts, tmp_path / "joined")
    assert statuses(tmp_path / "joined") == ["finished"] * 4
    monkeypatch.setattr(sources, "_TRIES", 1)
    copies.clear()
    refused(parts, tmp_path / "again", StoreUnavailableError, "another program is writing it")


def test_want_of_space_is_refused_before_anything_is_written(
    parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    refused(parts, tmp_path / "joined", StoreUnavailableError, f"{tmp_path / 'joined'}: ", "GB are to be copied there")
    monkeypatch.undo()
    monkeypatch.setenv(disk_space.VARIABLE, "0.00001")
    refused(parts, tmp_path / "joined", StoreUnavailableError, "0.00 GB are free")


def test_places_that_would_be_mixed_or_overwritten_are_refused(parts: list[Path], tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine", encoding="utf-8")
    refused(parts, full, ConfigError, "is not empty")
    refused(parts, full / "notes.txt", ConfigError, "this is a file")
    refused(parts, parts[0] / "joined", ConfigError, "which is only read")
    refused([*parts, parts[0]], tmp_path / "joined", ConfigError, "named twice")
    (tmp_path / "joined").mkdir()
    join(parts, tmp_path / "joined")
    assert statuses(tmp_path / "joined") == ["finished"] * 4


def test_folders_without_a_begun_run_are_refused(described: Experiment, tmp_path: Path) -> None:
    with closing(Store(tmp_path / "a")) as store:
        store.add_experiment(described)
    refused([tmp_path / "a"], tmp_path / "joined", ConfigError, "nothing to join")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_join_that_is_cut_short_leaves_nothing_and_can_be_made_again(
    error: BaseException, parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise error

    before = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(joining, "write_results", cut)
        with pytest.raises(type(error) if isinstance(error, KeyboardInterrupt) else StoreUnavailableError):
            join(parts, tmp_path / "joined")
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "joined.0123.partial").mkdir()  # of one whose process was killed
    join(parts, tmp_path / "joined")
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "joined"])
