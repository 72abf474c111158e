"""The bin and the log of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from engine.common.errors import PalimpsestError
from ui.runs import words
from ui.server import actions, entrance, session
from ui.widgets.text import plain

if TYPE_CHECKING:
    from engine.housekeeping.wastebin import Binned

_ASKED = "runs_asked_to_empty"


def show_bin() -> None:
    """What is in the bin, who put it there, when it goes, and what emptying it frees."""
    from engine.housekeeping import wastebin

    store = session.store()
    binned = wastebin.contents(store)
    if not binned:
        st.session_state.pop(_ASKED, None)
        st.info(words.BIN_EMPTY, icon=":material/delete:")
        return
    taken, frees = wastebin.sizes(store, [run_id for each in binned for run_id in each.run_ids])
    line = st.container(horizontal=True, vertical_alignment="center", gap="small")
    line.markdown(words.bin_frees(len(binned), taken, frees), width="content")
    buttons = line.container(horizontal=True, horizontal_alignment="right", gap="small")
    view = _without_nobody(pd.DataFrame([_row(each) for each in binned]), "By")
    selected = st.dataframe(
        view, key=f"runs_bin_{hash(tuple(each.thing for each in binned))}", hide_index=True, on_select="rerun",
        selection_mode="multi-row", alt=words.BIN_ALT,
        column_config={
            name: st.column_config.DatetimeColumn(format=words.MOMENT) for name in (words.MOVED_HERE, words.DELETED_ON)
        } | {"MB": st.column_config.NumberColumn(format="%.1f", help=words.COLUMN_HELPS["MB"])},
    )  # fmt: skip
    _buttons(buttons, [binned[place] for place in selected["selection"]["rows"]], len(binned), frees)


def _row(binned: Binned) -> dict[str, object]:
    from engine.housekeeping import wastebin

    taken, _ = wastebin.sizes(session.store(), binned.run_ids)
    return {
        "What": binned.thing.kind, "Name": binned.thing.name, "Runs": len(binned.run_ids), "MB": taken / 1e6,
        words.MOVED_HERE: pd.Timestamp(binned.deleted_at, unit="s", tz="UTC"),
        words.DELETED_ON: pd.Timestamp(binned.goes_at, unit="s", tz="UTC"), "By": binned.visitor,
    }  # fmt: skip


def _buttons(place: st.delta_generator.DeltaGenerator, chosen: list[Binned], entries: int, frees: int) -> None:
    help_text = words.RESTORE_HELP if chosen else words.CHOOSE_FIRST
    if place.button(
        words.RESTORE, key="runs_restore", icon=":material/restore_from_trash:",
        **entrance.for_editors(help_text, disabled=not chosen),
    ):  # fmt: skip
        _restore(chosen)
    if place.button(
        words.EMPTY_NOW, key="runs_empty", icon=":material/delete_forever:", **entrance.for_editors(words.EMPTY_HELP)
    ):
        st.session_state[_ASKED] = True
    if st.session_state.get(_ASKED):
        st.dialog(words.EMPTY_NOW, on_dismiss=_forget_asked)(_confirm)(entries, frees)


def _restore(chosen: list[Binned]) -> None:
    from engine.housekeeping import Chosen

    every = [each.chosen for each in chosen]
    try:
        actions.restore(
            Chosen(tuple(i for each in every for i in each.experiments), tuple(i for each in every for i in each.runs))
        )
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")
    else:
        st.toast(words.RESTORED, icon=":material/restore_from_trash:")
        st.rerun()


def _confirm(entries: int, frees: int) -> None:
    st.markdown(words.ask_to_empty(entries, frees))
    if st.button(
        words.EMPTY_FOR_GOOD, key="runs_empty_for_good", type="primary", icon=":material/delete_forever:",
        **entrance.for_editors(words.EMPTY_FOR_GOOD_HELP),
    ):  # fmt: skip
        try:
            freed = actions.empty_bin()
        except PalimpsestError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            _forget_asked()
            st.toast(words.emptied(freed), icon=":material/delete_forever:")
            st.rerun()


def _forget_asked() -> None:
    st.session_state.pop(_ASKED, None)


def show_log() -> None:
    """Who changed what, the newest first."""
    from engine.housekeeping import changes

    found = changes.history(session.store())
    if not found:
        st.info(words.LOG_EMPTY, icon=":material/history:")
        return
    st.caption(words.LOG_HELP)
    rows = [
        {
            "When": pd.Timestamp(each.at, unit="s", tz="UTC"), "Who": each.visitor, "Did": each.action,
            "What": each.thing.kind, "Name": each.thing.name,
        }
        for each in found
    ]  # fmt: skip
    st.dataframe(
        _without_nobody(pd.DataFrame(rows), "Who"), key="runs_log", hide_index=True, alt=words.LOG_ALT,
        column_config={"When": st.column_config.DatetimeColumn(format=words.MOMENT_IN_FULL, width=170)},
    )  # fmt: skip


def _without_nobody(view: pd.DataFrame, column: str) -> pd.DataFrame:
    """The table without its column of visitors where it names none, as where nobody logs in."""
    return view if view[column].astype(bool).any() else view.drop(columns=column)
