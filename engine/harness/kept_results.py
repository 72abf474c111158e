"""Results of lm-evaluation-harness, kept with the run whose model they are of.

RUN/harness/stage-<n>-<content>.json is what was read from one file; it goes with the run. Every file appears whole or
not at all.
"""

import hashlib
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.common.durable_files import write_text, writing
from engine.common.errors import StoreError
from engine.common.quoting import clean_name
from engine.harness.results_file import HarnessResults, HarnessValue

FOLDER, MOST_FILES = "harness", 100
_NAME = re.compile(r"stage-\d+-[0-9a-f]{12}")


class KeptResults(BaseModel):
    """What a results file said of a run's model after a stage (0 is the base model)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: int = Field(ge=0)
    file: str
    kept_at: float = Field(allow_inf_nan=False)
    """Seconds since 1970."""
    version: str
    model: str
    left_out: tuple[str, ...]
    values: tuple[HarnessValue, ...]


@dataclass(frozen=True)
class Kept:
    """Kept results with the id that deletes them."""

    kept_id: str
    results: KeptResults


def keep(run_folder: Path, stage: int, file: str, found: HarnessResults) -> Kept:
    """Keep results with a run; the same once more replaces itself. Raises StoreError where the disk does not take them
    or there are too many."""
    plain = KeptResults(
        stage=stage, file=clean_name(file)[:200], kept_at=time.time(), version=found.version, model=found.model,
        left_out=found.left_out[:100], values=found.values,
    )  # fmt: skip
    said = json.dumps([value.model_dump() for value in found.values] + [found.model, found.version])
    kept_id = f"stage-{stage}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
    folder = run_folder / FOLDER
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{kept_id}.json"
        if len(list(folder.glob("*.json"))) >= MOST_FILES and not path.exists():
            raise StoreError(f"{MOST_FILES} files of results are kept with this run already; delete some first.")
        write_text(path, plain.model_dump_json(indent=1))
    return Kept(kept_id, plain)


def kept(run_folder: Path) -> list[Kept]:
    """All that is kept with a run, the latest last. Raises StoreError for a damaged file."""
    found = []
    for path in sorted((run_folder / FOLDER).glob("stage-*.json")):
        try:
            results = KeptResults.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:  # deleted right now
            continue
        except (OSError, ValueError, ValidationError) as error:
            raise StoreError(f"{path} is damaged; delete it, and give the results file again.") from error
        found.append(Kept(path.stem, results))
    return sorted(found, key=lambda each: (each.results.kept_at, each.kept_id))


def delete(run_folder: Path, kept_id: str) -> None:
    """Delete kept results; what is gone already is no error. Raises StoreError."""
    if _NAME.fullmatch(kept_id):
        with writing(run_folder / FOLDER):
            (run_folder / FOLDER / f"{kept_id}.json").unlink(missing_ok=True)


def latest(run_folder: Path) -> dict[int, dict[tuple[str, str, str], HarnessValue]]:
    """By stage, the values by task, metric and filter; where several files have one, the latest that was kept. Raises
    StoreError as `kept`."""
    found: dict[int, dict[tuple[str, str, str], HarnessValue]] = {}
    for each in kept(run_folder):
        own = found.setdefault(each.results.stage, {})
        own.update({(value.task, value.metric, value.filter): value for value in each.results.values})
    return found


def plain(run_folder: Path) -> list[dict[str, Any]]:
    """The values of `latest` as `results.json` holds them, a row each. Raises StoreError as `kept`."""
    return [
        {"stage": stage, **value.model_dump()}
        for stage, values in sorted(latest(run_folder).items())
        for value in values.values()
    ]
