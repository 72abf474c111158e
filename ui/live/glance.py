"""How far a run and its experiment are, as the Live page and the routes say it: a line, and a row for each run."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from ui.live import data, words


def status_of(run: "pd.Series[Any]", runs: pd.DataFrame, tasks: Sequence[str]) -> dict[str, Any]:
    """The status of one of `runs`, in plain text: its word and sign, the run's name, and how far it is."""
    sign, word = words.STATUSES[run["status"]]
    return {
        "share": data.share(run),
        "status": word,
        "sign": sign,
        "word": word.capitalize(),
        "name": data.names(runs)[str(run["run_id"])],
        "facts": words.status_facts(run, tasks),
    }


def rail_of(runs: pd.DataFrame) -> dict[str, Any]:
    """How many runs are where, and one row each."""
    return {"note": headline(runs), "rows": [asdict(row) for row in data.rail(runs)]}


def headline(runs: pd.DataFrame) -> str:
    """How many runs are where and how long all of them take, plain text."""
    said, left = words.counted(runs["status"]), data.left_in_all(runs)
    if data.is_active(runs) and left > 0:
        unknown = bool(runs.loc[runs["status"] == data.WAITING, "seconds_left"].isna().any())
        said += f"; {words.left_in_all(left, not unknown)}"
    return said
