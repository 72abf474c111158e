"""How many steps of a run were clipped, and how much of their gradients that left.

Clipping scales the gradient g of all loss terms together to min(1, limit/‖g‖) of its length. Where it does so at most
steps, what a strategy adds to the loss takes its part of each step from the new task.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from engine.common.errors import ConfigError
from engine.common.numerals import percent
from engine.common.quoting import listed
from engine.experiments.experiment import Experiment
from engine.store import Store
from engine.strategies import parts_of
from engine.strategies.base import Strategy

MOST = 0.5
"""A share of the steps above which it is said that they were clipped."""
THROTTLED = 0.5
"""Where clipping leaves less than this of what it leaves of naive's gradients, the new task is said to be throttled."""

_MOST_COUNTED = 20_000
_Key: TypeAlias = tuple[Path, str, int, int, float]
_COUNTED: dict[_Key, "Clipping | None"] = {}
"""What was counted of runs as far as they were: the page counts again only those that have gone on."""
STAGES_NAMED, NAMED = 8, 6
"""Most stages, and most configurations, that stand in a sentence one by one."""


@dataclass(frozen=True)
class Clipping:
    """The clipping of some steps."""

    limit: float
    steps: int
    clipped: int
    kept: float
    """Σ min(1, limit/‖g‖) over the steps."""

    @property
    def share(self) -> float:
        """The share of the steps that were clipped."""
        return self.clipped / self.steps

    @property
    def kept_share(self) -> float:
        """The share of their gradients that clipping left, mean over all steps."""
        return self.kept / self.steps

    def __add__(self, other: "Clipping") -> "Clipping":
        return Clipping(
            self.limit, self.steps + other.steps, self.clipped + other.clipped, self.kept + other.kept
        )  # fmt: skip


def clipping_by_stage(counts: pd.DataFrame, limit: float) -> dict[int, Clipping]:
    """The clipping of each stage of one run, from its rows of `Store.clipped_steps`."""
    found: dict[int, Clipping] = {}
    for stage, *sums in counts[["stage", "steps", "clipped", "kept"]].itertuples(index=False, name=None):
        part = Clipping(limit, *sums)
        found[stage] = found[stage] + part if stage in found else part
    return found


def whole(stages: Mapping[int, Clipping]) -> Clipping | None:
    """The clipping of a run; None before its first step."""
    first, *others = stages.values() or (None,)
    for other in others:
        first = first + other if first and other else first
    return first


def in_words(stages: Mapping[int, Clipping], adds_terms: bool = True) -> str:
    """The clipping of one run in a sentence or two; "" before its first step. `adds_terms` says whether its strategy
    minimises anything beside the new task's loss."""
    found = whole(stages)
    if found is None:
        return ""
    if not found.clipped:
        return f"No step was clipped at {found.limit:g}."
    text = (
        f"{percent(found.share)} of the steps were clipped at {found.limit:g}; on average "
        f"{percent(found.kept_share)} of a step's gradient was left{_by_stage(stages)}."
    )
    if found.share > MOST and adds_terms:
        text += " What a strategy adds to the loss takes its part of each such step from the new task."
    return text


def adds_to_the_loss(strategy: str) -> bool:
    """Whether a strategy adds a term to the gradient that is clipped. Pulls act after clipping."""
    try:
        parts = parts_of(strategy)
    except ConfigError:  # of another version
        return False
    own = Strategy.loss_terms, Strategy.combine
    return any(part.loss_terms is not own[0] and part.combine is own[1] for part in parts)


def _by_stage(stages: Mapping[int, Clipping]) -> str:
    shares = {stage: part.share for stage, part in sorted(stages.items())}
    if len(shares) < 2:
        return ""
    if len(shares) > STAGES_NAMED:
        return f" (stages: {percent(min(shares.values()))} to {percent(max(shares.values()))} clipped)"
    return f" ({'; '.join(f'stage {stage}: {percent(share)}' for stage, share in shares.items())})"


def clipping_data(counts: pd.DataFrame, limit: float | None) -> dict[str, Any] | None:
    """The clipping of one run as `results.json` holds it; None where nothing is clipped by setting, and before the
    first step."""
    stages = {} if limit is None else clipping_by_stage(counts, limit)
    found = whole(stages)
    if found is None:
        return None
    each = [{"stage": stage, **_shares(part)} for stage, part in sorted(stages.items())]
    return {"limit": found.limit, **_shares(found), "stages": each}


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


def clipping_sentences(runs: pd.DataFrame) -> list[str]:
    """What is to be said of configurations most of whose steps were clipped: mean over the runs of `with_clipping`.
    They hold the user's names."""
    columns = ["gradient_clip", "clipped_share", "kept_share"]
    names = ["experiment_id", "strategy", "configuration"]
    found = runs.dropna(subset=columns).groupby(names, sort=False)[columns].mean().reset_index()
    plain = found[found["strategy"] == "naive"].drop_duplicates("experiment_id").set_index("experiment_id")
    throttled: dict[tuple[float, str], list[str]] = {}
    others: dict[float, list[str]] = {}
    adding: dict[float, list[str]] = {}
    for row in found[found["clipped_share"] > MOST].to_dict("records"):
        name, limit = str(row["configuration"]), float(row["gradient_clip"])
        naive = plain.loc[row["experiment_id"]] if row["experiment_id"] in plain.index else None
        if naive is not None and row["kept_share"] < THROTTLED * naive["kept_share"]:
            against = f"{percent(naive['kept_share'])} of {naive['configuration']}'s"
            shares = f"{percent(row['clipped_share'])} of steps clipped, {percent(row['kept_share'])} of gradients left"
            throttled.setdefault((limit, against), []).append(f"{name} ({shares})")
        else:
            others.setdefault(limit, []).append(name)
            if adds_to_the_loss(str(row["strategy"])):
                adding.setdefault(limit, []).append(name)
    said = [
        f"The new task is throttled in {listed(which, NAMED)}: clipping at {limit:g} left {against}."
        for (limit, against), which in throttled.items()
    ]
    for limit, which in others.items():
        of = "every strategy" if len(which) == len(found) > 1 else listed(which, NAMED)
        text = f"Most steps of {of} were clipped at {limit:g}."
        if limit in adding:
            adds = "adds" if len(adding[limit]) == 1 else "add"
            names_of = listed(adding[limit], NAMED)
            text += f" What {names_of} {adds} to the loss takes its part of each such step from the new task."
        said.append(text)
    return said


def _shares(part: Clipping) -> dict[str, float]:
    return {"clipped_share": part.share, "kept_share": part.kept_share}
