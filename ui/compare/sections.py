"""The parts that the compare page and the report show in common, figure by figure."""

from collections.abc import Iterator, Sequence

import pandas as pd
import plotly.graph_objects as go

from engine.results.comparison import configuration_differences, pareto_front, sign
from figures.comparison import cost_figure, lost_figure, matrices_figure, tradeoff_figure
from figures.report import Section
from figures.theme import SCORES, alt_text
from ui.compare.beside import HELPS, TITLE, beside_view
from ui.compare.compared_runs import Comparison, ordered_tasks
from ui.compare.drawn import best_few, styles_of
from ui.compare.tables import BEHIND, BEHIND_HELP, MEASURE_COLUMNS, settings_view, summary_view


def front(comparison: Comparison) -> pd.Series:
    """Which configurations no other beats in both stability and plasticity."""
    costs = -comparison.table[["backward_transfer", "learning_accuracy"]].astype(float)
    costs["learning_accuracy"] *= sign(comparison.score)
    return pareto_front(costs, ["backward_transfer", "learning_accuracy"])


def figure_sections(comparison: Comparison, drawn: Sequence[str] | None = None) -> Iterator[Section]:
    """The figures in the order of the user's questions: what came out, where it was lost, what it cost. Of many
    configurations the `drawn` ones stand out, and have matrices; without them the best few, and all have matrices."""
    styles = styles_of(comparison, best_few(comparison) if drawn is None else drawn)
    score, scores = comparison.score, SCORES[comparison.score]
    done = comparison.table[comparison.table["complete"] > 0]
    points = done.assign(label=done["configuration"])
    yield _section(
        "Stability against plasticity",
        "Up: keeps what it knew. Right: learns the new task better. No strategy is better in both than one on the "
        "dotted line, the Pareto front; bars are 95% intervals over seeds.",
        tradeoff_figure(points, score, styles),
    )
    groups = _by_tasks(comparison)
    for tasks, runs in groups:
        matrix = comparison.matrix[comparison.matrix["run_id"].isin(runs["run_id"])]
        suffix = f": {' → '.join(tasks)}" if len(groups) > 1 else ""
        yield _section(
            f"Score matrices{suffix}",
            f"{scores.title}, mean over seeds. Rows: the base model, then after each stage; columns: tasks in order "
            "of training. Blue is better than the base model, orange worse; outlined is the task a stage trained on.",
            matrices_figure(matrix[matrix["run_id"].isin(_ids(runs, drawn))], runs, tasks, score),
            wide=True,
        )
        yield _section(
            f"What each task lost over time{suffix}",
            "How much worse an earlier task scores than right after its own stage, stage by stage. Lines are means "
            "over seeds, bars reach from the best seed to the worst.",
            lost_figure(matrix, runs, tasks, score, styles),
            wide=True,
        )
    complete = comparison.runs[comparison.runs["complete"].astype(bool)]
    yield _section(
        "Cost",
        "Target tokens of every loss term, floating-point operations (about 6 for every parameter and token trained "
        "on, those of the Fisher information too, and 2 for one that a teacher reads or the model writes), and the "
        "time, mean over seeds. Replay trains on memory as well; joint trains on all earlier tasks again at every "
        "stage. The time holds whatever else the machine did: it is no price by itself.",
        cost_figure(complete.assign(label=complete["configuration"]), styles),
    )


def table_sections(comparison: Comparison) -> Iterator[Section]:
    """The summary with all measures, and the settings that differ."""
    view = summary_view(
        comparison.table, front(comparison), comparison.score, tuple(MEASURE_COLUMNS), comparison.verdict
    )
    unit = SCORES[comparison.score].title
    text = f"{unit}: mean over seeds ± half the width of the 95% interval (Student's t)."
    if BEHIND in view:
        text += f" {BEHIND}: {BEHIND_HELP}"
    yield Section("Summary", text, table=view)
    kept = beside_view(comparison.runs, comparison.beside.general, comparison.beside.guards, comparison.score)
    if len(kept):
        meant = " ".join(f"{name}: {HELPS[name]}" for name in kept if name in HELPS)
        yield Section(TITLE, f"Means over seeds. {meant}", table=kept)
    differences = configuration_differences(comparison.runs, comparison.experiments)
    if len(differences):
        yield Section("Settings that differ", table=settings_view(differences))


def _by_tasks(comparison: Comparison) -> list[tuple[list[str], pd.DataFrame]]:
    """The runs, labelled by configuration, grouped by the tasks in the order in which they trained them: runs of
    different orders have no matrix in common."""
    runs = comparison.runs.assign(label=comparison.runs["configuration"])
    tasks = pd.Series([ordered_tasks(comparison, run) for run in runs.to_dict("records")], runs.index, dtype=object)
    return [(list(names), group) for names, group in runs.groupby(tasks, sort=False)]


def _ids(runs: pd.DataFrame, labels: Sequence[str] | None) -> pd.Series:
    """The runs of these labels; all for None."""
    return runs["run_id"] if labels is None else runs.loc[runs["label"].isin(labels), "run_id"]


def _section(title: str, text: str, figure: go.Figure, wide: bool = False) -> Section:
    return Section(title, text, figure, alt_text(figure), wide=wide)
