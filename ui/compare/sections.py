"""The parts that the compare page and the report show in common, figure by figure."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from engine.results.comparison import REFERENCE, configuration_differences, pareto_front, sign
from figures.comparison import cost_figure, lost_figure, matrices_figure
from figures.keeping import keeping_figure
from figures.report import Section
from figures.theme import SCORES, LineStyle, alt_text, brief_labels
from figures.varied import MEASURES, varied_figure
from ui.compare import table_words, words
from ui.compare.beside import beside_view
from ui.compare.compared_runs import Comparison, ordered_tasks
from ui.compare.drawn import best_few, styles_of
from ui.compare.tables import MEASURE_COLUMNS, settings_view, summary_view
from ui.compare.varied_parameters import varied_parameters


def front(comparison: Comparison) -> pd.Series:
    """Which configurations no other beats in both stability and plasticity."""
    costs = -comparison.table[["backward_transfer", "learning_accuracy"]].astype(float)
    costs["learning_accuracy"] *= sign(comparison.score)
    return pareto_front(costs, ["backward_transfer", "learning_accuracy"])


def figure_sections(comparison: Comparison, drawn: Sequence[str] | None = None) -> Iterator[Section]:
    """The figures in the order of the user's questions: what came out, where it was lost, what it cost. Of many
    configurations the `drawn` ones stand out, and have matrices; without them the best few, and all have matrices."""
    yield keeping_section(comparison, drawn)
    yield from matrix_sections(comparison, drawn)
    yield from lost_sections(comparison, drawn)
    yield from varied_sections(comparison)
    yield from cost_sections(comparison, drawn)


def keeping_section(comparison: Comparison, drawn: Sequence[str] | None = None) -> Section:
    """Learning against keeping."""
    done = comparison.table[comparison.table["complete"] > 0]
    runs = comparison.runs[comparison.runs["complete"].astype(bool)]
    references = [str(name) for name in done.loc[done["strategy"].isin(["naive", REFERENCE]), "configuration"]]
    figure = keeping_figure(
        done.assign(label=done["configuration"]), runs.assign(label=runs["configuration"]), comparison.score,
        _styles(comparison, drawn), references,
    )  # fmt: skip
    return _section(words.FIGURE_TITLE, words.FIGURE_TEXT, figure)


def matrix_sections(comparison: Comparison, drawn: Sequence[str] | None = None) -> Iterator[Section]:
    """The score matrices, small and on one scale, of each order of tasks that is compared."""
    for tasks, runs, suffix in _by_tasks(comparison):
        matrix = comparison.matrix[comparison.matrix["run_id"].isin(_ids(runs, drawn))]
        text = f"{SCORES[comparison.score].title}, {words.MATRICES_TEXT}"
        figure = matrices_figure(matrix, runs, tasks, comparison.score)
        yield _section(words.MATRICES_TITLE + suffix, text, figure, wide=True)


def lost_sections(comparison: Comparison, drawn: Sequence[str] | None = None) -> Iterator[Section]:
    """What each task lost over time, of each order of tasks that is compared."""
    for tasks, runs, suffix in _by_tasks(comparison):
        matrix = comparison.matrix[comparison.matrix["run_id"].isin(runs["run_id"])]
        figure = lost_figure(matrix, runs, tasks, comparison.score, _styles(comparison, drawn))
        yield _section(words.LOSSES_TITLE + suffix, words.LOSSES_TEXT, figure, wide=True)


def varied_sections(comparison: Comparison) -> Iterator[Section]:
    """What the values of main parameters do; nothing where none was run with two."""
    done = comparison.table[comparison.table["complete"] > 0].set_index("configuration")
    runs = comparison.runs[comparison.runs["configuration"].isin(done.index)]
    varied = [each for each in varied_parameters(runs) if sum(value > 0 for value in each.values.values()) > 1]
    if not varied:
        return
    styles, brief = styles_of(comparison, list(done.index)), brief_labels(done.index)
    columns = [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    points = [
        {"panel": each.label, "line": f"{each.strategy} {number}", "label": brief[name], "value": value,
         "style": styles[next(iter(each.values))]} | done.loc[name, columns].to_dict()
        for number, each in enumerate(varied)
        for name, value in each.values.items()
        if value > 0  # a logarithmic axis has no place for 0, which is naive
    ]  # fmt: skip
    references = done[done["strategy"].isin(["naive", REFERENCE])]
    held_against = references.assign(
        label=[brief[name] for name in references.index], style=[styles[name] for name in references.index]
    )
    figure = varied_figure(pd.DataFrame(points), held_against, comparison.score)
    yield _section(words.VARIED_TITLE, words.VARIED_TEXT, figure, wide=True)


def cost_sections(comparison: Comparison, drawn: Sequence[str] | None = None) -> Iterator[Section]:
    """Tokens, operations and seconds of a run."""
    complete = comparison.runs[comparison.runs["complete"].astype(bool)]
    figure = cost_figure(complete.assign(label=complete["configuration"]), _styles(comparison, drawn))
    yield _section(words.COST, words.COST_TEXT, figure)


def table_sections(comparison: Comparison) -> Iterator[Section]:
    """The summary with all measures, and the settings that differ."""
    view = summary_view(
        comparison.table, front(comparison), comparison.score, tuple(MEASURE_COLUMNS), comparison.verdict
    )
    unit = SCORES[comparison.score].title
    text = words.summary(unit)
    if table_words.BEHIND in view:
        text += f" {table_words.BEHIND}: {table_words.BEHIND_HELP}"
    yield Section(words.SUMMARY, text, table=view)
    kept = beside_view(comparison.runs, comparison.beside.general, comparison.beside.guards, comparison.score)
    if len(kept):
        helps = table_words.BESIDE_HELPS
        meant = " ".join(f"{name}: {helps[name]}" for name in kept if name in helps)
        yield Section(table_words.BESIDE, words.means_over_seeds(meant), table=kept)
    differences = configuration_differences(comparison.runs, comparison.experiments)
    if len(differences):
        yield Section(words.DIFFERING_SETTINGS, table=settings_view(differences))


def _by_tasks(comparison: Comparison) -> Iterator[tuple[list[str], pd.DataFrame, str]]:
    """The runs, labelled by configuration, by the tasks in the order in which they trained them, with what a title says
    of these: runs of different orders have no matrix in common."""
    runs = comparison.runs.assign(label=comparison.runs["configuration"])
    tasks = pd.Series([ordered_tasks(comparison, run) for run in runs.to_dict("records")], runs.index, dtype=object)
    for names, group in runs.groupby(tasks, sort=False):
        yield list(names), group, f": {' → '.join(names)}" if tasks.nunique() > 1 else ""


def _styles(comparison: Comparison, drawn: Sequence[str] | None) -> Mapping[str, LineStyle]:
    return styles_of(comparison, best_few(comparison) if drawn is None else drawn)


def _ids(runs: pd.DataFrame, labels: Sequence[str] | None) -> pd.Series:
    """The runs of these labels; all for None."""
    return runs["run_id"] if labels is None else runs.loc[runs["label"].isin(labels), "run_id"]


def _section(title: str, text: str, figure: go.Figure, wide: bool = False) -> Section:
    return Section(title, text, figure, alt_text(figure), wide=wide)
