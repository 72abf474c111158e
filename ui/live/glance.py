"""How far a run and its experiment are, as pages and routes say it: a line, numbers, a table."""

from typing import Any

import pandas as pd

from ui.live import data
from ui.widgets.text import count, duration, plural


def progress_of(run: "pd.Series[Any]") -> dict[str, Any]:
    """The share that is done and a line about it, plain text."""
    status = run["status"]
    words = {
        "running": run["phase"] or "training",
        "paused": "paused; resume it to go on",
        "queued": "waits for its turn",
    }.get(status, data.SIGNS[status].split(" ", 1)[1])
    if status == "queued" and pd.notna(run["position"]) and run["position"] > 1:
        words += f" behind {plural(int(run['position']) - 1, 'other run')}"
    return {"share": data.share(run), "text": f"{run['label']}, seed {run['seed']}: {words}"}


def run_numbers(run: "pd.Series[Any]") -> list[dict[str, str]]:
    """Stage, step, time left and pace of a run."""
    left, speed = run["seconds_left"], run["tokens_per_second"]
    is_active = run["status"] in data.ACTIVE
    numbers = {
        "Stage": f"{run['stage']} of {run['stages']}",
        "Step": f"{run['step']:,} of {run['steps']:,}" if run["steps"] else "–",
        "Time left": duration(left) if is_active and left == left else "–",
        "Tokens per second": count(speed) if speed == speed and speed else "–",
    }
    return [{"label": label, "value": value} for label, value in numbers.items()]


def overview_table(runs: pd.DataFrame) -> dict[str, Any]:
    """How many runs are where, and one row a run."""
    shown = data.overview(runs)
    kinds = {"Progress": "share", "Seed": "number", "Left": "number"}
    columns = [{"name": name, "kind": kinds.get(name, "text")} for name in shown.columns]
    rows = [
        [value / 100 if name == "Progress" else str(value) for name, value in row.items()]
        for row in shown.to_dict("records")
    ]
    return {"caption": headline(runs), "columns": columns, "rows": rows}


def headline(runs: pd.DataFrame) -> str:
    """How many runs are where and how long all of them take, plain text."""
    counts = runs["status"].value_counts()
    parts = [f"{counts[s]} {data.SIGNS[s].split(' ', 1)[1]}" for s in data.SIGNS if counts.get(s)]
    left = data.left_in_all(runs)
    if data.is_active(runs) and left > 0:
        unknown = runs.loc[runs["status"] == data.WAITING, "seconds_left"].isna().any()
        parts.append(f"about {duration(left)} left" + (" for what runs" if unknown else " in all"))
    return ", ".join(parts)
