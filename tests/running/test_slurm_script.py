"""The script of a Slurm array: read as sbatch reads it, and executed by bash with the number that Slurm would give."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.cli import app
from engine.experiments.yaml_file import to_yaml
from engine.running.slurm_script import slurm_script
from tests.fake_runs import experiment

TRAINING = {
    "epochs": 1, "stage_tokens": 60, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 1,
    "evaluation_tokens": 32, "device": "cpu",
}  # fmt: skip
HOSTILE = "a b'$(touch hacked)\n#SBATCH --array=1-9\\ \"`touch hacked`\u202e;é"
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def bash(*arguments: str, task: int | None = None, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    environment |= {} if task is None else {"SLURM_ARRAY_TASK_ID": str(task)}
    return subprocess.run(
        ["bash", *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )  # fmt: skip


def started(script: Path, task: int) -> "subprocess.Popen[str]":
    environment = os.environ | {"SLURM_ARRAY_TASK_ID": str(task)}
    return subprocess.Popen(
        ["bash", script.name], cwd=script.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def directives(script: str) -> list[str]:
    """What sbatch reads: lines that begin with its mark, before the first command."""
    before = script.partition("\nset -eu\n")[0]
    return [line.removeprefix("#SBATCH ") for line in before.splitlines() if line.startswith("#SBATCH")]


def argument_printer(folder: Path) -> str:
    """A Python that prints the arguments it is given, one JSON list a call."""
    program = folder / "printer"
    program.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n", encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def test_sbatch_is_asked_for_a_task_a_run_with_what_a_run_computes_with(tmp_path: Path) -> None:
    resources = {"cpus": 6, "gpus": 2}
    described = experiment(tmp_path, name="Kitchen, no. 2", seeds=[0, 1, 2], resources=resources)
    assert directives(slurm_script(described, "e.yaml", "out")) == [
        "--job-name=kitchen-no-2", "--array=1-6", "--nodes=1", "--ntasks=1", "--cpus-per-task=6", "--gres=gpu:2",
        "--requeue", "--open-mode=append", "--signal=B:TERM@120", "--time=HOURS:MINUTES:SECONDS",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "asked", "said"),
    [
        ({}, None, "does not say whether a run needs a GPU"),
        ({"training": {"device": "cuda"}}, "--gres=gpu:1", ""),
        ({"training": {"device": "cpu"}}, None, ""),
        ({"resources": {"gpus": 0}}, None, ""),
        ({"resources": {"gpus": 0.5}}, "--gres=gpu:1", "wants 0.5 of a GPU"),
    ],
)
def test_a_gpu_is_asked_for_where_the_experiment_says_so(
    changes: dict[str, object], asked: str | None, said: str, tmp_path: Path
) -> None:
    script = slurm_script(experiment(tmp_path, **changes), "e.yaml", "out")
    assert [each for each in directives(script) if "gpu" in each] == ([asked] if asked else [])
    remarks = [line for line in script.splitlines() if "GPU" in line]
    assert len(remarks) == bool(said)
    assert said in "".join(remarks)


def test_nothing_in_a_name_or_a_path_leaves_its_place(tmp_path: Path) -> None:
    described = experiment(tmp_path, name="x' $(touch hacked) `touch hacked`")
    place = tmp_path / HOSTILE
    place.mkdir()
    script = slurm_script(described, f"{place}/e.yaml", f"{place}/out", argument_printer(tmp_path), str(place))
    assert len(directives(script)) == 8
    assert directives(script)[:2] == ["--job-name=x-touch-hacked-touch-hacked", "--array=1-2"]
    assert "\u202e" not in script
    (tmp_path / "array.sh").write_text(script, encoding="utf-8")
    done = bash(str(tmp_path / "array.sh"), task=2, folder=tmp_path)
    assert json.loads(done.stdout) == [
        "-m", "engine", "run", f"{place}/e.yaml", "--out", f"{place}/out/2", "--only", "2", "--resume",
    ]  # fmt: skip
    (place / "out/2").mkdir()
    (join,) = re.findall(r"^# (.* join .*)$", script, re.MULTILINE)
    assert json.loads(bash("-c", join).stdout) == [
        "-m", "engine", "join", f"{place}/out/2/", "--out", f"{place}/out-joined",
    ]  # fmt: skip
    assert not list(tmp_path.rglob("hacked"))


def test_a_name_without_a_letter_that_sbatch_takes_has_another(tmp_path: Path) -> None:
    assert directives(slurm_script(experiment(tmp_path, name="日本"), "e", "o"))[0] == "--job-name=palimpsest"


def test_a_script_that_sbatch_did_not_start_says_so(tmp_path: Path) -> None:
    (tmp_path / "array.sh").write_text(slurm_script(experiment(tmp_path), "e.yaml", "out"), encoding="utf-8")
    done = bash(str(tmp_path / "array.sh"), folder=tmp_path)
    assert done.returncode != 0
    assert "give this script to sbatch" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_time_limit_is_not_one_until_a_person_has_written_it(tmp_path: Path) -> None:
    (limit,) = [each for each in directives(slurm_script(experiment(tmp_path), "e", "o")) if "--time" in each]
    assert not re.fullmatch(r"--time=(\d+-)?\d+(:\d+){0,2}", limit), "sbatch takes no letters"


def test_more_tasks_than_clusters_take_at_once_are_told_of(tmp_path: Path) -> None:
    script = slurm_script(experiment(tmp_path, seeds=list(range(501))), "e.yaml", "out")
    assert "--array=1-1002" in directives(script)
    assert "sbatch --array=1-1000 SCRIPT" in script


def test_the_signal_before_the_limit_reaches_the_run_itself(tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text(
        f"#!{sys.executable}\nimport signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))\nprint('ready', flush=True)\ntime.sleep(600)\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    (tmp_path / "array.sh").write_text(slurm_script(experiment(tmp_path), "e", "out", str(program)), encoding="utf-8")
    with started(tmp_path / "array.sh", 1) as task:
        assert task.stdout is not None
        assert task.stdout.readline() == "ready\n"
        task.send_signal(signal.SIGTERM)
        assert task.wait(timeout=300) == 130


@pytest.mark.slow
def test_each_task_of_the_array_executes_its_run_and_the_last_line_joins_them(tmp_path: Path) -> None:
    (tmp_path / "general.txt").write_text("Water boils at sea level.", encoding="utf-8")
    general = {"train": [str(tmp_path / "general.txt")]}
    path, out = tmp_path / "my experiment.yaml", tmp_path / "my results"
    path.write_text(to_yaml(experiment(tmp_path, training=TRAINING, general=general)), encoding="utf-8")
    done = CliRunner().invoke(app, ["sbatch", str(path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    script = tmp_path / "array.sh"
    script.write_text(done.stdout, encoding="utf-8")
    assert bash("-n", str(script)).returncode == 0
    tasks = [started(script, task) for task in (1, 2)]  # side by side, as Slurm does
    for task in tasks:
        _, said = task.communicate(timeout=600)
        assert task.returncode == 0, said
    (line,) = re.findall(r"^# .* -m engine (join .*)$", done.stdout, re.MULTILINE)
    arguments = [str(each) for word in shlex.split(line) for each in sorted(Path("/").glob(word[1:])) or [word]]
    joined = CliRunner().invoke(app, arguments)
    assert joined.exit_code == 0, joined.output
    assert "Joined 2 runs: 2 finished." in joined.stdout
    runs = json.loads((tmp_path / "my results-joined/results.json").read_text(encoding="utf-8"))["runs"]
    assert [(run["strategy"], run["status"]) for run in runs] == [("naive", "finished"), ("replay", "finished")]


def test_an_experiment_that_cannot_be_read_gives_no_script(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["sbatch", str(tmp_path / "none.yaml"), "--out", str(tmp_path / "out")])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "none.yaml" in done.stderr
