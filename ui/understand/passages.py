"""What was lost on which document: the table, and one document token by token."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from engine.common.numerals import written
from ui.understand.token_colours import Pieces, document_html, legend_html, most_lost_html, scale_of
from ui.widgets.shown_text import BOX, on_one_line
from ui.widgets.text import plural

MOST_ROWS = 1000
_BEGINNING = 160
_UNIT = "in bits per byte of the text"
COLUMNS = {
    "Lost": ("%+.3f", f"Change from before to after, {_UNIT}: above 0 the later model is worse."),
    "Before": ("%.3f", f"Of the earlier model, {_UNIT}."),
    "After": ("%.3f", f"Of the later model, {_UNIT}."),
    "Tokens": ("%d", "Tokens that are scored; what is only read is not."),
}


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The documents as people read them, those that lost most first."""
    return pd.DataFrame(
        {
            "Document": [on_one_line(" ".join(row["begins"].split()))[:_BEGINNING] for row in rows],
            "Lost": [row["lost"] for row in rows],
            "Before": [row["before"] for row in rows],
            "After": [row["after"] for row in rows],
            "Tokens": [row["target_tokens"] for row in rows],
        }
    )


def show_table(rows: Sequence[Mapping[str, Any]], key: str, opened: int, on_select: Any) -> None:
    """The documents; `opened` is the number of the row that is chosen."""
    st.dataframe(
        table_of(rows[:MOST_ROWS]), key=key, hide_index=True, height=min(38 + 35 * len(rows), 460),
        on_select=on_select, selection_mode="single-row",
        selection_default={"selection": {"rows": [opened], "columns": [], "cells": []}},
        alt="Held-out documents, those that lost most first",
        column_config={
            "Document": st.column_config.TextColumn(width=150, help="How it begins, its prompt included."),
            **{
                title: st.column_config.NumberColumn(format=form, help=text, width=62)
                for title, (form, text) in COLUMNS.items()
            },
        },
    )  # fmt: skip
    worse = sum(row["lost"] > 0 for row in rows)
    left_out = f" The first {MOST_ROWS:,} are shown." if len(rows) > MOST_ROWS else ""
    st.caption(
        f"{worse:,} of {plural(len(rows), 'held-out document')} lost; values in bits per byte.{left_out} "
        "Select one to open it."
    )


def show_document(row: Mapping[str, Any], pieces: Pieces) -> None:
    """One document, its tokens coloured by the change of their log-probability."""
    pieces = pieces[1:] if pieces and not pieces[0]["is_target"] else pieces  # the token that begins every document
    scale = scale_of(pieces)
    word = "lost" if row["lost"] > 0 else "gained"
    st.markdown(
        f"**Document {row['document'] + 1}** {word} {written(abs(row['lost']), '.3f')} bits per byte: "
        f"{written(row['before'], '.3f')} → {written(row['after'], '.3f')}"
    )
    st.html(legend_html(scale))
    st.html(f'<div style="{BOX};max-height:26rem;overflow:auto" tabindex="0">{document_html(pieces, scale)}</div>')
    lost = most_lost_html(pieces, scale)
    if lost:
        st.html(lost)
    with st.expander("All tokens as a table", icon=":material/table_rows:"):
        st.dataframe(pieces_table(pieces), key="understand_pieces", hide_index=True, height=360,
                     alt="Tokens of the document with their probabilities", column_config=_piece_columns())  # fmt: skip


def pieces_table(pieces: Pieces) -> pd.DataFrame:
    """One row a scored token, in the order of the text."""
    scored = [piece for piece in pieces if piece["is_target"]]
    return pd.DataFrame(
        {
            "Token": [on_one_line(piece["text"]) for piece in scored],
            "Change": [piece["change"] for piece in scored],
            "Before": [piece["before"] for piece in scored],
            "After": [piece["after"] for piece in scored],
            "Instead": [on_one_line(piece["instead"]) for piece in scored],
        }
    )


def _piece_columns() -> dict[str, Any]:
    return {
        "Token": st.column_config.TextColumn(help="As the tokenizer cuts the text."),
        "Change": st.column_config.NumberColumn(format="%+.2f", help="Of the log-probability, in nats."),
        "Before": st.column_config.NumberColumn(format="percent", help="Probability under the earlier model."),
        "After": st.column_config.NumberColumn(format="percent", help="Probability under the later model."),
        "Instead": st.column_config.TextColumn(help="What the later model would have written here."),
    }
