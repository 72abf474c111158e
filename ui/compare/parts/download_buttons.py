"""The compare page's buttons for what a user takes away."""

from collections.abc import Callable, Iterable

import streamlit as st

from engine.store import Store
from figures.report import Section
from ui.compare import words
from ui.compare.compared_runs import Comparison, Everything, run_name
from ui.compare.downloads import (
    checkpoint_file,
    checkpoint_name,
    differences_file,
    experiment_file,
    file_name,
    kept_checkpoints,
    report_file,
    results_file,
    scores_file,
)
from ui.widgets.keep_choice import gone_note


def offer_report(
    store: Store, every: Everything, comparison: Comparison, first: Callable[[], Iterable[Section]]
) -> None:
    """The report as the page's main button."""
    _offer(
        words.REPORT, report_file(store, comparison, first), file_name(_title(every), " · report.html"), "text/html",
        words.REPORT_HELP, "report", primary=True,
    )  # fmt: skip


def show_downloads(
    store: Store, every: Everything, comparison: Comparison, first: Callable[[], Iterable[Section]] = tuple
) -> None:
    """Draw them; `first` gives sections that the report begins with."""
    offer_checkpoint(store, every, comparison)
    ids, name = list(every.experiments), _title(every)
    with st.container(horizontal=True):
        _offer(words.REPORT_FILE, report_file(store, comparison, first), file_name(name, " · report.html"), "text/html",
               words.REPORT_HELP)  # fmt: skip
        _offer(words.SCORES_FILE, scores_file(store, ids), file_name(name, " · scores.csv"), "text/csv",
               words.SCORES_FILE_HELP)  # fmt: skip
        if comparison.verdict.differences:
            _offer(
                words.DIFFERENCES_FILE,
                differences_file(comparison),
                file_name(name, " · differences.csv"),
                "text/csv",
                words.DIFFERENCES_FILE_HELP,
            )
        _offer(words.RESULTS_FILE, results_file(store, ids), file_name(name, " · results.json"), "application/json",
               words.RESULTS_FILE_HELP)  # fmt: skip
        for experiment_id, experiment in every.experiments.items():
            label = words.experiment_file(None if len(ids) == 1 else experiment.name)
            _offer(label, experiment_file(experiment), file_name(experiment.name, ".yaml"), "application/yaml",
                   words.EXPERIMENT_FILE_HELP, experiment_id)  # fmt: skip


def offer_checkpoint(store: Store, every: Everything, comparison: Comparison) -> None:
    """The weights of one run after one stage; what kept most is chosen first."""
    kept = kept_checkpoints(every.stages)
    runs = every.runs[every.runs["run_id"].isin(kept["run_id"])]
    not_kept = gone_note(every.stages)
    if runs.empty:
        st.info(not_kept or words.CHECKPOINTS_TO_COME, icon=":material/save:")
        return
    if not_kept:
        st.caption(not_kept)
    names = {run["run_id"]: run_name(run) for run in runs.to_dict("records")}
    if comparison.best_run in names:
        names[comparison.best_run] += words.KEPT_MOST
    options = sorted(names, key=lambda run_id: run_id != comparison.best_run)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run_id = st.selectbox(
            words.CHECKPOINT, options, format_func=lambda each: names[each], key="compare_checkpoint_run",
            width="stretch",
            help=words.CHECKPOINT_HELP,
        )  # fmt: skip
        stages = kept[kept["run_id"] == run_id].sort_values("stage", ascending=False)
        tasks = {int(row.stage): f"{row.stage} · {row.task}" for row in stages.itertuples()}
        stage = st.selectbox(
            words.AFTER_STAGE,
            list(tasks),
            format_func=lambda each: tasks[each],
            key=f"compare_checkpoint_stage_{run_id}",
            width=260,
            help=words.AFTER_STAGE_HELP,
        )
        chosen = stages[stages["stage"] == stage].iloc[0]
        run = runs[runs["run_id"] == run_id].iloc[0]
        name = checkpoint_name(run["experiment"], run["label"], int(run["seed"]), int(stage))
        _offer(words.model_file(chosen["bytes"]),
               checkpoint_file(store, run_id, int(stage), chosen["checkpoint"], name), f"{name}.zip", "application/zip",
               words.MODEL_FILE_HELP,
               f"{run_id}_{stage}")  # fmt: skip


def _offer(
    label: str, data: Callable[[], bytes], name: str, mime: str, text: str, key: str = "", primary: bool = False
) -> None:
    st.download_button(
        label,
        data,
        file_name=name,
        mime=mime,
        key=f"compare_download_{key or name}",
        on_click="ignore",
        help=text,
        type="primary" if primary else "secondary",
        icon=":material/download:",
    )


def _title(every: Everything) -> str:
    first, *others = [experiment.name for experiment in every.experiments.values()]
    return words.and_more(first, len(others)) if others else first
