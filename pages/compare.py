"""Compare: what each strategy kept and lost, at what price, and what to take home."""

from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd
import streamlit as st

from engine.common.errors import StoreError
from engine.common.quoting import listed
from engine.results.clipping_words import clipping_sentences
from engine.results.comparison import configuration_differences
from engine.results.fairness import PENDING
from engine.store import Store
from figures.theme import SCORES, brief_labels
from ui.compare.beside import HELPS, TITLE, beside_view
from ui.compare.compared_runs import Comparison, Everything, compare, read, run_name
from ui.compare.parts.download_buttons import show_downloads
from ui.compare.parts.section_tabs import show_figures
from ui.compare.parts.run_choice import choice_table, choose, chosen_runs
from ui.compare.parts.score_choice import choose_score
from ui.compare.sections import front
from ui.compare.tables import (
    CLIPPED,
    CLIPPED_HELP,
    COST_HELPS,
    MAIN_MEASURES,
    MEASURE_COLUMNS,
    NOTHING,
    RUN_MEASURES,
    column_helps,
    runs_view,
    settings_view,
    summary_helps,
    summary_view,
    written_runs,
)
from ui.live import data
from ui.report.offer import offer_passages
from ui.report.sections import sections_of
from ui.report.told_runs import told_runs
from ui.server import session
from ui.widgets.tables import name_width, row_height
from ui.widgets.text import plain, plural

REFRESH_SECONDS = 4
STRATEGY_HELP = "With those settings that tell the runs of a strategy apart; all others stand below, under Settings."


def choose_experiments(experiments: pd.DataFrame) -> list[str]:
    """Which experiments to look at: those of the address first, else the newest."""
    names = _unique_names(experiments)
    wanted = [each for each in session.experiments_in_url() if each in names]
    missing = [each for each in session.experiments_in_url() if each not in names]
    if missing:
        st.warning(
            f"Not found here, perhaps deleted: {plain(listed(missing))}. Choose from the experiments below.",
            icon=":material/search_off:",
        )
    chosen = st.multiselect(
        "Experiments",
        list(names),
        default=wanted or list(names)[:1],
        format_func=lambda each: names[each],
        key="compare_experiments",
        help="Runs of several experiments can stand side by side; what makes them hard to compare is marked.",
    )
    session.remember_in_url(*chosen)
    return list(chosen)


def show_state(every: Everything) -> None:
    """Show what is still to come and what went wrong, in one line each."""
    statuses = every.runs["status"]
    pending = every.runs[statuses.isin(PENDING)]
    if len(pending):
        done = int(every.runs["complete"].astype(bool).sum())
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**Partial results.** {done} of {plural(len(every.runs), 'run')} complete; "
                f"{_counted(pending['status'])}. The page follows by itself.",
                width="stretch",
            )
            session.experiment_link(
                session.LIVE, str(pending.iloc[0]["experiment_id"]), "Watch it live", ":material/monitoring:"
            )
    for status, colour in (("failed", st.error), ("stopped", st.info)):
        gone = every.runs[statuses == status]
        if len(gone):
            reasons = [
                f"- {plain(run_name(run))}: {plain(run['reason'] or 'no reason is known')}" for run in _dicts(gone)
            ]
            colour(f"{plural(len(gone), 'run')} {status}:\n" + "\n".join(reasons), icon=":material/error:")


def show_verdict(comparison: Comparison) -> None:
    with st.container(border=True, key="compare_verdict"):
        first, *rest = comparison.verdict.sentences
        st.markdown(f"#### {plain(first)}")
        left_out = len(comparison.runs) - len(comparison.judged)
        if left_out:
            rest.append(f"{plural(left_out, 'run')} left out: not fairly comparable, see below the table of runs.")
        if rest:
            st.markdown(" ".join(plain(sentence) for sentence in rest))
        if comparison.runs["complete"].astype(bool).any():
            session.experiment_link(
                session.UNDERSTAND, next(iter(comparison.experiments)), "Ask the models, and read what they forgot",
                ":material/forum:", "Answers side by side, and the held-out documents that lost most.",
            )  # fmt: skip


