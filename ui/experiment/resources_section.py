"""What each run computes with: threads, and what it asks of a cluster."""

import streamlit as st

from engine.common.parameters import parameters_of
from engine.experiments.resources import Resources, check_gpus
from ui.experiment.draft import ExperimentDraft
from ui.widgets.forms import as_text, exact_value
from ui.widgets.text import plain

LABEL = "Where it runs"


def resources_section(draft: ExperimentDraft) -> None:
    """The fields, folded away; what is entered goes to the draft."""
    every = parameters_of(Resources)
    with st.expander(LABEL, icon=":material/memory:"):
        st.caption(
            "Nothing has to be set here. A number of CPUs makes runs compute with as many threads on a large machine "
            "as on a small one, and says how many of them fit on the machines of a cluster."
        )
        columns = st.columns(3, vertical_alignment="bottom")
        for declared, column in zip(every, columns, strict=True):
            with column:
                key = draft.key(f"resources_{declared.name}")
                draft.resources[declared.name] = exact_value(declared, draft.resources[declared.name], key)
        try:
            check_gpus(draft.resources["gpus"])
        except ValueError as error:
            st.error(plain(f"GPUs per run: {error}."), icon=":material/error:")
    changed = [each for each in every if draft.resources[each.name] != each.default]
    if changed:
        listed = "; ".join(f"{each.label}: {_words(draft.resources[each.name])}" for each in changed)
        st.caption(plain(f"Set for every run: {listed}"))


def _words(value: int | float | bool) -> str:
    return "no" if value is False else as_text(value)
