"""Where an experiment or a run comes from, what was made from it, and from which data: in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from figures.numbers import exact, plural

if TYPE_CHECKING:
    from engine.experiments.origin import Origin

_VERBS = {"continued": "Continues", "duplicated": "Duplicate of", "edited": "Started again from"}


def came_from(origin: Origin, name_now: str | None, run_name: str = "") -> str:
    """Its origin in a sentence. `name_now` is what the experiment is called today, None where it is not in a list;
    `run_name` the name of its run, where one is known."""
    name = name_now or origin.name
    renamed = f" (then “{origin.name}”)" if name_now and name_now != origin.name else ""
    gone = "" if name_now or origin.folder else ", which is not here any more"
    after = f" after {plural(origin.stages, 'stage')}" if origin.kind == "continued" and origin.stages else ""
    run = f", run {run_name or origin.run_id}" if origin.run_id else ""
    folder = f", in {origin.folder}" if origin.folder else ""
    return f"{_VERBS[origin.kind]} {name}{renamed}{run}{after}{folder}{gone}{_changed(origin)}."


def _changed(origin: Origin) -> str:
    """What was changed in it, at the end of the sentence."""
    if origin.changed is None:
        return ""
    if not origin.changed:
        return ", unchanged"
    return ", with " + "; ".join(f"{name} {now} instead of {was}" for name, (was, now) in origin.changed.items())


def made_from_it(experiment_id: str, experiments: pd.DataFrame) -> list[tuple[str, str]]:
    """The ids and names of the experiments that come from this one."""
    return [
        (each["experiment_id"], each["name"])
        for each in experiments[["experiment_id", "name", "origin"]].to_dict("records")
        if each["origin"] and each["origin"].get("experiment_id") == experiment_id
    ]


def data_facts(facts: pd.DataFrame) -> list[str]:
    """A line for each task: what was read of it, and the fingerprint of its documents."""
    return [
        f"{fact['name']}: {exact(fact['documents'])} documents, fingerprint {str(fact.get('fingerprint', ''))[:12]}"
        for fact in facts.to_dict("records")
    ]
