"""The clipping of many runs, counted once as far as they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import pandas as pd

from engine.experiments.experiment import Experiment
from engine.results.clipping import Clipping, clipping_by_stage, whole
from engine.store import Store

_MOST_COUNTED = 20_000
_Key: TypeAlias = tuple[Path, str, int, int, float]
_COUNTED: dict[_Key, Clipping | None] = {}
"""What was counted of runs as far as they were: the page counts again only those that have gone on."""


def with_clipping(runs: pd.DataFrame, experiments: Mapping[str, Experiment], store: Store) -> pd.DataFrame:
    """The runs with the columns `gradient_clip`, `clipped_share` and `kept_share`, NaN where there are none."""
    keys: dict[str, _Key] = {}
    for run in runs.itertuples():
        limit = experiments[run.experiment_id].training.gradient_clip
        if limit is not None:
            keys[run.run_id] = (store.folder, run.run_id, int(run.attempt), int(run.step), limit)
    missing = [key for key in keys.values() if key not in _COUNTED]
    if len(_COUNTED) + len(missing) > _MOST_COUNTED:
        _COUNTED.clear()
        missing = list(keys.values())
    counted = {key: _COUNTED[key] for key in keys.values() if key in _COUNTED}
    for limit in {key[-1] for key in missing}:
        counts = store.clipped_steps([key[1] for key in missing if key[-1] == limit], limit)
        for key in (key for key in missing if key[-1] == limit):
            counted[key] = whole(clipping_by_stage(counts[counts["run_id"] == key[1]], limit))
    _COUNTED.update(counted)  # another session may empty it meanwhile
    found = {run_id: counted[key] for run_id, key in keys.items()}
    columns = {"gradient_clip": "limit", "clipped_share": "share", "kept_share": "kept_share"}
    return runs.assign(
        **{
            column: [getattr(found.get(run_id), name, float("nan")) for run_id in runs["run_id"]]
            for column, name in columns.items()
        }
    )
