"""The choice of the reference text, in the form of every strategy that reads it: one text for the whole experiment."""

from collections.abc import Mapping

import streamlit as st

from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import ReferenceSpec
from ui.drafts.draft import Card, ExperimentDraft
from ui.experiment import words
from ui.widgets.text import plain


def reference_choice(draft: ExperimentDraft, card: Card, known: Mapping[str, TaskSpec]) -> None:
    """A field in a strategy's form for the reference text, among all tasks; what is chosen goes to the draft."""
    texts = draft.references(known)
    if not texts:
        st.info(words.NO_TEXT, icon=":material/library_books:")
        return
    names = list(texts)
    chosen = draft.reference if draft.reference in texts else None
    key = draft.key(f"card{card.number}_reference_{card.reference_rounds}")

    def take() -> None:
        draft.take_reference(st.session_state[key], card)

    st.selectbox(
        words.REFERENCE, names, None if chosen is None else names.index(chosen), key=key,
        placeholder=words.CHOOSE_TEXT, on_change=take, format_func=lambda name: _called(name, texts),
        help=words.HELP_REFERENCE,
    )  # fmt: skip
    if draft.reference is not None and chosen is None:
        st.warning(words.gone_text(plain(draft.reference)), icon=":material/warning:")
    elif chosen in draft.task_names and not isinstance(texts[chosen or ""], ReferenceSpec):
        st.caption(words.REFERENCE_IS_TASK)


def _called(name: str, texts: Mapping[str, TaskSpec]) -> str:
    return words.from_loaded_file(name) if isinstance(texts[name], ReferenceSpec) else name
