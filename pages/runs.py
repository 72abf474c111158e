"""Runs: all experiments and runs in one table, what is done with them, the bin, and the log of changes."""

from contextlib import suppress

import pandas as pd
import streamlit as st

from engine.common.errors import StoreError
from engine.housekeeping import overview
from engine.housekeeping.folder_sizes import FolderSizes
from engine.housekeeping.overview import Overview
from ui.adding.offer import add_task_button
from ui.runs import data, words
from ui.runs.action_line import action_line
from ui.runs.bin_view import show_bin, show_log
from ui.runs.choices import fitting
from ui.runs.detail import show_detail
from ui.runs.filters import clear, filters
from ui.runs.rows import column_config, columns_of, view_of
from ui.runs.ticks import tick_table, ticked
from ui.server import session
from ui.widgets.page_head import page_head

PENDING = ("running", "paused", "queued")
REFRESH_SECONDS, LOOK_SECONDS = 4.0, 1.0
ROW_PIXELS, FEWEST_ROWS, MOST_ROWS, MOST_ABOVE_ONE = 35, 3, 17, 10


def page() -> None:
    with page_head(words.TITLE):
        view = st.segmented_control(
            words.VIEW, words.VIEWS, default=words.EXPERIMENTS, key="runs_view", required=True, help=words.VIEW_HELP,
            label_visibility="collapsed", bind="query-params", persist_state="session",
        )  # fmt: skip
    session.runner()  # which empties the bin
    if view == words.BIN:
        show_bin()
    elif view == words.LOG:
        show_log()
    else:
        show_table(view == words.RUNS)


def show_table(of_runs: bool) -> None:
    store = session.store()
    seen = overview.outline(store)
    found, sizes = data.everything(seen), data.folder_sizes()
    if found.experiments.empty:
        show_empty()
        return
    data.look(sizes, found.runs)
    rows, known = data.rows(seen, of_runs)
    columns = columns_of(rows, of_runs)
    choices, shown_columns = filters(rows, columns)
    shown = fitting(rows, choices)
    ids = shown["id"].tolist()
    chosen = ticked(ids)
    action_line(shown, chosen, of_runs, in_words(shown, rows, chosen, found, sizes, of_runs), found.runs)
    if shown.empty:
        st.info(words.NOTHING_FITS, icon=":material/search_off:")
        if choices.narrows:
            st.button(words.SHOW_ALL, key="runs_show_all", help=words.SHOW_ALL_HELP, on_click=clear)
    else:
        view = view_of(shown, shown_columns, of_runs)
        most = MOST_ABOVE_ONE if len(chosen) == 1 else MOST_ROWS  # what is known of the one stands below
        height = ROW_PIXELS * (1 + min(max(len(view), FEWEST_ROWS), most)) + 3
        tick_table(
            view, ids, (seen, known), column_config=column_config(view), height=height,
            alt=words.ALL_RUNS if of_runs else words.ALL_EXPERIMENTS,
        )  # fmt: skip
    if len(chosen) == 1:
        show_detail(shown[shown["id"] == chosen[0]].to_dict("records")[0], found, of_runs, offer_task)
    if sizes.looking or known != sizes.changes:
        wait_for_sizes(sizes)
    if found.runs["status"].isin(PENDING).any():
        follow(seen)


def offer_task(experiment_id: str, run_id: str | None) -> None:
    """The way to one more task for what is chosen."""
    add_task_button(experiment_id, f"runs_add_task_{run_id or experiment_id}", run_id, is_quiet=True)


def show_empty() -> None:
    st.info(words.EMPTY, icon=":material/table_rows:")
    with st.container(horizontal=True):
        session.experiment_link(session.EXPERIMENT, None, words.SET_UP, ":material/science:")
        session.experiment_link(session.START, None, words.GO_TO_DEMO, ":material/play_circle:")


def in_words(
    shown: pd.DataFrame, rows: pd.DataFrame, chosen: list[str], found: Overview, sizes: FolderSizes, of_runs: bool
) -> str:
    """How many rows are shown, or ticked, and what they take on disk together."""
    ids = chosen or shown["id"].tolist()
    runs = ids if of_runs else found.runs.loc[found.runs["experiment_id"].isin(ids), "run_id"].tolist()
    taken = sizes.taken(runs)
    if chosen:
        return words.chosen(len(chosen), taken)
    return words.counted(len(shown), len(rows), "run" if of_runs else "experiment", taken)


@st.fragment(run_every=REFRESH_SECONDS)
def follow(seen: int) -> None:
    """Draw the page again once a run has changed its status or something was changed elsewhere, and only then."""
    with suppress(StoreError):  # which the whole page says
        if overview.outline(session.store()) == seen:
            return
    st.rerun()


@st.fragment(run_every=LOOK_SECONDS)
def wait_for_sizes(sizes: FolderSizes) -> None:
    """Draw the page again once the sizes are looked up."""
    if not sizes.looking:
        st.rerun()


page()
