"""The choice of the general text: the one that comes with the project, a task's training text, or none."""

from collections.abc import Mapping

import streamlit as st

from engine.tasks.spec import TaskSpec
from ui.drafts.draft import FILE, NONE, SHIPPED, TASK, Choice, ExperimentDraft
from ui.widgets.text import plain

LABEL = "General text"
_TITLES = {SHIPPED: "The one that comes with Palimpsest (English)", NONE: "None"}


def general_choice(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> None:
    """A field for the general text; what is chosen goes to the draft."""
    texts = draft.generals(known)
    choices = list(texts)

    def title(choice: Choice) -> str:
        text = texts[choice]
        if choice in _TITLES or text is None:
            return _TITLES[choice]
        return f"From the loaded file: {text.name}" if choice == FILE else f"Task: {text.name}"

    chosen = st.selectbox(
        LABEL, choices, choices.index(draft.general) if draft.general in texts else None, key=draft.key("general"),
        placeholder="Choose a text", format_func=title,
        help="A text of the Tasks page, of which the training documents are read. Nothing is trained on it.",
    )  # fmt: skip
    if chosen is not None:
        draft.general = chosen
    kind, name = draft.general
    if draft.general not in texts:
        st.warning(f"No longer in the library: {plain(name)}.", icon=":material/warning:")
    elif kind == TASK and name in draft.task_names:
        st.warning(
            f"{plain(name)} is a task of this experiment, and no task may touch the general text: choose another one.",
            icon=":material/warning:",
        )
    elif draft.general == NONE:
        st.caption("What a model loses beside its tasks is not measured.")
    else:
        st.caption("No task touches it: its score and its KL from the base model say what is lost beside the tasks.")
