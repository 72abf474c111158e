"""Choosing the runs that are compared: what is kept is run ids, never the row positions that the table reports."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from figures.theme import brief_labels
from ui.compare import table_words, words
from ui.compare.compared_runs import Everything
from ui.compare.tables import about_runs
from ui.widgets.tables import name_width, row_height

LEFT_OUT = "compare_left_out"
_ROUND = "compare_runs_round"


def choose_runs(every: Everything) -> None:
    """The choice, folded: which runs there are, three ways to tick many at once, and a table to tick any."""
    run_ids = list(every.runs["run_id"])
    label = words.runs_chosen(len(chosen_runs(run_ids)), len(run_ids))
    folded = st.popover(label, icon=":material/checklist:", help=words.RUNS_HELP, key="compare_runs", on_change="rerun")
    if not folded.open:
        return
    with folded:
        marked = every.unfair
        with st.container(horizontal=True):
            complete = list(every.runs.loc[every.runs["complete"].astype(bool), "run_id"])
            fair = [run_id for run_id in run_ids if run_id not in marked]
            for name, ids, text in (
                (words.ALL, run_ids, words.ALL_HELP),
                (words.FINISHED, complete, words.FINISHED_HELP),
                (words.COMPARABLE, fair, words.COMPARABLE_HELP),
            ):
                st.button(name, key=f"compare_choose_{name}", help=text, on_click=choose, args=(ids, run_ids))
        view = about_runs(every.runs, marked)
        view[table_words.STRATEGY] = view[table_words.STRATEGY].map(brief_labels(view[table_words.STRATEGY]))
        height = row_height(view[table_words.STRATEGY])
        choice_table(
            view,
            run_ids,
            alt=words.RUNS_ALT,
            row_height=height,
            height=min(40 + height * len(view), 420),
            width=560,
            column_config={
                table_words.STRATEGY: st.column_config.TextColumn(
                    width=name_width(view[table_words.STRATEGY]), help=words.STRATEGY_HELP
                ),
                table_words.DIFFERS_IN: st.column_config.TextColumn(help=words.DIFFERS_HELP),
            },
        )


def chosen_runs(run_ids: Sequence[str]) -> list[str]:
    """The ids that the user has not left out; runs that are new are chosen."""
    left_out = st.session_state.get(LEFT_OUT, frozenset())
    return [run_id for run_id in run_ids if run_id not in left_out]


def choose(run_ids: Collection[str], among: Collection[str]) -> None:
    """Choose exactly `run_ids` among those shown; the table is drawn afresh with these rows ticked."""
    st.session_state[LEFT_OUT] = left_out_after(st.session_state.get(LEFT_OUT, frozenset()), among, run_ids)
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def left_out_after(left_out: Collection[str], shown: Collection[str], chosen: Collection[str]) -> frozenset[str]:
    """The runs that are left out once `chosen` of the `shown` ones are ticked; runs not shown keep their place."""
    return frozenset(left_out) - frozenset(shown) | (frozenset(shown) - frozenset(chosen))


def choice_table(view: pd.DataFrame, run_ids: Sequence[str], alt: str, **options: Any) -> None:
    """Show `view`, whose rows are the runs `run_ids`, with the chosen ones ticked."""
    key = table_key(view, run_ids)
    chosen = set(chosen_runs(run_ids))
    ticked = [position for position, run_id in enumerate(run_ids) if run_id in chosen]
    st.dataframe(
        view,
        key=key,
        hide_index=True,
        on_select=_taker(key, tuple(run_ids)),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": ticked, "columns": [], "cells": []}},
        alt=alt,
        **options,
    )


def _taker(key: str, run_ids: tuple[str, ...]) -> Callable[[], None]:
    """A callback that belongs to the very rows that the browser shows, so that a position means what was clicked."""

    def take() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        chosen = {run_ids[row] for row in rows if row < len(run_ids)}
        st.session_state[LEFT_OUT] = left_out_after(st.session_state.get(LEFT_OUT, frozenset()), run_ids, chosen)

    return take


def table_key(view: pd.DataFrame, run_ids: Sequence[str]) -> str:
    """A key that changes with everything the table shows.

    The browser holds ticks by the place at which a row is shown and does not move them when other rows, columns or
    values change the order of a sorted table. Another key makes another table, whose ticks are set from the ids.
    """
    shown = f"{list(run_ids)}{view.to_csv(index=False)}"
    digest = hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"compare_runs_{digest}_{st.session_state.get(_ROUND, 0)}"
