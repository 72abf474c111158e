"""`python -m tests.torture.cluster --kills 6`: twelve runs on a cluster of three hosts, whose workers, driver and hosts
are killed and cut off at random; the numbers must be those of one machine. It takes Ray and the rights of root."""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from subprocess import Popen

from engine.experiments.experiment import Experiment
from engine.experiments.yaml_file import to_yaml
from engine.running.headless import run_experiment
from engine.store import Store
from tests.fake_runs import experiment
from tests.torture.hosts import Hosts
from tests.torture.outcome import differences, outcome

_ROOT = Path(__file__).resolve().parents[2]
_TRAINING = {"epochs": 25, "evaluations_per_stage": 2, "tokens_per_step": 64, "block_size": 32, "held_out_tokens": 60}
_FAULTS = ("worker", "worker", "network", "driver", "host")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        described = _twelve(folder)
        (folder / "experiment.yaml").write_text(to_yaml(described), encoding="utf-8")
        started = time.monotonic()
        run_experiment(described, folder / "here")
        print(f"one machine: {time.monotonic() - started:.0f} s", flush=True)
        for name, kills in (("undisturbed", 0), ("disturbed", options.kills)):
            started = time.monotonic()
            with Hosts(folder / "hosts") as hosts:
                for host, cpus in (("head", 0), ("a", 1), ("b", 1)):
                    hosts.add(host, cpus)
                _follow(hosts, folder, name, kills, chance)
            found = differences(outcome(folder / "here"), outcome(folder / name))
            print(f"{name}: {time.monotonic() - started:.0f} s, {len(found)} differences", flush=True)
            _tell(folder / name)
            if found:
                sys.exit("\n".join(found))


def _twelve(folder: Path) -> Experiment:
    chosen = ["naive", "replay", {"ewc": {"ewc_lambda": 10.0}}, "kl"]
    return experiment(
        folder, strategies=chosen, seeds=[0, 1, 2], training=_TRAINING, resources={"cpus": 1}, general="none"
    )


def _follow(hosts: Hosts, folder: Path, name: str, kills: int, chance: random.Random) -> None:
    process, left = _start(hosts, folder, name), kills
    next_fault = time.monotonic() + chance.uniform(20, 35)
    while process.poll() != 0:
        time.sleep(0.2)
        if process.poll() is not None and process.returncode != 0:
            sys.exit((folder / f"{name}.log").read_text(encoding="utf-8")[-3000:])
        if left and time.monotonic() > next_fault:
            fault = _FAULTS[(kills - left) % len(_FAULTS)]
            process = _do(fault, hosts, folder, name, process, chance)
            left -= 1
            next_fault = time.monotonic() + chance.uniform(12, 25)


def _do(
    fault: str, hosts: Hosts, folder: Path, name: str, process: "Popen[bytes]", chance: random.Random
) -> "Popen[bytes]":
    host = hosts[chance.choice("ab")]
    print(f"  {fault} of {host.name}", flush=True)
    if fault == "worker":
        host.signal(signal.SIGKILL, "ray::compute")
    elif fault == "network":
        host.cut_off(True)
        time.sleep(chance.uniform(1, 30))
        host.cut_off(False)
    elif fault == "host":
        host.vanish()
        hosts.start_ray(host, 1)
    else:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return _start(hosts, folder, name, "--resume")
    return process


def _start(hosts: Hosts, folder: Path, name: str, *options: str) -> "Popen[bytes]":
    head = hosts["head"]
    head.variables |= {"PALIMPSEST_RAY_ADDRESS": hosts.address, "PALIMPSEST_CHECKPOINT_SECONDS": "1"}
    command = [sys.executable, "-m", "engine", "run", str(folder / "experiment.yaml"), "--out", str(folder / name)]
    return head.start([*command, "--on", "ray", *options], folder / f"{name}.log", _ROOT)


def _tell(folder: Path) -> None:
    """Print what cut runs short, and how long runs took from their claim to their end."""
    store = Store(folder)
    runs = store.runs()
    store.close()
    for reason in [each for run in runs["interruptions"] if run for each in run]:
        print(f"    {reason}")
    spans = (runs["finished_at"] - runs["started_at"]).dt.total_seconds()
    print(f"    a run: {spans.median():.1f} s from its claim to its end (median), {runs['attempt'].sum()} attempts")


if __name__ == "__main__":
    main()
