"""The compare page's tables as people read them: text cells, and what each column means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
from pandas.io.formats.style import Styler

from engine.common.numerals import percent, written
from engine.events.scores import SHARES
from engine.results.comparison import GAINS, LEVELS, LOSSES, REFERENCE
from engine.results.verdict import UNITS, Verdict, amount, chance, margin
from figures.theme import brief_labels
from ui.widgets.text import count, duration, plain

NOTHING = "–"
OPERATIONS = "Tera-operations"
CLIPPED = "Clipped steps"
CLIPPED_HELP = (
    "The share of the optimiser steps whose gradient, of all loss terms together, was longer than gradient_clip allows "
    "and was scaled down."
)
BEHIND = "Behind the best"
BEHIND_HELP = (
    "How much more the best strategy kept than this one: the mean of the differences seed by seed ± half the width of "
    "its 95% interval, over the seeds that all have finished. p: the chance of so large a difference where there is "
    "none (paired t-test, Holm's correction over every pair); the difference is established below 0.05. The intervals "
    "of two means are no such test."
)
COST_HELPS = {
    "Tokens": "Target tokens of every loss term, replayed ones included.",
    OPERATIONS: (
        "Floating-point operations in units of 10¹², about: 2 for the forward and 4 for the backward pass for every "
        "parameter and token read, less where weights are frozen, by replay and the Fisher information too (Kaplan et "
        "al. 2020). Attention scores, the optimiser and held-out scoring are left out. A dash: the run is not "
        "finished, or of an older version."
    ),
    "Seconds": "Of all stages together, with what other work on the machine added: no price of the strategy by itself.",
}
"""The cost of a run: first the strategy's own, then the time."""


@dataclass(frozen=True)
class Column:
    """A measure's heading and its one-line explanation."""

    title: str
    help: str


MEASURE_COLUMNS = {
    "earlier_tasks": Column("Earlier tasks, at the end", "Mean score of the final model on every task but the last."),
    "forgetting": Column(
        "Forgetting",
        "How far the earlier tasks fell from their best, mean over them; 0 is none, below 0 they improved.",
    ),
    "learning_accuracy": Column(
        "Learning accuracy", "Mean score on each task right after its own stage: how well new tasks are learned."
    ),
    "average": Column("Average, at the end", "Mean score of the final model on all tasks."),
    "backward_transfer": Column(
        "Backward transfer", "What later stages did to earlier tasks since their own stage; below 0 is loss."
    ),
    "forward_transfer": Column(
        "Forward transfer", "What earlier stages did to a task before its own, against the base model; above 0 helps."
    ),
    "stability_gap": Column("Stability gap", "How far earlier tasks fell at worst while a later stage was training."),
    "intransigence": Column("Intransigence", "How much less well it learns each task than joint training does."),
}
RUN_MEASURES = ("earlier_tasks", "forgetting", "learning_accuracy")
MAIN_MEASURES = ("earlier_tasks", "forgetting", "learning_accuracy", "average")


def summary_helps() -> dict[str, str]:
    """The texts of `COST_HELPS` and that of the paired differences, by the columns of the summary."""
    tokens, operations, seconds = COST_HELPS.values()
    return {BEHIND: BEHIND_HELP, "Tokens a run": tokens, f"{OPERATIONS} a run": operations, "Time a run": seconds}


def _tera(value: float) -> str:
    return NOTHING if pd.isna(value) else f"{value / 1e12:.3g}"


def runs_view(runs: pd.DataFrame, unfair: Mapping[str, Sequence[str]], score: str) -> pd.DataFrame:
    """One row per run: what it is, how far it is, what it kept, what it cost, and why it may not be comparable.

    Measures and costs are numbers, so that the table sorts them; `written_runs` says how they are written.
    """
    view = about_runs(runs, unfair)
    for name in RUN_MEASURES:
        view[MEASURE_COLUMNS[name].title] = runs[name].astype(float) * (100 if score in SHARES else 1)
    view["Tokens"] = runs["target_tokens"].astype(float).where(runs["target_tokens"] > 0)
    view[OPERATIONS] = runs["operations"].astype(float) / 1e12
    view["Seconds"] = runs["seconds"].astype(float).where(runs["seconds"] > 0)
    if runs["clipped_share"].notna().any():
        view[CLIPPED] = runs["clipped_share"]
    return view


def written_runs(view: pd.DataFrame, score: str) -> Styler:
    """The same with its numbers written as everywhere else; they still sort as numbers."""
    measures = {MEASURE_COLUMNS[name].title: name for name in RUN_MEASURES}
    scale = 100 if score in SHARES else 1
    forms: dict[str, Callable[[float], str]] = {
        title: partial(_scaled, name=name, score=score, scale=scale) for title, name in measures.items()
    }
    forms |= {"Tokens": "{:,.0f}".format, OPERATIONS: "{:.3g}".format, "Seconds": "{:,.0f}".format}
    forms |= {CLIPPED: percent} if CLIPPED in view else {}
    return view.style.format(forms, na_rep=NOTHING)


def _scaled(value: float, name: str, score: str, scale: float) -> str:
    return number(value / scale, name, score)


