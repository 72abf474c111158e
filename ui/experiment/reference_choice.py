"""The choice of the reference text, in the form of every strategy that reads it: one text for the whole experiment."""

from collections.abc import Mapping

import streamlit as st

from engine.tasks.reference_spec import ReferenceSpec
from engine.tasks.spec import TaskSpec
from ui.experiment.draft import ExperimentDraft
from ui.widgets.text import plain


def reference_choice(draft: ExperimentDraft, known: Mapping[str, TaskSpec], key: str) -> None:
    """A field for the reference text among all tasks; what is chosen goes to the draft."""
    texts = draft.references(known)
    if not texts:
        st.info("There is no text to choose yet: upload one on the Tasks page.", icon=":material/library_books:")
        return
    names = list(texts)
    chosen = draft.reference if draft.reference in texts else None
    # Other cards show the same choice, so each field is made anew when it changes.
    key = f"{key}_reference_{draft.references_taken}"

    def take() -> None:
        draft.take_reference(st.session_state[key])

    st.selectbox(
        "Reference: a text of your own", names, None if chosen is None else names.index(chosen), key=key,
        placeholder="Choose a text", on_change=take, format_func=lambda name: _called(name, texts),
        help="Texts of the Tasks page, of which all documents to train on are drawn from. One that no task here is "
        "like, such as general text, keeps what the tasks would not; the choice is one for the whole experiment.",
    )  # fmt: skip
    if draft.reference is not None and chosen is None:
        st.warning(f"No longer in the library: {plain(draft.reference)}.", icon=":material/warning:")
    elif chosen in draft.task_names and not isinstance(texts[chosen or ""], ReferenceSpec):
        st.caption("This text is also a task of this experiment, so the model is held back on what it learns there.")


def _called(name: str, texts: Mapping[str, TaskSpec]) -> str:
    return f"{name} (from the loaded file)" if isinstance(texts[name], ReferenceSpec) else name
