"""What the compared runs kept beside their tasks: the general text, and their guards."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import pandas as pd

from engine.common.numerals import written
from engine.experiments.experiment import Experiment
from engine.results.guard_histories import GuardHistory, guard_histories
from engine.store import Store
from figures.theme import SCORES
from ui.compare import table_words

NOTHING = "–"


def read_guards(
    store: Store, runs: pd.DataFrame, experiments: Mapping[str, Experiment]
) -> dict[str, tuple[GuardHistory, ...]]:
    """The histories of every run's guards by its id; none of runs that have no guards."""
    outcomes = store.guard_outcomes(runs["run_id"].tolist())
    found = {}
    for run_id, experiment_id in zip(runs["run_id"], runs["experiment_id"], strict=True):
        own = guard_histories(outcomes[outcomes["run_id"] == run_id], experiments[experiment_id].guards)
        if own:
            found[str(run_id)] = tuple(own)
    return found


def beside_view(
    runs: pd.DataFrame, general: pd.DataFrame, guards: Mapping[str, Sequence[GuardHistory]], score: str
) -> pd.DataFrame:
    """One row per configuration, of the final models of its complete runs, means over seeds; empty where neither a
    general text was scored nor a guard checked."""
    complete = runs[runs["complete"].astype(bool)]
    whole = general[general["is_whole"].astype(bool) & general["run_id"].isin(complete["run_id"])]
    if whole.empty and not any(run_id in guards for run_id in complete["run_id"]):
        return pd.DataFrame()
    style = SCORES[score] if score in whole else SCORES["bits_per_byte"]
    rows = []
    for configuration, part in complete.groupby("configuration", sort=False):
        row = {table_words.STRATEGY: str(configuration)}
        if not whole.empty:
            row |= _general(whole[whole["run_id"].isin(part["run_id"])], style.name)
        own = [history for run_id in part["run_id"] for history in guards.get(run_id, ())]
        if guards:
            row[table_words.HOLD] = table_words.of_all(sum(each.holds for each in own), len(own)) if own else NOTHING
            lost = dict.fromkeys(
                table_words.lost_guard(each.guard.title, each.lost_at) for each in own if each.lost_at is not None
            )
            row[table_words.NO_LONGER] = ", ".join(lost) or NOTHING
        rows.append(row)
    return pd.DataFrame(rows)


def _general(whole: pd.DataFrame, score: str) -> dict[str, str]:
    """The three cells of the general text, means over the runs in `whole`."""
    style = SCORES[score]
    ends = [part.sort_values("stage") for _, part in whole.groupby("run_id")]
    if not ends:
        return dict.fromkeys((table_words.GENERAL, table_words.CHANGE, table_words.DRIFT), NOTHING)
    last = [float(part[score].iloc[-1]) for part in ends]
    changes = [float(part[score].iloc[-1] - part[score].iloc[0]) for part in ends]
    drifts = [float(part["drift"].iloc[-1]) for part in ends]
    return {
        table_words.GENERAL: f"{style.text(fmean(last))} {style.unit}",
        table_words.CHANGE: style.change(fmean(changes)),
        table_words.DRIFT: written(fmean(drifts), ".3f"),
    }
