"""The time that waiting runs will take, by the pace of the runs before them that are like them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from engine import strategies
from engine.common.overrides import OVERRIDES, Overrides
from engine.experiments.settings_of_stage import settings_of_stages
from engine.experiments.training import Training
from engine.persistence.content_keys import stage_key_parts
from engine.store.schema import ACTIVE

Settings = tuple[Training, dict[str, Overrides]]
"""The epochs and learning rate of an experiment, and those that each of its tasks sets itself, by its name, in
order."""
Likes = dict[tuple[str, str], list[float]]
"""Numbers of runs that are done or on their way, by experiment and strategy, and by experiment alone ("")."""


def settings_in(configuration: Mapping[str, Any]) -> Settings:
    """The settings in an experiment's configuration as the store holds it."""

    def overridable(data: Mapping[str, Any]) -> dict[str, Any]:
        return {name: data[name] for name in OVERRIDES if name in data}

    tasks = {str(task["name"]): Overrides(**overridable(task)) for task in configuration["tasks"]}
    return Training(**overridable(configuration["training"])), tasks


def estimate_waiting(rows: list[dict[str, Any]], settings: Mapping[str, Settings]) -> None:
    """A waiting run takes as many times the estimate before the start as its finished likes took of theirs, of its own
    strategy, else of its experiment: the estimate knows what its strategy does beside the steps, such as to write
    texts. Without one it takes as long for every epoch of its stages' tasks as they, less the stages that it takes over
    from runs before it."""
    made: dict[tuple[str, int], set[Hashable]] = {}
    paces: Likes = {}
    ratios: Likes = {}
    planned = [_planned(row, settings[row["experiment_id"]]) for row in rows]
    for row, (epochs, _) in zip(rows, planned, strict=True):
        running = row["status"] in ACTIVE and not math.isnan(row["seconds_left"])
        if row["status"] == "finished" or running:
            whole = row["seconds"] + (row["seconds_left"] if running else 0.0)
            for key in (row["strategy"], ""):
                paces.setdefault((row["experiment_id"], key), []).append(whole / max(1, sum(epochs)))
                if row["expected_seconds"]:
                    ratios.setdefault((row["experiment_id"], key), []).append(whole / row["expected_seconds"])
    for row, (epochs, key_parts) in zip(rows, planned, strict=True):
        known = made.setdefault((row["experiment_id"], row["seed"]), set())
        new = [number for number, each in zip(epochs, key_parts, strict=True) if each not in known]
        known.update(key_parts)
        unmeasured = row["status"] in ACTIVE and math.isnan(row["seconds_left"])
        if row["status"] == "queued" or unmeasured:
            expected, ratio, pace = row["expected_seconds"], _mean(ratios, row), _mean(paces, row)
            if expected is not None and ratio is not None:
                row["seconds_left"] = max(0.0, expected * ratio - row["seconds"])
            elif pace is not None:
                row["seconds_left"] = max(0.0, sum(new) * pace - row["seconds"])
            elif row["status"] == "queued" and expected is not None:
                row["seconds_left"] = expected


def _mean(likes: Likes, row: Mapping[str, Any]) -> float | None:
    """The mean of a run's likes; None without any."""
    found = likes.get((row["experiment_id"], row["strategy"])) or likes.get((row["experiment_id"], ""))
    return sum(found) / len(found) if found else None


def _planned(row: Mapping[str, Any], settings: Settings) -> tuple[list[int], tuple[Hashable, ...]]:
    """For each stage of a run, how many epochs of its tasks it trains on together, and its key parts behind the
    tasks so far."""
    strategy, (training, by_name) = strategies.build(row["strategy"], row["parameters"]), settings
    order = row["task_order"] or tuple(by_name)
    of_tasks = [by_name[name] for name in order]
    of_strategy = strategies.overrides_of(row["strategy"], row["parameters"])
    stages = settings_of_stages(strategy, training, of_strategy, of_tasks)
    key_parts = stage_key_parts(strategy, [each.key_parts for each in stages])
    trained = [(order[:stage], each) for stage, each in enumerate(key_parts, start=1)]
    return [sum(each.epochs) for each in stages], tuple(trained)
