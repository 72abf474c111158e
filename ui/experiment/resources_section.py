"""What each run computes with: threads, and what it asks of a cluster."""

import streamlit as st

from engine.common.parameters import parameters_of
from engine.experiments.kept_checkpoints import HELP, KEEPS, LABELS, MEANINGS
from engine.experiments.resources import Resources, check_gpus
from ui.drafts.draft import ExperimentDraft
from ui.experiment import words
from ui.widgets.forms import as_text, exact_value, folding
from ui.widgets.text import plain

LABEL = words.RESOURCES


def resources_section(draft: ExperimentDraft) -> None:
    """The fields, folded away and drawn once they are opened; what is entered goes to the draft."""
    every = parameters_of(Resources)
    changed = [
        plain(f"{each.label}: {_words(draft.resources[each.name])}")
        for each in every
        if draft.resources[each.name] != each.default
    ]
    if draft.checkpoints != "all":
        changed.append(plain(LABELS[draft.checkpoints]))
    folded = folding(LABEL, draft.key("resources"), changed or [words.THIS_MACHINE], icon=":material/memory:")
    if not folded.open:
        return
    with folded:
        st.caption(words.ABOUT_RESOURCES)
        columns = st.columns(3, vertical_alignment="bottom")
        for declared, column in zip(every, columns, strict=True):
            with column:
                key = draft.key(f"resources_{declared.name}")
                draft.resources[declared.name] = exact_value(declared, draft.resources[declared.name], key)
        draft.checkpoints = st.selectbox(
            words.CHECKPOINTS, KEEPS, KEEPS.index(draft.checkpoints), key=draft.key("checkpoints"),
            format_func=lambda keep: f"{LABELS[keep]}. {MEANINGS[keep]}", help=HELP,
        )  # fmt: skip
        try:
            check_gpus(draft.resources["gpus"])
        except ValueError as error:
            st.error(plain(words.gpus(error)), icon=":material/error:")


def _words(value: int | float | bool) -> str:
    return words.NO if value is False else as_text(value)
