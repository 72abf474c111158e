"""The choice of the reference text, in the form of every strategy that reads it: one text for the whole experiment."""

from collections.abc import Mapping

import streamlit as st

from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import ReferenceSpec
from ui.drafts.draft import Card, ExperimentDraft
from ui.widgets.text import plain

LABEL = "Text of your own"


def reference_choice(draft: ExperimentDraft, card: Card, known: Mapping[str, TaskSpec]) -> None:
    """A field in a strategy's form for the reference text, among all tasks; what is chosen goes to the draft."""
    texts = draft.references(known)
    if not texts:
        st.info("There is no text to choose yet: upload one on the Tasks page.", icon=":material/library_books:")
        return
    names = list(texts)
    chosen = draft.reference if draft.reference in texts else None
    key = draft.key(f"card{card.number}_reference_{card.reference_rounds}")

    def take() -> None:
        draft.take_reference(st.session_state[key], card)

    st.selectbox(
        LABEL, names, None if chosen is None else names.index(chosen), key=key,
        placeholder="Choose a text", on_change=take, format_func=lambda name: _called(name, texts),
        help="A text of the Tasks page, from whose training documents the reference is drawn. Choose one that is like "
        "what the model shall keep, such as general text. All strategies of the experiment that read it read the same.",
    )  # fmt: skip
    if draft.reference is not None and chosen is None:
        st.warning(f"No longer in the library: {plain(draft.reference)}.", icon=":material/warning:")
    elif chosen in draft.task_names and not isinstance(texts[chosen or ""], ReferenceSpec):
        st.caption("This text is also a task of this experiment, so the model is held back on what it learns there.")


def _called(name: str, texts: Mapping[str, TaskSpec]) -> str:
    return f"{name} (from the loaded file)" if isinstance(texts[name], ReferenceSpec) else name
