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
from ui.compare import table_words
from ui.widgets.text import count, duration, plain

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """A measure's heading and its one-line explanation."""

    title: str
    help: str


MEASURE_COLUMNS = {name: Column(*texts) for name, texts in table_words.MEASURES.items()}
RUN_MEASURES = ("earlier_tasks", "forgetting", "learning_accuracy")
MAIN_MEASURES = ("earlier_tasks", "forgetting", "learning_accuracy", "average")


def summary_helps() -> dict[str, str]:
    """The texts of `table_words.COST_HELPS` and that of the paired differences, by the columns of the summary."""
    tokens, operations, seconds = table_words.COST_HELPS.values()
    return {
        table_words.BEHIND: table_words.BEHIND_HELP,
        table_words.TOKENS_A_RUN: tokens,
        table_words.OPERATIONS_A_RUN: operations,
        table_words.TIME_A_RUN: seconds,
    }


def _tera(value: float) -> str:
    return NOTHING if pd.isna(value) else f"{value / 1e12:.3g}"


def runs_view(runs: pd.DataFrame, unfair: Mapping[str, Sequence[str]], score: str) -> pd.DataFrame:
    """One row per run: what it is, how far it is, what it kept, what it cost, and why it may not be comparable.

    Measures and costs are numbers, so that the table sorts them; `written_runs` says how they are written.
    """
    view = about_runs(runs, unfair)
    for name in RUN_MEASURES:
        view[MEASURE_COLUMNS[name].title] = runs[name].astype(float) * (100 if score in SHARES else 1)
    view[table_words.TOKENS] = runs["target_tokens"].astype(float).where(runs["target_tokens"] > 0)
    view[table_words.OPERATIONS] = runs["operations"].astype(float) / 1e12
    view[table_words.SECONDS] = runs["seconds"].astype(float).where(runs["seconds"] > 0)
    if runs["clipped_share"].notna().any():
        view[table_words.CLIPPED] = runs["clipped_share"]
    return view


def written_runs(view: pd.DataFrame, score: str) -> Styler:
    """The same with its numbers written as everywhere else; they still sort as numbers."""
    measures = {MEASURE_COLUMNS[name].title: name for name in RUN_MEASURES}
    scale = 100 if score in SHARES else 1
    forms: dict[str, Callable[[float], str]] = {
        title: partial(_scaled, name=name, score=score, scale=scale) for title, name in measures.items()
    }
    forms |= {
        table_words.TOKENS: "{:,.0f}".format,
        table_words.OPERATIONS: "{:.3g}".format,
        table_words.SECONDS: "{:,.0f}".format,
    }
    forms |= {table_words.CLIPPED: percent} if table_words.CLIPPED in view else {}
    return view.style.format(forms, na_rep=NOTHING)


def _scaled(value: float, name: str, score: str, scale: float) -> str:
    return number(value / scale, name, score)


def runs_text(runs: pd.DataFrame, unfair: Mapping[str, Sequence[str]], score: str) -> pd.DataFrame:
    """The same as text, for a report."""
    view = about_runs(runs, unfair)
    for name in RUN_MEASURES:
        view[MEASURE_COLUMNS[name].title] = [number(value, name, score) for value in runs[name]]
    view[table_words.TOKENS] = [count(value) if value else NOTHING for value in runs["target_tokens"].fillna(0)]
    view[table_words.OPERATIONS] = [_tera(value) for value in runs["operations"]]
    view[table_words.TIME] = [duration(value) if value else NOTHING for value in runs["seconds"].fillna(0)]
    if runs["clipped_share"].notna().any():
        view[table_words.CLIPPED] = [NOTHING if pd.isna(value) else percent(value) for value in runs["clipped_share"]]
    return view


def about_runs(runs: pd.DataFrame, unfair: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """One row per run: what it is, how far it is, and why it may not be comparable."""
    view = pd.DataFrame(index=runs.index)
    if runs["experiment_id"].nunique() > 1:
        view[table_words.EXPERIMENT] = runs["experiment"]
    view[table_words.STRATEGY] = runs["label"]
    view[table_words.SEED] = runs["seed"].astype(int)
    view[table_words.STATUS] = [_status(run) for run in runs.to_dict("records")]
    if unfair:
        view[table_words.DIFFERS_IN] = [", ".join(unfair.get(run_id, ())) for run_id in runs["run_id"]]
    return view


def summary_view(
    table: pd.DataFrame, front: pd.Series, score: str, measures: Sequence[str], verdict: Verdict
) -> pd.DataFrame:
    """One row per configuration: its paired difference to the best, and means ± half the width of their 95% intervals
    over seeds."""
    view = pd.DataFrame({table_words.STRATEGY: table["configuration"]})
    view[table_words.SEEDS] = [_seeds(seeds) for seeds in table["seeds"]]
    if verdict.differences:
        view[table_words.BEHIND] = _behind(table, verdict, score)
    for name in measures:
        view[MEASURE_COLUMNS[name].title] = [with_interval(row, name, score) for row in table.to_dict("records")]
    view[table_words.FRONT] = [table_words.YES if on else "" for on in front]
    view[table_words.TOKENS_A_RUN] = [NOTHING if pd.isna(value) else count(value) for value in table["target_tokens"]]
    view[table_words.OPERATIONS_A_RUN] = [_tera(value) for value in table["operations"]]
    view[table_words.TIME_A_RUN] = [NOTHING if pd.isna(value) else duration(value) for value in table["seconds"]]
    return view


def _behind(table: pd.DataFrame, verdict: Verdict, score: str) -> list[str]:
    """The paired differences to the best as text; a dash for runs that the verdict leaves out."""
    cells = {str(verdict.winner): table_words.BEST_MEAN}
    for each in verdict.differences:
        cells[each.rival] = margin(each, score, unit=False)
        if each.corrected_p is not None:
            cells[each.rival] += f" ({chance(each.corrected_p)})"
        elif len(each.by_seed) == 1:
            cells[each.rival] += table_words.ONE_SEED
    reference = table["strategy"] == REFERENCE
    return [
        table_words.REFERENCE if joint else cells.get(name, NOTHING)
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
            text += table_words.stands_for(NOTHING, names, reason)
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
        .rename_axis(table_words.SETTING)
        .reset_index()
    )


def _unit(name: str, score: str) -> str:
    if name in LEVELS:
        return table_words.direction(UNITS[score], score not in SHARES)
    unit = table_words.POINTS if score in SHARES else UNITS[score]
    return table_words.direction(unit, name in LOSSES and name not in GAINS)


def _seeds(seeds: Sequence[int]) -> str:
    """The number of seeds, and which they are."""
    return f"{len(seeds)} ({', '.join(map(str, seeds))})" if len(seeds) else NOTHING


def _status(run: Mapping[str, object]) -> str:
    status = str(run["status"])
    if run["complete"]:
        return status
    if status in ("running", "paused", "interrupted", "stopped", "failed"):
        return table_words.stages_scored(status, run["stages_scored"], run["stages"])
    return table_words.STATUSES.get(status, status)
