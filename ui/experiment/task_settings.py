"""The epochs and the learning rate that tasks of the experiment have of their own."""

import streamlit as st

from engine.common.overrides import Overrides
from engine.common.parameters import parameters_of
from ui.experiment.draft import ExperimentDraft
from ui.widgets.forms import exact_value
from ui.widgets.text import plain


def task_settings(draft: ExperimentDraft) -> None:
    """A row of fields for each chosen task, folded away; what is entered goes to the draft."""
    with st.expander("Epochs and learning rate of single tasks", icon=":material/tune:"):
        st.caption("A task's own value goes before a strategy's, and that before the training settings.")
        for number, name in enumerate(draft.task_names, start=1):
            about, *columns = st.columns([2, 1, 1], vertical_alignment="bottom")
            about.markdown(f"{number}. {plain(name)}")
            values = draft.task_overrides.setdefault(name, {})
            for declared, column in zip(parameters_of(Overrides), columns, strict=True):
                with column:
                    key = draft.key(f"own_{declared.name}_{name}")
                    values[declared.name] = exact_value(declared, values.get(declared.name), key)
