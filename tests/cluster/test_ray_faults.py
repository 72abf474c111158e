"""Experiments on a cluster of three hosts, whose processes are killed and frozen: the numbers are those of one machine.

The hosts are network namespaces of this machine, which takes Ray and the rights of root.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from engine.experiments.yaml_file import to_yaml
from engine.running.headless import run_experiment
from engine.store import Store
from tests.fake_runs import experiment, wait_until
from tests.torture.hosts import Host, Hosts
from tests.torture.outcome import differences, outcome

_WHY_NOT = (
    "Ray is not installed (pip install -r requirements-ray.txt)"
    if find_spec("ray") is None
    else "network namespaces take the rights of root and the program ip"
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("ip") is None
    else ""
)
pytestmark = pytest.mark.skipif(bool(_WHY_NOT) and not os.environ.get("PALIMPSEST_REQUIRE_RAY"), reason=_WHY_NOT)

ROOT = Path(__file__).resolve().parents[2]
_ONE: dict[str, Any] = {"strategies": ["replay"]}
_FILL = """
import ray, time
ray.init(address={address!r}, log_to_driver=False)
full = ray.remote(num_cpus=0)(lambda: [ray.put(b"x" * 2**20) for _ in range(95)])
hard = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
kept = [ray.get(full.options(scheduling_strategy=hard(node["NodeID"], soft=False)).remote()) for node in ray.nodes()]
print("full", flush=True)
time.sleep(300)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of two runs, as a file."""
    folder = tmp_path_factory.mktemp("experiment")
    training = {
        "epochs": 25, "evaluations_per_stage": 2, "tokens_per_step": 64, "block_size": 32, "held_out_tokens": 60,
    }  # fmt: skip
    described = experiment(folder, training=training, resources={"cpus": 1}, general="none", seeds=[0, 1], **_ONE)
    (folder / "experiment.yaml").write_text(to_yaml(described), encoding="utf-8")
    return folder / "experiment.yaml"


@pytest.fixture(scope="module")
def expected(written: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one machine makes of it."""
    from engine.experiments.yaml_file import load_experiment

    folder = tmp_path_factory.mktemp("here")
    run_experiment(load_experiment(written), folder)
    return outcome(folder)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with Hosts(tmp_path_factory.mktemp("hosts")) as made:
        made.add("head", 0)
        for name in "ab":
            made.add(name, 1)
        yield made


def start(hosts: Hosts, written: Path, out: Path, *options: str) -> "subprocess.Popen[bytes]":
    """The experiment on the cluster, by the command line on its head."""
    head = hosts["head"]
    head.variables |= {"PALIMPSEST_RAY_ADDRESS": hosts.address, "PALIMPSEST_CHECKPOINT_SECONDS": "1"}
    command = [sys.executable, "-m", "engine", "run", str(written), "--out", str(out), "--on", "ray", *options]
    return head.start(command, out.with_suffix(".log"), ROOT)


class Watched:
    """The store that the command line on the head writes."""

    def __init__(self, out: Path) -> None:
        self._out = out
        wait_until(lambda: (out / "palimpsest.db").exists())
        self._store = Store(out)

    def runs(self) -> Any:
        return self._store.runs()

    def trains(self, count: int, attempt: int = 1) -> bool:
        """Whether so many runs have kept a point, and train in this attempt or a later one."""
        runs = self.runs()
        trains = (runs["kept_step"] > 3) & (runs["phase"] == "training") & (runs["attempt"] >= attempt)
        return int((trains & (runs["status"] == "running")).sum()) >= count


def end(process: "subprocess.Popen[bytes]", out: Path) -> None:
    assert process.wait(timeout=300) == 0, out.with_suffix(".log").read_text(encoding="utf-8")[-3000:]


def test_an_experiment_that_meets_every_fault_of_a_cluster_ends_with_the_numbers_of_one_machine(
    hosts: Hosts, written: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    """Full object stores, a killed worker, a network that stalls, a killed driver, and a host that vanishes."""
    filling = hosts["head"].start(
        [sys.executable, "-c", _FILL.format(address=hosts.address)], tmp_path / "filling.log", tmp_path
    )
    wait_until(lambda: b"full" in (tmp_path / "filling.log").read_bytes())
    out = tmp_path / "out"
    process = start(hosts, written, out)
    watched = Watched(out)
    wait_until(lambda: watched.trains(1))
    assert _computing(hosts["a"]).signal(signal.SIGKILL, "ray::compute")
    wait_until(lambda: watched.runs()["interruptions"].notna().any())
    hosts["b"].cut_off(True)
    time.sleep(1.0)
    hosts["b"].cut_off(False)
    filling.kill()
    filling.wait()
    wait_until(lambda: watched.trains(1, attempt=2))
    kept = watched.runs()["kept_step"].tolist()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for name in "ab":
        wait_until(lambda: not list(hosts[name].processes("ray::compute")))  # noqa: B023 - what nobody waits for ends
    attempts = watched.runs()["attempt"].tolist()
    process = start(hosts, written, out, "--resume")
    wait_until(lambda: watched.runs()["attempt"].tolist() != attempts)
    assert all(now >= before for now, before in zip(watched.runs()["kept_step"], kept, strict=True))
    _computing(hosts["b"]).vanish()
    end(process, out)
    assert differences(expected, outcome(out)) == []
    reasons = [each for run in watched.runs()["interruptions"] if run for each in run]
    assert any("The process that trained on node a died" in each for each in reasons)
    assert len(reasons) > 1
    assert str(hosts["a"].folder) not in (out / "results.json").read_text(encoding="utf-8")


def _computing(host: Host) -> Host:
    wait_until(lambda: list(host.processes("ray::compute")))
    return host
