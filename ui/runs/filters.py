"""The controls above the table; the page's address holds their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui.runs import words
from ui.runs.choices import ORDERS, Choices
from ui.runs.rows import USUAL
from ui.runs.words import NEWEST

SEARCH, STATUS, TAG, MODEL, ARCHIVED, ORDER, COLUMNS = (
    f"runs_{name}" for name in ("search", "status", "tag", "model", "archived", "order", "columns")
)
_ADDRESS: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}


def filters(rows: pd.DataFrame, columns: Sequence[str]) -> tuple[Choices, list[str]]:
    """Show the controls; gives what is searched for, and the columns to show."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs_filters"):
        search = st.text_input(
            words.SEARCH, key=SEARCH, help=words.SEARCH_HELP, placeholder=words.SEARCH_PLACEHOLDER, type="search",
            live=True, icon=":material/search:", width=230, label_visibility="collapsed", **_ADDRESS,
        )  # fmt: skip
        statuses = _several(words.STATUS, STATUS, words.STATUS_HELP, [*words.STATUSES], format_func=_word_of)
        tags = sorted({tag for own in rows["tags"] for tag in own}, key=str.casefold)
        chosen_tags = _several(words.TAG, TAG, words.TAG_HELP, tags)
        models = _several(words.MODEL, MODEL, words.MODEL_HELP, sorted(set(rows["model"])))
        order = st.selectbox(
            words.SORT, ORDERS, key=ORDER, help=words.SORT_HELP, width=160, label_visibility="collapsed", **_ADDRESS,
        )  # fmt: skip
        with st.popover(words.COLUMNS, icon=":material/view_column:", help=words.COLUMNS_HELP):
            shown = st.pills(
                words.COLUMNS_SHOWN, columns[1:], selection_mode="multi", key=f"{COLUMNS}_{columns[1].lower()}",
                default=[name for name in columns[1:] if name in USUAL], help=words.COLUMNS_HELP,
                persist_state="session",
            )  # fmt: skip
        archived = st.toggle(words.ARCHIVED, key=ARCHIVED, help=words.ARCHIVED_HELP, **_ADDRESS)
    choices = Choices(search or "", tuple(statuses), tuple(chosen_tags), tuple(models), archived, order or NEWEST)
    return choices, [columns[0], *shown]


def clear() -> None:
    """Search for nothing."""
    st.session_state[SEARCH] = ""
    for key in (STATUS, TAG, MODEL):
        st.session_state[key] = []


def _several(label: str, key: str, help: str, options: Sequence[str], **how: Any) -> list[str]:
    return st.multiselect(
        label, options, key=key, help=help, placeholder=words.any_of(label), width=145, label_visibility="collapsed",
        **_ADDRESS, **how,
    )  # fmt: skip


def _word_of(status: str) -> str:
    return words.STATUSES[status].split(" ", 1)[1]
