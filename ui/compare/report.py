"""The compare page as one file: its verdict, tables and figures, each strategy's curves, machine and configuration."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from engine.experiments.portable import model_label, portable_yaml
from engine.results.clipping_words import clipping_sentences
from engine.store import Store
from figures.curves import loss_figure
from figures.lines import lines_of
from figures.report import Section, report_html
from figures.theme import alt_text
from ui.compare import words
from ui.compare.compared_runs import Comparison, ordered_tasks, run_name
from ui.compare.headline import in_full
from ui.compare.orders_view import order_sections
from ui.compare.sections import figure_sections, table_sections
from ui.compare.tables import NOTHING, runs_text

MOST_CURVES = 12
"""Runs whose losses are drawn; each takes up to a few hundred kilobytes."""


def report(store: Store, comparison: Comparison, first: Iterable[Section] = ()) -> str:
    """The whole report as HTML; `first` stands before the tables. It names no folder of this machine."""
    shown = without_places(comparison)
    names = [experiment.name for experiment in shown.experiments.values()]
    sections = [
        *first,
        *_fairness(shown),
        *table_sections(shown),
        *order_sections(shown),
        *figure_sections(shown),
        *curve_sections(store, shown),
    ]
    about_runs = " ".join(clipping_sentences(shown.runs))
    sections.append(Section(words.RUNS, about_runs, table=runs_text(shown.runs, shown.unfair, shown.score)))
    sections.append(machine_section(store, shown))
    for experiment in comparison.experiments.values():
        sections.append(Section(words.of_experiment(experiment.name), code=portable_yaml(experiment)))
    made = words.made(datetime.now(UTC))
    return report_html(words.report_title(names), in_full(shown), sections, made)


def without_places(comparison: Comparison) -> Comparison:
    """The comparison in which a model folder goes by its own name; two of one name get a number."""
    labels: dict[str, str] = {}
    for experiment in comparison.experiments.values():
        label = model_label(experiment.model)
        alike = sum(model_label(model) == label for model in labels if model != experiment.model)
        labels.setdefault(experiment.model, f"{label} ({alike + 1})" if alike else label)
    experiments = {
        key: each.model_copy(update={"model": labels[each.model]}) for key, each in comparison.experiments.items()
    }
    findings = [replace(finding, text=_relabelled(finding.text, labels)) for finding in comparison.findings]
    return replace(comparison, experiments=experiments, findings=findings)


def curve_sections(store: Store, comparison: Comparison) -> Iterator[Section]:
    """The losses and held-out curves of one run of each configuration: of its first seed that went furthest."""
    runs = comparison.runs[comparison.runs["step"] > 0]
    furthest = runs.sort_values(["complete", "step", "seed"], ascending=[False, False, True], kind="stable")
    chosen = furthest.drop_duplicates("configuration").sort_index()
    left_out = len(chosen) - MOST_CURVES
    for number, run in enumerate(chosen.head(MOST_CURVES).to_dict("records")):
        text = words.CURVES_TEXT
        if left_out > 0 and number == MOST_CURVES - 1:
            text += words.not_drawn(left_out)
        tasks = ordered_tasks(comparison, run)
        run_id = run["run_id"]
        lines, curve, stages = lines_of(store.losses(run_id)), store.curve(run_id), store.stages(run_id)
        figure = loss_figure(lines, curve, stages, tasks)
        yield Section(words.losses_of(run_name(run)), text, figure, alt_text(figure), wide=True)


def machine_section(store: Store, comparison: Comparison) -> Section:
    """The machine that the runs were trained on: a row a fact, a column for each machine or version that differs."""
    of_runs: dict[tuple[str, ...], list[str]] = {}
    nodes: dict[tuple[str, ...], dict[str, None]] = {}
    environments = store.environments(comparison.runs["run_id"].tolist())
    for run in comparison.runs.to_dict("records"):
        if environment := environments[run["run_id"]]:
            facts = tuple(_fact(environment, name) for name in words.FACTS)
            of_runs.setdefault(facts, []).append(run_name(run))
            nodes.setdefault(facts, {})[_fact(environment, "node")] = None
    if not of_runs:
        return Section(words.MACHINE, words.NO_RUN_BEGUN)
    alone = len(of_runs) == 1
    text = words.SAME_MACHINE if alone else words.OTHER_MACHINES
    table = pd.DataFrame({"": [*words.FACTS.values(), words.NODE, words.RUNS]})
    for number, (facts, names) in enumerate(of_runs.items(), start=1):
        runs = words.all_runs(len(names)) if alone else "; ".join(names)
        table[words.trained_with(None if alone else number)] = [*facts, ", ".join(nodes[facts]), runs]
    return Section(words.MACHINE, text, table=table)


def _fact(environment: Mapping[str, Any], name: str) -> str:
    value = environment.get(name)
    return NOTHING if value is None else str(value)


def _fairness(comparison: Comparison) -> list[Section]:
    if not comparison.findings:
        return []
    judged = set(comparison.judged)
    used = all(run_id in judged for finding in comparison.findings for run_id in finding.run_ids)
    text = words.VERDICT_USES if used else words.VERDICT_LEAVES_OUT
    found = pd.DataFrame({words.WHAT_DIFFERS: [finding.text for finding in comparison.findings]})
    return [Section(words.UNFAIR_TITLE, text, table=found)]


def _relabelled(text: str, labels: Mapping[str, str]) -> str:
    for model in sorted(labels, key=len, reverse=True):
        if labels[model] != model:
            text = text.replace(model, labels[model])
    return text
