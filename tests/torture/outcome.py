"""All that an experiment's folder holds but times, to be compared with another's."""

import hashlib
from pathlib import Path
from typing import Any

from engine.store import Store

_TIMES = {"seconds", "run_id", "experiment_id", "checkpoint"}
_TABLES = ("losses", "steps", "curve", "matrix", "stages", "general", "guard_outcomes")


def outcome(folder: Path) -> dict[str, Any]:
    """By run label and seed: every table of the store as CSV, the SHA-256 of every checkpoint's weights, what else lies
    in the run's folder."""
    store = Store(folder)
    try:
        found: dict[str, Any] = {}
        for run in store.runs().itertuples():
            about: dict[str, Any] = {"status": run.status}
            for table in _TABLES:
                frame = getattr(store, table)(run.run_id)
                about[table] = frame.drop(columns=[name for name in frame if name in _TIMES]).to_csv()
            steps = store.steps(run.run_id)["step"].tolist()
            about["steps are whole"] = steps == list(range(1, len(steps) + 1))
            place = store.run_folder(run.run_id)
            about["names"] = sorted(each.name for each in place.iterdir())
            about["weights"] = {
                str(file.relative_to(place)): hashlib.sha256(file.read_bytes()).hexdigest()
                for file in sorted(place.rglob("model.safetensors"))
            }
            found[f"{run.label}, seed {run.seed}"] = about
        return found
    finally:
        store.close()


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What is not the same, in words."""
    if one.keys() != other.keys():
        return [f"other runs: {sorted(one)} and {sorted(other)}"]
    return [
        f"{run}: {what}" for run in one for what in one[run] if one[run][what] != other[run][what]
    ]  # fmt: skip