def show_findings(comparison: Comparison) -> None:
    """Show what differs between the runs, beside the switch that was read before the comparison."""
    if comparison.findings:
        lines = "\n".join(f"- {plain(finding.text)}" for finding in comparison.findings)
        left_out = len(comparison.runs) - len(comparison.judged)
        use = f"leaves {plural(left_out, 'run')} out" if left_out else "uses them all the same"
        st.warning(
            f"Not all of these runs can be compared fairly; the verdict {use}:\n{lines}", icon=":material/balance:"
        )
    if comparison.findings or st.session_state.get("compare_judge_all"):
        st.toggle(
            "Let the verdict use them all the same",
            key="compare_judge_all",
            help="Off: runs that differ in more than their strategy are shown, but the verdict leaves them out.",
        )


def show_runs(every: Everything, comparison: Comparison) -> None:
    run_ids, marked = list(every.runs["run_id"]), every.unfair
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Runs", width="stretch", help="Tick the runs that tables, figures and verdict shall use.")
        fair = [run_id for run_id in run_ids if run_id not in marked]
        buttons = (
            ("All", run_ids, "Choose every run."),
            ("Finished", _ids(every.runs[every.runs["complete"].astype(bool)]), "Choose the runs that are complete."),
            ("Comparable", fair, "Choose the runs that can be compared fairly."),
        )
        for label, ids, text in buttons:
            st.button(label, key=f"compare_choose_{label}", help=text, on_click=choose, args=(ids, run_ids))
    view = runs_view(every.runs, marked, every.score)
    view["Strategy"] = view["Strategy"].map(brief_labels(view["Strategy"]))
    helps = column_helps(comparison.table, every.score, RUN_MEASURES) | COST_HELPS | {CLIPPED: CLIPPED_HELP}
    numbers = {title: st.column_config.NumberColumn(help=text) for title, text in helps.items()}
    strategy = st.column_config.TextColumn(pinned=True, width=name_width(view["Strategy"]), help=STRATEGY_HELP)
    differs = st.column_config.TextColumn(help="Why this run can't be compared fairly with most of these.")
    row = row_height(view["Strategy"])
    choice_table(
        view,
        run_ids,
        alt="The runs of the chosen experiments",
        written=written_runs(view, every.score),
        row_height=row,
        height=min(38 + row * len(view), 480),
        placeholder=NOTHING,
        column_config={"Strategy": strategy, "Differs in": differs, **numbers},
    )
    st.caption(f"{len(comparison.runs)} of {plural(len(run_ids), 'run')} chosen.")
    for sentence in clipping_sentences(comparison.runs):
        st.caption(plain(sentence))


def show_summary(every: Everything, comparison: Comparison) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Summary", width="stretch")
        more = st.toggle(
            "All measures", key="compare_all_measures", help="Also transfer, stability gap and intransigence."
        )
    measures = tuple(MEASURE_COLUMNS) if more else MAIN_MEASURES
    st.caption(
        f"{SCORES[comparison.score].title}: mean over seeds ± half the width of its 95% interval. "
        "A dash means that there is no value; the column's help says why."
    )
    view = summary_view(comparison.table, front(comparison), comparison.score, measures, comparison.verdict)
    view["Strategy"] = view["Strategy"].map(brief_labels(every.runs["configuration"]))
    st.dataframe(
        view,
        key="compare_summary",
        row_height=row_height(view["Strategy"]),
        height="content",
        hide_index=True,
        alt="Summary of each configuration over its seeds",
        column_config={
            "Strategy": st.column_config.TextColumn(
                pinned=True, width=name_width(view["Strategy"]), help=STRATEGY_HELP
            ),
            "Pareto front": st.column_config.TextColumn(
                help="yes: no other configuration both keeps more and learns better."
            ),
            "Seeds": st.column_config.TextColumn(help="How many seeds the means rest on, and which."),
            **_columns(column_helps(comparison.table, comparison.score, measures) | summary_helps()),
        },
    )


def show_beside(every: Everything, comparison: Comparison) -> None:
    view = beside_view(comparison.runs, comparison.beside.general, comparison.beside.guards, comparison.score)
    if view.empty:
        return
    st.subheader(TITLE, help="What the final models kept that no task trains on; means over seeds.")
    view["Strategy"] = view["Strategy"].map(brief_labels(every.runs["configuration"]))
    strategy = st.column_config.TextColumn(pinned=True, width=name_width(view["Strategy"]), help=STRATEGY_HELP)
    st.dataframe(
        view, key="compare_beside", hide_index=True, alt="The general text and the guards of each configuration",
        row_height=row_height(view["Strategy"]), column_config={"Strategy": strategy, **_columns(HELPS)},
    )  # fmt: skip


