import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from engine import events
from engine.cli import app
from engine.common.errors import ConfigError, StoreUnavailableError
from engine.common.overrides import Overrides
from engine.common.parameters import parameters_of
from engine.experiments.yaml_file import to_yaml
from engine.running import headless
from engine.running.runner_lock import RunnerLock
from engine.store import Store
from engine.store.progress import Batch
from engine.strategies import heading_of, registry
from engine.strategies.base import Needs
from tests.fake_runs import STEPS, FakeRun, experiment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def described(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(to_yaml(experiment(tmp_path)), encoding="utf-8")
    return path


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    """No training."""
    run = FakeRun()
    defaults = headless.run_experiment.__kwdefaults__  # type: ignore[attr-defined]
    monkeypatch.setitem(defaults, "execute", run)
    return run


def call(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def test_run_writes_results_and_shows_progress_on_stderr_only(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    code, out, err = call("run", described, "--out", tmp_path / "out")
    assert code == 0
    assert [run["status"] for run in json.loads((tmp_path / "out/results.json").read_text())["runs"]] == [
        "finished"
    ] * 2
    assert "replay (replay_weight=0.5), seed 0: finished" in out
    assert "[2/2] replay" in err
    assert "[2/2]" not in out


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": "many"}, "epochs"),
        ({"epoch": 3}, "training.epoch"),
        ({"learning_rate": -1}, "learning_rate"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(
    change: dict[str, object], named: str, described: Path, tmp_path: Path
) -> None:
    described.write_text(
        f"name: x\ntasks: [{{name: a, train: a.txt}}]\nstrategies: [naive]\ntraining: {json.dumps(change)}\n"
    )
    code, _, err = call("run", described, "--out", tmp_path / "out")
    assert code != 0
    assert named in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_task_file_is_refused_before_anything_is_written(
    described: Path, tmp_path: Path, fake: FakeRun
) -> None:
    (tmp_path / "tea.txt").unlink()
    code, _, err = call("run", described, "--out", tmp_path / "out")
    assert code != 0
    assert "tea.txt" in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_experiment_file_is_refused(tmp_path: Path) -> None:
    code, _, err = call("run", tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert code != 0
    assert "none.yaml" in err


def test_a_folder_with_results_is_refused_without_resume(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    assert call("run", described, "--out", tmp_path / "out")[0] == 0
    code, _, err = call("run", described, "--out", tmp_path / "out")
    assert code != 0
    assert "--resume" in err
    code, _, _ = call("run", described, "--out", tmp_path / "out", "--resume")
    assert code == 0
    assert len(fake.started) == 2  # nothing was run twice


def test_resume_refuses_another_experiment_and_says_what_differs(
    described: Path, tmp_path: Path, fake: FakeRun
) -> None:
    assert call("run", described, "--out", tmp_path / "out")[0] == 0
    described.write_text(to_yaml(experiment(tmp_path, seeds=[7])), encoding="utf-8")
    code, _, err = call("run", described, "--out", tmp_path / "out", "--resume")
    assert code != 0
    assert "other seeds" in err


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def changed(described: Path, tmp_path: Path, **changes: object) -> None:
    described.write_text(to_yaml(experiment(tmp_path, **changes)), encoding="utf-8")


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize(
    ("model", "training", "named"),
    [("no/such/model/anywhere", {}, "check the spelling"), ("tiny-gpt2", {"block_size": 512}, "choose 256 or less")],
)
def test_a_model_that_would_fail_at_the_start_leaves_no_folder_and_the_mended_file_runs(
    model: str, training: dict[str, int], named: str, resume: list[str], described: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(headless.run_experiment.__kwdefaults__, "execute", FakeRun())  # type: ignore[attr-defined]
    changed(described, tmp_path, model=model, training=training)
    out = tmp_path / "new" / "out"
    code, _, err = call("run", described, "--out", out, *resume)
    assert (code, named in err) == (1, True)
    assert len(err.strip().splitlines()) == 1
    assert not out.parent.exists()
    changed(described, tmp_path)
    assert call("run", described, "--out", out, *resume)[0] == 0


@pytest.mark.parametrize("where", ["add_experiment", "mark_interrupted"])
@pytest.mark.parametrize("there", [True, False])
def test_what_is_refused_at_the_last_moment_leaves_the_folder_as_it_was(
    where: str, there: bool, described: Path, tmp_path: Path, fake: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the disk is full; free some space.")

    out = tmp_path / "above" / "out"
    if there:
        out.mkdir(parents=True)
        (out / "notes.txt").write_text("mine")
    with monkeypatch.context() as patched:
        patched.setattr(Store, where, refuse)
        code, _, err = call("run", described, "--out", out)
    assert (code, "the disk is full" in err) == (1, True)
    assert everything_in(tmp_path / "above") == ({"out/notes.txt": b"mine"} if there else {})
    assert out.exists() == there
    assert call("run", described, "--out", out)[0] == 0


def test_a_refused_resume_changes_nothing_in_the_folder(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    assert call("run", described, "--out", tmp_path / "out")[0] == 0
    before = everything_in(tmp_path / "out")
    changed(described, tmp_path, seeds=[7])
    for resume in ([], ["--resume"]):
        code, _, err = call("run", described, "--out", tmp_path / "out", *resume)
        assert code == 1
        assert "holds another experiment (other seeds); choose another folder" in err
        assert "--resume" not in err  # which would only be refused in turn
    assert everything_in(tmp_path / "out") == before


@pytest.mark.parametrize("resume", [[], ["--resume"]])
@pytest.mark.parametrize("seeds", [[0], [7]], ids=["the same", "another"])
def test_an_experiment_that_failed_before_it_trained_makes_way_for_a_mended_one(
    seeds: list[int], resume: list[str], described: Path, tmp_path: Path, fake: FakeRun
) -> None:
    fake.fail_at, fake.error = 1, ConfigError("training.device: there is no such device; choose auto.")
    assert call("run", described, "--out", tmp_path / "out")[0] == 1
    fake.fail_at = None
    changed(described, tmp_path, seeds=seeds)
    code, _, err = call("run", described, "--out", tmp_path / "out", *resume)
    assert code == 0, err
    found = json.loads((tmp_path / "out/results.json").read_text())
    assert [(run["seed"], run["status"]) for run in found["runs"]] == [(seeds[0], "finished")] * 2


def test_an_experiment_that_failed_while_it_trained_is_kept(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    fake.fail_at, fake.error = 2, ConfigError("the loss is not finite.")
    assert call("run", described, "--out", tmp_path / "out")[0] == 1
    assert "add --resume" in call("run", described, "--out", tmp_path / "out")[2]
    changed(described, tmp_path, seeds=[7])
    assert "holds another experiment" in call("run", described, "--out", tmp_path / "out")[2]


def test_results_without_their_records_are_never_written_over(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/results.json").write_text("{}")
    for resume in ([], ["--resume"]):
        code, _, err = call("run", described, "--out", tmp_path / "out", *resume)
        assert (code, "choose another folder" in err) == (1, True)
    assert everything_in(tmp_path / "out") == {"results.json": b"{}"}


def test_records_of_nothing_do_not_stand_in_the_way(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    Store(tmp_path / "out").close()
    assert call("run", described, "--out", tmp_path / "out")[0] == 0


def test_a_failed_run_fails_the_command_with_its_reason(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    fake.fail_at, fake.error = 2, ConfigError("training.block_size: too long; choose 256 or less.")
    code, _, err = call("run", described, "--out", tmp_path / "out")
    assert code == 1
    assert "2 of 2 runs failed: training.block_size: too long; choose 256 or less." in err
    assert "Traceback" not in err


def test_what_a_run_waits_for_is_said_once_on_stderr(
    described: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waiting(*arguments: Any) -> Iterator[events.Event]:
        for event in FakeRun()(*arguments):
            yield event
            if isinstance(event, events.RunStarted):
                yield events.Waiting("The disk is full. The run waits.")
                yield events.Waiting("")

    monkeypatch.setitem(headless.run_experiment.__kwdefaults__, "execute", waiting)  # type: ignore[attr-defined]
    code, out, err = call("run", described, "--out", tmp_path / "out")
    assert code == 0
    assert err.count("The disk is full. The run waits.") == 2  # once for each of two runs
    assert "The disk is full" not in out


def test_a_store_that_takes_nothing_is_said_once_and_waited_for(
    described: Path, tmp_path: Path, fake: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, real = list[int](), Store.record_batches

    def record(store: Store, batches: Sequence[Batch]) -> list[Exception | None]:
        if len(refused) < 3:
            refused.append(1)
            return [StoreUnavailableError("palimpsest.db: the disk is full; free some space.")] * len(batches)
        return real(store, batches)

    monkeypatch.setattr(Store, "record_batches", record)
    monkeypatch.setattr("engine.driving.recorder.RETRY_SECONDS", 0.01)
    code, _, err = call("run", described, "--out", tmp_path / "out")
    assert code == 0
    assert err.count("the disk is full; free some space. The run waits and goes on by itself") == 1


def test_results_that_cannot_be_written_are_told_in_a_sentence(
    described: Path, tmp_path: Path, fake: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.results.export.to_json", refuse)
    code, _, err = call("run", described, "--out", tmp_path / "out")
    assert code == 1
    assert "results.json can't be written: the disk is full; free some space." in err


def test_a_folder_in_use_is_refused(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    lock = RunnerLock(tmp_path / "out")
    assert lock.take()
    code, _, err = call("run", described, "--out", tmp_path / "out")
    lock.release()
    assert code == 1
    assert f"process {os.getpid()}" in err


def test_control_c_keeps_what_was_reached_and_says_how_to_go_on(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    fake.before_step = lambda step: os.kill(os.getpid(), signal.SIGINT) if step == STEPS + 2 else None
    code, _, err = call("run", described, "--out", tmp_path / "out")
    assert code == 130
    assert "--resume" in err
    runs = json.loads((tmp_path / "out/results.json").read_text())["runs"]
    assert [run["status"] for run in runs] == ["stopped", "queued"]
    assert [Path(path).name for path in runs[0]["checkpoints"]] == ["stage-1", "stopped"]
    fake.before_step = None
    assert call("run", described, "--out", tmp_path / "out", "--resume")[0] == 0
    assert fake.started == [("naive", 0, 0), ("naive", 0, 1), ("replay", 0, 0)]
    runs = json.loads((tmp_path / "out/results.json").read_text())["runs"]
    assert [run["status"] for run in runs] == ["finished", "finished"]
    assert [Path(path).name for path in runs[0]["checkpoints"]] == ["stage-1", "stage-2"]


def test_a_second_control_c_ends_at_once_and_the_run_counts_as_interrupted(
    described: Path, tmp_path: Path, fake: FakeRun
) -> None:
    def twice(step: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    fake.before_step = twice
    code, _, err = call("run", described, "--out", tmp_path / "out")
    assert code == 130
    assert "--resume" in err
    store = Store(tmp_path / "out")
    assert store.runs()["status"].tolist() == ["interrupted", "queued"]
    store.close()


def test_a_notebook_gets_what_results_json_holds(described: Path, tmp_path: Path, fake: FakeRun) -> None:
    from engine import load_experiment, run_experiment

    results = run_experiment(load_experiment(described), tmp_path / "out")
    assert results == json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))


def test_every_declared_parameter_is_listed() -> None:
    code, out, _ = call("strategies")
    assert code == 0
    for name, strategy in registry().items():
        assert f"{name}: " in out
        for parameter in parameters_of(strategy):
            assert f"  {parameter.name} " in out
    assert "  The learning rate is 10 times the experiment's, unless one is set." in out.split("lora: ")[1]
    assert "Every strategy also takes these" in out
    for parameter in parameters_of(Overrides):
        assert f"  {parameter.name} " in out.split("Every strategy also takes these")[1]


def test_strategies_are_listed_under_what_they_need_with_when_to_choose_them_and_their_source() -> None:
    _, out, _ = call("strategies")
    headings = [out.index(f"{heading_of(needs)}\n") for needs in get_args(Needs) if heading_of(needs) in out]
    assert headings == sorted(headings)
    for name, strategy in registry().items():
        place = out.index(f"\n{name}: ")
        assert max(at for at in headings if at < place) == out.index(f"{heading_of(strategy.needs[0])}\n")
        assert strategy.choose_when in out
        assert strategy.source[1] in out
        assert (f"  {heading_of(*strategy.needs)}.\n" in out) is (len(strategy.needs) > 1)
        assert all(f"  {each.name} " in out for each in strategy.shorthands)


def test_importing_the_package_does_not_load_torch() -> None:
    script = "import sys, engine, engine.common.paths\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_guards_that_hold_no_more_are_named_at_the_end(tmp_path: Path, fake: FakeRun) -> None:
    fake.beside = True
    guards = [{"name": "a \u202e name", "prompt": "p", "contains": "a"}, {"prompt": "q", "contains": "b"}]
    path = tmp_path / "experiment.yaml"
    path.write_text(to_yaml(experiment(tmp_path, strategies=["naive"], guards=guards)), encoding="utf-8")
    code, out, _ = call("run", path, "--out", tmp_path / "out")
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.startswith("naive")]
    assert line.partition("; holds no more: ")[2].endswith("name (stage 2)")
    assert "\u202e" not in out


def test_fewer_checkpoints_are_kept_later_and_the_results_say_so(
    described: Path, tmp_path: Path, fake: FakeRun
) -> None:
    out = tmp_path / "out"
    assert call("run", described, "--out", out)[0] == 0
    code, told, _ = call("keep", out, "--checkpoints", "last")
    assert code == 0
    assert "became free" in told
    runs = json.loads((out / "results.json").read_text())["runs"]
    assert [[Path(each).name for each in run["checkpoints"]] for run in runs] == [["stage-2"]] * len(runs)
    assert all((out / run["checkpoints"][0]).is_dir() for run in runs)
    assert call("keep", out, "--checkpoints", "some")[0] == 1
    assert "all, last, best, none" in call("keep", out, "--checkpoints", "some")[2]
    assert "holds no runs" in call("keep", tmp_path / "nothing", "--checkpoints", "last")[2]
