"""`python -m tests.torture --kills 2`: kill every run again and again; its numbers must be those of an undisturbed one.

The runs are of every registered strategy, once more with its choices at their second values, then at their third and
so on, and of every pair that pages offer. They share what they have trained and keep the optimiser's state.
"""

import argparse
import collections
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from engine import strategies
from engine.experiments.yaml_file import load_experiment
from tests.torture.outcome import differences, outcome
from tests.torture.victim import ANY_TIME, NOWHERE, PLACES

_ROOT = Path(__file__).resolve().parents[2]
_TASKS = ("house-style.txt", "chinese.txt", "search.jsonl")
_REFERENCE = "customer-support.jsonl"
_TRAINING = {
    "epochs": 1, "stage_tokens": 1500, "block_size": 64, "tokens_per_step": 256, "held_out_tokens": 500,
    "evaluations_per_stage": 2, "optimizer_state": "keep", "device": "cpu", "answer_questions": 5,
}  # fmt: skip
_GUARDS = [
    {"prompt": "The United States", "contains": "of", "answer_tokens": 8},
    {"prompt": "The opposite of hot is", "likelier": " cold", "than": " blue"},
]
_TEXTS = 100
"""At most so many are kept, written or read: more than are written side by side (`tools/samples.py`)."""
_MOST = {"in a step": 12, "after a step": 12, "writing the journal": 12, "in scoring": 20}
"""Passages of a place within a run that a kill waits for at most; 4 elsewhere. A run that passes it fewer times is
killed at its end."""


def main() -> None:
    options = _options()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        experiment = folder / "experiment.yaml"
        experiment.write_text(experiment_text(options.only))
        started = time.monotonic()
        attempt(experiment, folder / "undisturbed")
        undisturbed = outcome(folder / "undisturbed")
        print(f"undisturbed: {len(undisturbed)} runs, {time.monotonic() - started:.0f} s", flush=True)
        kills, found = collections.Counter[str](), list[str]()
        for number in range(1, options.rounds + 1):
            out = folder / f"round-{number}"
            _torture(experiment, out, chance, kills, options.kills)
            found += [f"round {number}: {each}" for each in differences(undisturbed, outcome(out))]
            print(f"round {number}: {kills.total()} kills so far, {len(found)} differences", flush=True)
    for place, count in sorted(kills.items()):
        print(f"  {count:3} {place}")
    print(f"{kills.total()} kills of {len(undisturbed)} runs, {time.monotonic() - started:.0f} s, seed {options.seed}")
    sys.exit("\n".join(found) or 0)


def experiment_text(only: str = "") -> str:
    """An experiment of every strategy that the registry has, or of those whose names hold `only`, as YAML."""
    names = [name for name in dict.fromkeys([*strategies.registry(), *strategies.offered()]) if only in name]
    chosen = [{name: values} for name in names for values in _values(name)]
    tasks = [{"name": name.split(".")[0], "train": [str(_ROOT / "samples" / name)]} for name in _TASKS]
    whole = {"name": "torture", "tasks": tasks, "strategies": chosen, "seeds": [0], "training": _TRAINING}
    whole["guards"] = _GUARDS
    whole["reference"] = str(_ROOT / "samples" / _REFERENCE)
    return yaml.safe_dump(whole)


def _values(name: str) -> list[dict[str, Any]]:
    """The parameters of a strategy's runs: few texts; and of one that is not joined its choices at each further value,
    those that have no such value at their last."""
    declared = strategies.parameters_of(name).items()
    few = {key: _TEXTS for key, each in declared if each.unit in ("documents", "texts") and each.default > _TEXTS}
    choices = {key: each.choices for key, each in declared if each.choices and "+" not in name}
    most = max(map(len, choices.values()), default=1)
    others = [{key: values[min(n, len(values) - 1)] for key, values in choices.items()} for n in range(1, most)]
    return [few, *(few | each for each in others)]


def _torture(experiment: Path, out: Path, chance: random.Random, kills: collections.Counter[str], each: int) -> None:
    """One experiment from the beginning to its end, every run of which is killed `each` times."""
    for run in each * load_experiment(experiment).runs():  # one that was killed stands last in the queue
        place = chance.choice([*PLACES, ANY_TIME])
        count = chance.uniform(0, 4) if place == ANY_TIME else chance.randint(1, _MOST.get(place, 4))
        if not attempt(experiment, out, run.label, place, count):
            raise SystemExit(f"{run.label} was not killed: {place}, {count}")
        kills[place] += 1
    attempt(experiment, out)


def attempt(experiment: Path, out: Path, run: str = NOWHERE, place: str = NOWHERE, count: float = 0) -> bool:
    """Go on with the experiment until it ends or is killed in the run of this label; returns whether it was killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.victim", str(experiment), str(out), run, place, str(count)],
        cwd=_ROOT,
        env=os.environ | {"PALIMPSEST_CHECKPOINT_SECONDS": "0.2", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, -9):
        raise SystemExit(f"the victim failed ({run}, {place}, {count}): {done.stderr[-3000:]}")
    return done.returncode == -9


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=2, help="how often each run is killed in a round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="", help="strategies whose names hold this alone")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
