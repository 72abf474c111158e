"""What can be done with the ticked rows, in one line above the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from ui.compare.parts.run_choice import choose
from ui.manage import words as manage
from ui.manage.dialogs import do, show_dialog
from ui.runs import words
from ui.runs.ticks import tick
from ui.server import session
from ui.server.entrance import for_editors

if TYPE_CHECKING:
    from engine.housekeeping import Chosen

_KEY = "runs_actions"
_OF_ONE = (manage.RENAME, manage.DUPLICATE)


def action_line(rows: pd.DataFrame, ticked: Sequence[str], of_runs: bool, said: str, of_all: pd.DataFrame) -> None:
    """Say what is shown or ticked, and offer what can be done with it. `of_all` are all runs, of any grain."""
    chosen = rows[rows["id"].isin(list(ticked))]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=_KEY):
        _compare_button(chosen, of_runs, of_all)
        every_archived = len(chosen) > 0 and bool(chosen["archived"].all())
        archive = manage.UNARCHIVE if every_archived else manage.ARCHIVE
        for action in (manage.TAGS, manage.NOTES, manage.RENAME, manage.DUPLICATE, archive, manage.KEEP, manage.BIN):
            _button(action, chosen_of(ticked, of_runs), len(ticked))
        # At the right end, where the tools of the table cover it while the mouse is above the table.
        with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
            st.markdown(said, width="content")
            if len(ticked) < len(rows):
                if st.button(words.ALL_CHOSEN, key="runs_all", type="tertiary", help=words.ALL_HELP,
                             disabled=rows.empty):  # fmt: skip
                    tick(rows["id"])
                    st.rerun()
            elif st.button(words.NONE_CHOSEN, key="runs_none", type="tertiary", help=words.NONE_HELP,
                           disabled=rows.empty):  # fmt: skip
                tick(())
                st.rerun()
    show_dialog(_KEY, saved=lambda: None)


def chosen_of(ids: Sequence[str], of_runs: bool) -> Chosen:
    """The ticked rows of either grain."""
    from engine.housekeeping import Chosen

    return Chosen(runs=tuple(ids)) if of_runs else Chosen(tuple(ids))


def _button(action: str, chosen: Chosen, number: int) -> None:
    refused = words.CHOOSE_FIRST if not number else words.CHOOSE_ONE if action in _OF_ONE and number > 1 else ""
    if st.button(
        action, key=f"runs_do_{action}", icon=manage.ICONS[action],
        **for_editors(refused or manage.HELPS[action], disabled=bool(refused)),
    ):  # fmt: skip
        do(_KEY, action, chosen)


def _compare_button(chosen: pd.DataFrame, of_runs: bool, of_all: pd.DataFrame) -> None:
    if st.button(
        words.COMPARE, key="runs_compare", icon=":material/compare_arrows:", disabled=chosen.empty,
        help=words.CHOOSE_FIRST if chosen.empty else words.COMPARE_HELP,
    ):  # fmt: skip
        experiment_ids = [*dict.fromkeys(chosen["experiment_id"])]
        among = of_all.loc[of_all["experiment_id"].isin(experiment_ids), "run_id"].tolist()
        choose(chosen["id"].tolist() if of_runs else among, among)
        st.switch_page(session.COMPARE, query_params={"experiment": experiment_ids})
