"""Where an experiment or a run comes from, what was made from it, and from which data: in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ui.runs import words

if TYPE_CHECKING:
    from engine.experiments.origin import Origin


def came_from(origin: Origin, name_now: str | None, run_name: str = "") -> str:
    """Its origin in a sentence. `name_now` is what the experiment is called today, None where it is not in a list;
    `run_name` the name of its run, where one is known."""
    name = name_now or origin.name
    then = origin.name if name_now and name_now != origin.name else ""
    stages = origin.stages if origin.kind == "continued" and origin.stages else 0
    run = (run_name or origin.run_id) if origin.run_id else ""
    is_gone = not (name_now or origin.folder)
    return words.came_from(
        words.VERBS[origin.kind], name, then, run, stages, origin.folder or "", is_gone, origin.changed
    )


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
        words.data_fact(fact["name"], fact["documents"], str(fact.get("fingerprint", ""))[:12])
        for fact in facts.to_dict("records")
    ]