def runs_text(runs: pd.DataFrame, unfair: Mapping[str, Sequence[str]], score: str) -> pd.DataFrame:
    """The same as text, for a report."""
    view = about_runs(runs, unfair)
    for name in RUN_MEASURES:
        view[MEASURE_COLUMNS[name].title] = [number(value, name, score) for value in runs[name]]
    view["Tokens"] = [count(value) if value else NOTHING for value in runs["target_tokens"].fillna(0)]
    view[OPERATIONS] = [_tera(value) for value in runs["operations"]]
    view["Time"] = [duration(value) if value else NOTHING for value in runs["seconds"].fillna(0)]
    if runs["clipped_share"].notna().any():
        view[CLIPPED] = [NOTHING if pd.isna(value) else percent(value) for value in runs["clipped_share"]]
    return view


def about_runs(runs: pd.DataFrame, unfair: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """One row per run: what it is, how far it is, and why it may not be comparable."""
    view = pd.DataFrame(index=runs.index)
    if runs["experiment_id"].nunique() > 1:
        view["Experiment"] = runs["experiment"]
    view["Strategy"] = runs["label"]
    view["Seed"] = runs["seed"].astype(int)
    view["Status"] = [_status(run) for run in runs.to_dict("records")]
    if unfair:
        view["Differs in"] = [", ".join(unfair.get(run_id, ())) for run_id in runs["run_id"]]
    return view


def summary_view(
    table: pd.DataFrame, front: pd.Series, score: str, measures: Sequence[str], verdict: Verdict
) -> pd.DataFrame:
    """One row per configuration: its paired difference to the best, and means ± half the width of their 95% intervals
    over seeds."""
    view = pd.DataFrame({"Strategy": table["configuration"]})
    view["Seeds"] = [_seeds(seeds) for seeds in table["seeds"]]
    if verdict.differences:
        view[BEHIND] = _behind(table, verdict, score)
    for name in measures:
        view[MEASURE_COLUMNS[name].title] = [with_interval(row, name, score) for row in table.to_dict("records")]
    view["Pareto front"] = ["yes" if on else "" for on in front]
    view["Tokens a run"] = [NOTHING if pd.isna(value) else count(value) for value in table["target_tokens"]]
    view[f"{OPERATIONS} a run"] = [_tera(value) for value in table["operations"]]
    view["Time a run"] = [NOTHING if pd.isna(value) else duration(value) for value in table["seconds"]]
    return view


def _behind(table: pd.DataFrame, verdict: Verdict, score: str) -> list[str]:
    """The paired differences to the best as text; a dash for runs that the verdict leaves out."""
    cells = {str(verdict.winner): "best mean"}
    for each in verdict.differences:
        cells[each.rival] = margin(each, score, unit=False)
        if each.corrected_p is not None:
            cells[each.rival] += f" ({chance(each.corrected_p)})"
        elif len(each.by_seed) == 1:
            cells[each.rival] += " (one seed)"
    reference = table["strategy"] == REFERENCE
    return [
        "reference" if joint else cells.get(name, NOTHING)
        for name, joint in zip(table["configuration"], reference, strict=True)
    ]


def column_helps(table: pd.DataFrame, score: str, measures: Sequence[str]) -> dict[str, str]:
    """The meaning of each column by its title, its unit and direction, and why some of its cells are empty
    (Markdown)."""
    helps = {}
    for name in measures:
        column = MEASURE_COLUMNS[name]
        text = f"{column.help} {_unit(name, score)}"
        why: dict[str, list[str]] = {}
        for row in table.to_dict("records"):
            if pd.isna(row[name]):
                why.setdefault(row[f"{name}_reason"], []).append(row["configuration"])
        for reason, names in why.items():
            text += f" {NOTHING} stands for {', '.join(names)}: {reason}."
        helps[column.title] = plain(text)
    return helps


def number(value: float | None, measure: str, score: str) -> str:
    """A measure without its unit; differences of accuracy in points, other differences with their sign."""
    if value is None or pd.isna(value):
        return NOTHING
    if measure in LEVELS:
        return amount(value, score)
    if score in SHARES:
        return written(100 * value, "+.1f")
    return written(value, "+.3g" if score == "perplexity" else "+.3f")


def with_interval(row: Mapping[str, float], measure: str, score: str) -> str:
    """`2.310 ± 0.042`; the mean alone where there is one seed."""
    text = number(row[measure], measure, score)
    high = row[f"{measure}_high"]
    if text == NOTHING or high is None or pd.isna(high):
        return text
    return f"{text} ± {number(high - row[measure], measure, score).lstrip('+')}"


def settings_view(differences: pd.DataFrame) -> pd.DataFrame:
    """The differing settings as a table with the settings in its first column."""
    names = differences.index.str.removeprefix("parameters.")
    return (
        differences.set_axis(names)
        .rename(columns=brief_labels(differences.columns))
        .rename_axis("Setting")
        .reset_index()
    )


def _unit(name: str, score: str) -> str:
    if name in LEVELS:
        better = "higher" if score in SHARES else "lower"
        return f"In {UNITS[score]}; {better} is better."
    unit = "percentage points" if score in SHARES else UNITS[score]
    better = {True: "lower", False: "higher"}[name in LOSSES and name not in GAINS]
    return f"In {unit}; {better} is better."


def _seeds(seeds: Sequence[int]) -> str:
    """The number of seeds, and which they are."""
    return f"{len(seeds)} ({', '.join(map(str, seeds))})" if len(seeds) else NOTHING


def _status(run: Mapping[str, object]) -> str:
    status = str(run["status"])
    if run["complete"]:
        return status
    if status in ("running", "paused", "interrupted", "stopped", "failed"):
        return f"{status}, {run['stages_scored']} of {run['stages']} stages scored"
    return {"queued": "waiting"}.get(status, status)
