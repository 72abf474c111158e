"""`run --only K`: one run of an experiment in a folder."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.common.errors import ConfigError
from engine.experiments.experiment import Experiment
from engine.experiments.yaml_file import to_yaml
from engine.running import headless
from engine.store import Store
from tests.fake_runs import STEPS, FakeRun, experiment


@pytest.fixture
def described(tmp_path: Path) -> Experiment:
    """Four runs: two strategies with two seeds."""
    found = experiment(tmp_path, seeds=[0, 1])
    (tmp_path / "experiment.yaml").write_text(to_yaml(found), encoding="utf-8")
    return found


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    run = FakeRun()
    defaults = headless.run_experiment.__kwdefaults__  # type: ignore[attr-defined]
    monkeypatch.setitem(defaults, "execute", run)
    return run


def call(folder: Path, *arguments: object) -> tuple[int, str, str]:
    given = ["run", folder / "experiment.yaml", "--out", folder / "out", *arguments]
    done = CliRunner().invoke(app, [str(each) for each in given])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def runs_in(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "results.json").read_text(encoding="utf-8"))["runs"]
    return found


def statuses(folder: Path) -> list[tuple[str, int, str]]:
    return [(run["strategy"], run["seed"], run["status"]) for run in runs_in(folder)]


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_a_run_is_executed_alone_and_its_folder_holds_it_of_the_whole_experiment(
    resume: list[str], described: Experiment, tmp_path: Path, fake: FakeRun
) -> None:
    code, out, err = call(tmp_path, "--only", 3, *resume)
    assert code == 0
    assert fake.started == [("naive", 1, 0)]
    assert "[3/4] naive, seed 1" in err
    assert statuses(tmp_path / "out") == [("naive", 1, "finished")]
    assert "had finished before" not in out
    store = Store(tmp_path / "out")
    (experiment_id,) = store.experiments()["experiment_id"]
    assert store.runs()["run_id"].tolist() == [f"{experiment_id}-002"]
    assert store.experiment(experiment_id) == described
    store.close()


def test_a_finished_run_is_said_to_be_and_is_not_made_again(
    described: Experiment, tmp_path: Path, fake: FakeRun
) -> None:
    assert call(tmp_path, "--only", 2)[0] == 0
    code, out, _ = call(tmp_path, "--only", 2, "--resume")
    assert (code, "Run 2 had finished before." in out) == (0, True)
    assert len(fake.started) == 1


def test_a_run_that_was_cut_short_goes_on_with_the_same_command(
    described: Experiment, tmp_path: Path, fake: FakeRun
) -> None:
    fake.before_step = lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == STEPS + 2 else None
    code, _, err = call(tmp_path, "--only", 4, "--resume")
    assert code == 130
    assert "Stopped with run 4 unfinished." in err
    assert "--only 4 --resume" in err
    fake.before_step = None
    assert call(tmp_path, "--only", 4, "--resume")[0] == 0
    assert fake.started == [("replay", 1, 0), ("replay", 1, 1)]


def test_results_of_a_run_are_refused_without_resume(described: Experiment, tmp_path: Path, fake: FakeRun) -> None:
    assert call(tmp_path, "--only", 1)[0] == 0
    code, _, err = call(tmp_path, "--only", 1)
    assert (code, "add --resume" in err) == (1, True)


@pytest.mark.parametrize("number", [0, 5, -1])
def test_a_number_that_no_run_has_is_refused_before_anything_is_written(
    number: int, described: Experiment, tmp_path: Path, fake: FakeRun
) -> None:
    code, _, err = call(tmp_path, f"--only={number}")
    assert code == 1
    assert f"there is no run {number}; the runs of this experiment are counted from 1 to 4" in err
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="counted from 1 to 4"):
        headless.run_experiment(described, tmp_path / "out", only=number)


def test_one_run_of_a_folder_goes_on_and_the_others_wait(described: Experiment, tmp_path: Path, fake: FakeRun) -> None:
    fake.before_step = lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None
    assert call(tmp_path)[0] == 130
    fake.before_step = None
    assert call(tmp_path, "--only", 2, "--resume")[0] == 0
    assert [status for *_, status in statuses(tmp_path / "out")] == ["stopped", "finished", "queued", "queued"]


def test_runs_are_added_to_a_folder_one_by_one_and_the_rest_with_resume(
    described: Experiment, tmp_path: Path, fake: FakeRun
) -> None:
    assert call(tmp_path, "--only", 3)[0] == 0
    assert call(tmp_path, "--only", 1, "--resume")[0] == 0
    assert statuses(tmp_path / "out") == [("naive", 0, "finished"), ("naive", 1, "finished")]
    assert call(tmp_path, "--resume")[0] == 0
    assert [run["status"] for run in runs_in(tmp_path / "out")] == ["finished"] * 4
    assert len(fake.started) == 4, "and none was made twice"


def test_a_failed_run_is_named_by_its_number(described: Experiment, tmp_path: Path, fake: FakeRun) -> None:
    fake.fail_at, fake.error = 2, ConfigError("the loss is not finite.")
    code, _, err = call(tmp_path, "--only", 2)
    assert code == 1
    assert "Run 2 failed: the loss is not finite." in err
