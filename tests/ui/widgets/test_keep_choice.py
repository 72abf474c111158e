"""The choice of checkpoints says what each leaves, and a note says what was not kept."""

import pandas as pd
from streamlit.testing.v1 import AppTest

from engine.experiments.kept_checkpoints import LABELS, MEANINGS
from ui.widgets.keep_choice import gone_note


def script() -> None:
    import streamlit as st

    from ui.widgets.keep_choice import keep_choice

    st.write(f"kept: {keep_choice('last', 'test_keep', among=('last', 'none'))}")


def test_what_is_chosen_is_explained_below_and_all_of_it_in_the_help() -> None:
    app = AppTest.from_function(script, default_timeout=60).run()
    box = app.selectbox(key="test_keep")
    assert box.options == [LABELS["last"], LABELS["none"]]
    assert all(MEANINGS[each] in box.help for each in ("last", "none"))
    box.select("none").run()
    assert app.markdown[0].value == "kept: none"
    assert "no model" in app.caption[0].value


def stages(*checkpoints: str | None) -> pd.DataFrame:
    return pd.DataFrame([{"checkpoint": each, "finished": each != "running"} for each in checkpoints])


def test_a_note_counts_the_finished_stages_whose_checkpoints_are_gone() -> None:
    assert gone_note(stages("a", "b")) == ""
    assert gone_note(stages()[:0].reindex(columns=["checkpoint", "finished"])) == ""
    assert gone_note(stages("a", None, None, "running")).startswith("2 of 3 checkpoints were not kept")
