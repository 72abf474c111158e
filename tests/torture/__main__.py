"""`python -m tests.torture --kills 50`: kill a run again and again; its numbers must be those of an undisturbed one."""

import argparse
import collections
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.torture.outcome import differences, outcome
from tests.torture.victim import ANY_TIME, NOWHERE, PLACES

_ROOT = Path(__file__).resolve().parents[2]
_EXPERIMENT = """
name: torture
model: tiny-gpt2
tasks:
  - {name: house style, train: [SAMPLES/house-style.txt]}
  - {name: chinese, train: [SAMPLES/chinese.txt]}
strategies:
  - naive
  - replay
  - ewc: {fisher_documents: 24}
  - replay+ewc: {fisher: sampled, fisher_documents: 24}
  - joint
seeds: [0]
training: {epochs: 1, stage_tokens: 3000, block_size: 128, tokens_per_step: 256, held_out_tokens: 1500, device: cpu}
"""
_MOST = {"in a step": 40, "after a step": 40, "writing the journal": 50, "in scoring": 40, "in the Fisher estimate": 8}
"""Passages of a place that a kill waits for at most; 8 elsewhere."""


def main() -> None:
    options = _options()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        experiment = folder / "experiment.yaml"
        experiment.write_text(_EXPERIMENT.replace("SAMPLES", str(_ROOT / "samples")))
        started = time.monotonic()
        attempt(experiment, folder / "undisturbed", NOWHERE, 0)
        undisturbed = outcome(folder / "undisturbed")
        print(f"undisturbed: {time.monotonic() - started:.0f} s", flush=True)
        kills, rounds, found = collections.Counter[str](), 0, list[str]()
        while kills.total() < options.kills:
            rounds += 1
            out = folder / f"round-{rounds}"
            _torture(experiment, out, chance, kills, options.kills)
            found += [f"round {rounds}: {each}" for each in differences(undisturbed, outcome(out))]
            print(f"round {rounds}: {kills.total()} kills so far, {len(found)} differences", flush=True)
    for place, count in sorted(kills.items()):
        print(f"  {count:3} {place}")
    print(f"{kills.total()} kills in {rounds} rounds, {time.monotonic() - started:.0f} s, seed {options.seed}")
    sys.exit("\n".join(found) or 0)


def _torture(experiment: Path, out: Path, chance: random.Random, kills: collections.Counter[str], most: int) -> None:
    """One experiment from the beginning to its end, killed until `kills` has reached `most`."""
    while True:
        place, count = NOWHERE, 0.0
        if kills.total() < most:
            place = chance.choice([*PLACES, ANY_TIME, ANY_TIME])
            count = chance.uniform(0, 12) if place == ANY_TIME else chance.randint(1, _MOST.get(place, 8))
        if not attempt(experiment, out, place, count):
            return
        kills[place] += 1


def attempt(experiment: Path, out: Path, place: str, count: float) -> bool:
    """Go on with the experiment until it ends or is killed; returns whether it was killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.victim", str(experiment), str(out), place, str(count)],
        cwd=_ROOT,
        env=os.environ | {"PALIMPSEST_CHECKPOINT_SECONDS": "0.5", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, -9):
        raise SystemExit(f"the victim failed: {done.stderr[-2000:]}")
    return done.returncode == -9


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
