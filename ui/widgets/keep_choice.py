"""The choice of the checkpoints that stay once a run has finished, and a word where one did not."""

import pandas as pd
import streamlit as st

from engine.experiments.kept_checkpoints import HELP, KEEPS, LABELS, MEANINGS, Keep
from ui.widgets import words
from ui.widgets.text import plain


def gone_note(stages: pd.DataFrame) -> str:
    """A sentence on the finished stages whose checkpoints were not kept, by the store's rows of stages; "" where all
    were."""
    finished = stages[stages["finished"].astype(bool)]
    gone = int(finished["checkpoint"].isna().sum())
    if not gone:
        return ""
    return words.checkpoints_gone(gone, len(finished))


def keep_choice(value: Keep, key: str, among: tuple[Keep, ...] = KEEPS) -> Keep:
    """Draw the choice, with the meaning of what is chosen below it; gives what is chosen."""
    chosen: Keep = st.selectbox(
        words.KEPT_CHECKPOINTS, among, index=among.index(value), format_func=LABELS.__getitem__, key=key,
        help=HELP + "".join(f"\n- **{LABELS[each]}**: {MEANINGS[each]}" for each in among),
    )  # fmt: skip
    st.caption(plain(MEANINGS[chosen]))
    return chosen
