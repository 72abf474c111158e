"""The choice of the checkpoints that stay once a run has finished, and a word where one did not."""

import pandas as pd
import streamlit as st

from engine.experiments.kept_checkpoints import HELP, KEEPS, LABELS, MEANINGS, Keep
from ui.widgets.text import plain

CHOICE = "Checkpoints to keep"
NOT_KEPT = (
    "This checkpoint was not kept: the experiment says that fewer stay once a run has finished, or somebody chose to "
    "keep less. Training the run again brings it back."
)


def gone_note(stages: pd.DataFrame) -> str:
    """A sentence on the finished stages whose checkpoints were not kept, by the store's rows of stages; "" where all
    were."""
    finished = stages[stages["finished"].astype(bool)]
    gone = int(finished["checkpoint"].isna().sum())
    if not gone:
        return ""
    return (
        f"{gone:,} of {len(finished):,} checkpoints were not kept: the experiment says that fewer stay once a run has "
        "finished, or somebody chose to keep less. Training these runs again brings them back."
    )


def keep_choice(value: Keep, key: str, among: tuple[Keep, ...] = KEEPS) -> Keep:
    """Draw the choice, with the meaning of what is chosen below it; gives what is chosen."""
    chosen: Keep = st.selectbox(
        CHOICE, among, index=among.index(value), format_func=LABELS.__getitem__, key=key,
        help=HELP + "".join(f"\n- **{LABELS[each]}**: {MEANINGS[each]}" for each in among),
    )  # fmt: skip
    st.caption(plain(MEANINGS[chosen]))
    return chosen
