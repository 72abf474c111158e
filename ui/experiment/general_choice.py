"""The choice of the general text: the one that comes with the project, a task's training text, or none."""

from collections.abc import Mapping

import streamlit as st

from engine.tasks.spec import TaskSpec
from ui.drafts.draft import FILE, NONE, SHIPPED, TASK, Choice, ExperimentDraft
from ui.experiment import words
from ui.widgets.text import plain

_TITLES = {SHIPPED: words.SHIPPED_TEXT, NONE: words.NONE}


def general_choice(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> None:
    """A field for the general text; what is chosen goes to the draft."""
    texts = draft.generals(known)
    choices = list(texts)

    def title(choice: Choice) -> str:
        text = texts[choice]
        if choice in _TITLES or text is None:
            return _TITLES[choice]
        return words.of_loaded_file(text.name) if choice == FILE else words.of_task(text.name)

    chosen = st.selectbox(
        words.GENERAL,
        choices,
        choices.index(draft.general) if draft.general in texts else None,
        key=draft.key("general"),
        placeholder=words.CHOOSE_TEXT,
        format_func=title,
        help=words.HELP_GENERAL,
    )
    if chosen is not None:
        draft.general = chosen
    kind, name = draft.general
    if draft.general not in texts:
        st.warning(words.gone_text(plain(name)), icon=":material/warning:")
    elif kind == TASK and name in draft.task_names:
        st.warning(
            words.touched(plain(name)),
            icon=":material/warning:",
        )
    elif draft.general == NONE:
        st.caption(words.NO_GENERAL)
    else:
        st.caption(words.ABOUT_GENERAL)
