"""Rows that are ticked in the table: what is kept is ids, never the positions that the table reports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

_TICKED, _ROUND = "runs_ticked", "runs_round"


def ticked(shown: Sequence[str]) -> list[str]:
    """The ids that are ticked among those shown, in their order."""
    kept = st.session_state.get(_TICKED, frozenset())
    return [each for each in shown if each in kept]


def tick(ids: Iterable[str]) -> None:
    """Tick exactly these; the table is drawn afresh."""
    st.session_state[_TICKED] = frozenset(ids)
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1


def ticked_after(before: Iterable[str], shown: Sequence[str], positions: Iterable[int]) -> frozenset[str]:
    """The ticked ids once these positions of the shown rows are ticked; rows that are not shown keep their tick."""
    return frozenset(before) - frozenset(shown) | {shown[place] for place in positions if place < len(shown)}


def tick_table(view: pd.DataFrame, ids: Sequence[str], state: object, **options: Any) -> None:
    """Show `view`, whose rows are these ids, with the ticked ones ticked. `state` is another one whenever the rows show
    something else: the browser holds ticks by place, and another key makes another table, whose ticks are set from the
    ids."""
    shown = f"{list(ids)}{list(view.columns)}{state}{st.session_state.get(_ROUND, 0)}"
    key = f"runs_table_{hashlib.sha256(shown.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    kept = frozenset(st.session_state.get(_TICKED, ()))
    rows = [place for place, each in enumerate(ids) if each in kept]
    st.dataframe(
        view, key=key, hide_index=True, placeholder="–", on_select=_taker(key, tuple(ids)), selection_mode="multi-row",
        selection_default={"selection": {"rows": rows, "columns": [], "cells": []}}, **options,
    )  # fmt: skip


def _taker(key: str, ids: tuple[str, ...]) -> Callable[[], None]:
    """A callback that belongs to the very rows that the browser shows."""

    def take() -> None:
        positions = st.session_state[key]["selection"]["rows"]
        st.session_state[_TICKED] = ticked_after(st.session_state.get(_TICKED, ()), ids, positions)

    return take
