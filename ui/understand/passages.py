"""What was lost on which document: the table, and one document token by token."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ui.understand import words
from ui.understand.token_colours import Pieces, document_html, legend_html, most_lost_html, scale_of
from ui.widgets.shown_text import BOX, on_one_line

MOST_ROWS = 1000
_BEGINNING = 160


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The documents as people read them, those that lost most first."""
    return pd.DataFrame(
        {
            words.DOCUMENT_TITLE: [on_one_line(" ".join(row["begins"].split()))[:_BEGINNING] for row in rows],
            words.LOST_TITLE: [row["lost"] for row in rows],
            words.BEFORE_TITLE: [row["before"] for row in rows],
            words.AFTER_TITLE: [row["after"] for row in rows],
            words.TOKENS_TITLE: [row["target_tokens"] for row in rows],
        }
    )


def show_table(rows: Sequence[Mapping[str, Any]], key: str, opened: int, on_select: Any) -> None:
    """The documents; `opened` is the number of the row that is chosen."""
    st.dataframe(
        table_of(rows[:MOST_ROWS]), key=key, hide_index=True, height=min(38 + 35 * len(rows), 460),
        on_select=on_select, selection_mode="single-row",
        selection_default={"selection": {"rows": [opened], "columns": [], "cells": []}},
        alt=words.DOCUMENTS_ALT,
        column_config={
            words.DOCUMENT_TITLE: st.column_config.TextColumn(width=150, help=words.DOCUMENT_HELP),
            **{
                title: st.column_config.NumberColumn(format=form, help=text, width=62)
                for title, (form, text) in words.DOCUMENT_COLUMNS.items()
            },
        },
    )  # fmt: skip
    worse = sum(row["lost"] > 0 for row in rows)
    st.caption(words.documents_lost(worse, len(rows), MOST_ROWS))


def show_document(row: Mapping[str, Any], pieces: Pieces) -> None:
    """One document, its tokens coloured by the change of their log-probability."""
    pieces = pieces[1:] if pieces and not pieces[0]["is_target"] else pieces  # the token that begins every document
    scale = scale_of(pieces)
    st.markdown(words.document_lost(row["document"] + 1, row["lost"], row["before"], row["after"]))
    st.html(legend_html(scale))
    st.html(f'<div style="{BOX};max-height:26rem;overflow:auto" tabindex="0">{document_html(pieces, scale)}</div>')
    lost = most_lost_html(pieces, scale)
    if lost:
        st.html(lost)
    with st.expander(words.TOKENS_AS_TABLE, icon=":material/table_rows:"):
        st.dataframe(pieces_table(pieces), key="understand_pieces", hide_index=True, height=360,
                     alt=words.TOKENS_ALT, column_config=_piece_columns())  # fmt: skip


def pieces_table(pieces: Pieces) -> pd.DataFrame:
    """One row a scored token, in the order of the text."""
    scored = [piece for piece in pieces if piece["is_target"]]
    return pd.DataFrame(
        {
            words.PIECE_TITLE: [on_one_line(piece["text"]) for piece in scored],
            words.CHANGE_TITLE: [piece["change"] for piece in scored],
            words.BEFORE_TITLE: [piece["before"] for piece in scored],
            words.AFTER_TITLE: [piece["after"] for piece in scored],
            words.INSTEAD_TITLE: [on_one_line(piece["instead"]) for piece in scored],
        }
    )


def _piece_columns() -> dict[str, Any]:
    return {
        words.PIECE_TITLE: st.column_config.TextColumn(help=words.PIECE_HELP),
        words.CHANGE_TITLE: st.column_config.NumberColumn(format="%+.2f", help=words.CHANGE_HELP),
        words.BEFORE_TITLE: st.column_config.NumberColumn(format="percent", help=words.PIECE_BEFORE_HELP),
        words.AFTER_TITLE: st.column_config.NumberColumn(format="percent", help=words.PIECE_AFTER_HELP),
        words.INSTEAD_TITLE: st.column_config.TextColumn(help=words.INSTEAD_HELP),
    }