def show_differences(comparison: Comparison) -> None:
    st.subheader("Settings that differ", help="Settings that are equal in all chosen configurations are left out.")
    differences = configuration_differences(comparison.runs, comparison.experiments)
    if differences.empty:
        st.caption("The chosen runs differ in nothing but their seeds.")
        return
    st.dataframe(
        settings_view(differences),
        key="compare_differences",
        hide_index=True,
        alt="Settings in which the configurations differ",
        column_config={"Setting": st.column_config.TextColumn(pinned=True)},
    )


@st.fragment(run_every=REFRESH_SECONDS)
def follow(experiment_ids: Sequence[str], seen: Hashable) -> None:
    """Draw the page again once a run has changed its status or finished a stage, and only then."""
    with suppress(StoreError):  # which the whole page says
        if data.reached(experiment_ids) == seen:
            return
    st.rerun()


def main() -> None:
    st.title("Compare")
    store = session.store()
    experiments = store.experiments()
    if experiments.empty:
        st.info(
            "There is nothing to compare yet: an experiment with two strategies or more fills this page.",
            icon=":material/compare_arrows:",
        )
        with st.container(horizontal=True):
            session.experiment_link(session.EXPERIMENT, None, "Set up an experiment", ":material/science:")
            session.experiment_link(session.START, None, "Go to the demo", ":material/play_circle:")
        return
    left, right = st.columns([3, 1])
    with left:
        chosen = choose_experiments(experiments)
    with right:
        score = choose_score(store, chosen)
    if not chosen:
        st.info("Choose an experiment above.", icon=":material/arrow_upward:")
        return
    seen = data.reached(chosen)
    every = read(store, chosen, score)
    if every.runs["status"].isin(PENDING).any():
        follow(chosen, seen)
    show_comparison(store, every)


def show_comparison(store: Store, every: Everything) -> None:
    run_ids = chosen_runs(list(every.runs["run_id"]))
    comparison = compare(every, run_ids, bool(st.session_state.get("compare_judge_all")))
    # Every part has a place of its own: what comes or goes above would move the controls below, which stand in both
    # places until all of the page is drawn again.
    state, verdict, runs, findings, results, differences, downloads = (st.container() for _ in range(7))
    with state:
        show_state(every)
    with verdict:
        if run_ids:
            show_verdict(comparison)
    with runs:
        show_runs(every, comparison)
    with findings:
        show_findings(comparison)
    if not run_ids:
        results.info("No run is chosen: tick some in the table, or press All.", icon=":material/check_box:")
        return
    with results:
        show_results(every, comparison)
    with differences:
        show_differences(comparison)
    with downloads:
        told = told_runs(store, comparison)
        show_downloads(store, every, comparison, lambda: sections_of(store, told))
        offer_passages(store, told)


def show_results(every: Everything, comparison: Comparison) -> None:
    """Summary and figures, or why there are none."""
    if comparison.matrix.empty:
        waits = comparison.runs["status"].isin(PENDING).any()
        st.info(
            "No scores yet. They appear once the first run has scored the base model."
            if waits
            else "No scores: the chosen runs ended before the base model was scored.",
            icon=":material/hourglass:" if waits else ":material/info:",
        )
    else:
        show_summary(every, comparison)
        show_beside(every, comparison)
        show_figures(comparison)


def _unique_names(experiments: pd.DataFrame) -> dict[str, str]:
    """Names by id; where two experiments share one, with the time of creation and the id."""
    often = experiments["name"].value_counts()
    return {
        row["experiment_id"]: row["name"]
        if often[row["name"]] == 1
        else f"{row['name']} ({row['created_at']:%d %b %H:%M}, {row['experiment_id']})"
        for row in _dicts(experiments)
    }


def _counted(statuses: pd.Series) -> str:
    words = {"queued": "waiting"}
    return ", ".join(f"{number} {words.get(str(status), status)}" for status, number in statuses.value_counts().items())


def _columns(helps: dict[str, str]) -> dict[str, object]:
    return {title: st.column_config.TextColumn(help=text) for title, text in helps.items()}


def _ids(runs: pd.DataFrame) -> list[str]:
    return list(runs["run_id"])


def _dicts(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


main()
