"""The choice of the checkpoints that stay once a run has finished."""

import streamlit as st

from engine.experiments.kept_checkpoints import HELP, KEEPS, LABELS, MEANINGS, Keep
from ui.widgets.text import plain

CHOICE = "Checkpoints to keep"


def keep_choice(value: Keep, key: str, among: tuple[Keep, ...] = KEEPS) -> Keep:
    """Draw the choice, with the meaning of what is chosen below it; gives what is chosen."""
    chosen: Keep = st.selectbox(
        CHOICE, among, index=among.index(value), format_func=LABELS.__getitem__, key=key,
        help=HELP + "".join(f"\n- **{LABELS[each]}**: {MEANINGS[each]}" for each in among),
    )  # fmt: skip
    st.caption(plain(MEANINGS[chosen]))
    return chosen
