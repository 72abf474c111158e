"""Compare: what each strategy kept and learnt, at what price and how surely, and what to take home."""

from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd
import streamlit as st

from engine.common.errors import StoreError
from engine.common.quoting import listed
from engine.results.fairness import PENDING
from engine.store import Store
from ui.adding.offer import experiment_menu
from ui.compare import words
from ui.compare.compared_runs import Comparison, Everything, run_name
from ui.compare.parts.download_buttons import offer_report, show_downloads
from ui.compare.parts.result import show_headline
from ui.compare.parts.run_choice import choose_runs, chosen_runs
from ui.compare.parts.score_choice import choose_score
from ui.compare.parts.section_tabs import Compared, show_tabs
from ui.compare.parts.shared import compared, everything
from ui.live import data
from ui.report.offer import offer_passages
from ui.report.sections import sections_of
from ui.report.told_runs import told_runs
from ui.server import session
from ui.widgets.page_head import page_head
from ui.widgets.text import plain

REFRESH_SECONDS = 4


def choose_experiments(experiments: pd.DataFrame) -> list[str]:
    """Which experiments to look at: those of the address first, else the newest."""
    names = _unique_names(experiments)
    wanted = [each for each in session.experiments_in_url() if each in names]
    chosen = st.multiselect(
        words.EXPERIMENTS,
        list(names),
        default=wanted or list(names)[:1],
        format_func=lambda each: names[each],
        key="compare_experiments",
        help=words.EXPERIMENTS_HELP,
        width=380,
    )
    return list(chosen)


def show_missing(experiments: pd.DataFrame) -> None:
    """Name what the address asks for and is not there."""
    there = set(experiments["experiment_id"])
    missing = [each for each in session.experiments_in_url() if each not in there]
    if missing:
        st.warning(words.not_found(plain(listed(missing))), icon=":material/search_off:")


def show_state(every: Everything) -> None:
    """Show what is still to come and what went wrong, in one line each."""
    statuses = every.runs["status"]
    pending = every.runs[statuses.isin(PENDING)]
    if len(pending):
        done = int(every.runs["complete"].astype(bool).sum())
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(words.partial(done, len(every.runs), _counted(pending["status"])), width="stretch")
            session.experiment_link(
                session.LIVE, str(pending.iloc[0]["experiment_id"]), words.WATCH, ":material/monitoring:"
            )
    for status, colour in (("failed", st.error), ("stopped", st.info)):
        gone = every.runs[statuses == status]
        if len(gone):
            reasons = [f"- {plain(run_name(run))}: {plain(run['reason'] or words.NO_REASON)}" for run in _dicts(gone)]
            colour(f"{words.gone(len(gone), status)}:\n" + "\n".join(reasons), icon=":material/error:")


def show_findings(comparison: Comparison) -> None:
    """Show in one line what the verdict leaves out, with the reasons folded beside the switch that lets it use them."""
    judge_all = bool(st.session_state.get("compare_judge_all"))
    if not comparison.findings and not judge_all:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if comparison.findings:
            left_out = len(comparison.runs) - len(comparison.judged)
            st.markdown(f":material/balance: {words.unfair(left_out)}")
            with st.popover(words.WHY, type="tertiary"):
                for finding in comparison.findings:
                    st.markdown(plain(finding.text))
        st.toggle(words.USE_ALL, key="compare_judge_all", help=words.USE_ALL_HELP)


@st.fragment(run_every=REFRESH_SECONDS)
def follow(experiment_ids: Sequence[str], seen: Hashable) -> None:
    """Draw the page again once a run has changed its status or finished a stage, and only then."""
    with suppress(StoreError):  # which the whole page says
        if data.reached(experiment_ids) == seen:
            return
    st.rerun()


def main() -> None:
    store = session.store()
    experiments = session.experiments_to_choose()
    if experiments.empty:
        page_head(words.TITLE)
        st.info(words.NOTHING_YET, icon=":material/compare_arrows:")
        with st.container(horizontal=True):
            session.experiment_link(session.EXPERIMENT, None, words.SET_UP, ":material/science:")
            session.experiment_link(session.START, None, words.DEMO, ":material/play_circle:")
        return
    with page_head(words.TITLE):
        head = st.container(
            horizontal=True, horizontal_alignment="right", vertical_alignment="bottom", gap="small", key="compare_head"
        )
    show_missing(experiments)
    with head:
        chosen = choose_experiments(experiments)
        score = choose_score(store, chosen)
    session.remember_in_url(*chosen)
    if not chosen:
        st.info(words.CHOOSE_ABOVE, icon=":material/arrow_upward:")
        return
    seen = data.reached(chosen)
    key, every = everything(store, chosen, score)
    if every.runs["status"].isin(PENDING).any():
        follow(chosen, seen)
    with head:
        choose_runs(every)
    show_comparison(store, key, every, head)
    if len(chosen) == 1:
        with head:
            experiment_menu(chosen[0], "compare_menu", saved=data.feed().look_again)


def show_comparison(store: Store, key: str, every: Everything, head: Any) -> None:
    run_ids = chosen_runs(list(every.runs["run_id"]))
    key, comparison = compared(key, every, run_ids, bool(st.session_state.get("compare_judge_all")))
    # Every part has a place of its own: what comes or goes above would move the controls below, which stand in both
    # places until all of the page is drawn again.
    state, result, findings = (st.container() for _ in range(3))
    tabs = st.container(key="compare_tabs")
    with state:
        show_state(every)
    if not run_ids:
        result.info(words.NO_RUN, icon=":material/check_box:")
        return

    def report_begins() -> Any:
        return sections_of(store, told_runs(store, comparison))

    def take_home() -> None:
        show_downloads(store, every, comparison, report_begins)
        offer_passages(store, told_runs(store, comparison))

    with head:
        offer_report(store, every, comparison, report_begins)
    with result:
        show_headline(comparison, lambda: _link_to_models(comparison))
    with findings:
        show_findings(comparison)
    with tabs:
        if comparison.matrix.empty:
            waits = comparison.runs["status"].isin(PENDING).any()
            icon = ":material/hourglass:" if waits else ":material/info:"
            st.info(words.NO_SCORES_YET if waits else words.NO_SCORES, icon=icon)
        show_tabs(Compared(store, key, every, comparison, take_home, _link_to_duplicate))


def _link_to_models(comparison: Comparison) -> None:
    if comparison.runs["complete"].astype(bool).any():
        session.experiment_link(
            session.UNDERSTAND, next(iter(comparison.experiments)), words.ASK, ":material/forum:", words.ASK_HELP
        )


def _link_to_duplicate(experiment_id: str, run_id: str) -> None:
    session.experiment_link(
        session.EXPERIMENT, experiment_id, words.DUPLICATE, ":material/content_copy:", words.DUPLICATE_HELP, run=run_id
    )


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
    named = {"queued": "waiting"}
    return ", ".join(f"{number} {named.get(str(status), status)}" for status, number in statuses.value_counts().items())


def _dicts(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


main()
