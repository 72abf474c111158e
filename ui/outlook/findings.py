"""What a page knows so far of what an experiment will take; what is missing is worked out beside it."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.experiments.experiment import Experiment
from engine.experiments.presets import QUICK
from engine.models.choices import EMBEDDED
from engine.persistence.shared_results import SharedResults
from ui.drafts.draft import FIRST_ON, ExperimentDraft
from ui.outlook import expected, words
from ui.outlook.outlook import Outlook, Work, forget, limits, outlook, quick_key, quick_reference
from ui.server import entrance

_WANTED = "experiment_estimate_wanted"
"""Models whose estimate was asked for; others than the embedded one may need a download first."""


@dataclass(frozen=True)
class Findings:
    """What is known of an experiment."""

    outlook: Outlook | None = None
    pending: Work[Any] | None = None
    """What is being worked out."""
    is_limited: bool = True
    """Whether the quick preset's limits are those of the chosen tasks; an experiment starts with no others."""
    failure: str = ""
    is_unasked: bool = False
    """Its model is loaded only when somebody asks for it."""


def limited(draft: ExperimentDraft, experiment: Experiment, shared: SharedResults) -> Work[Any] | None:
    """Bring the limits of the quick preset to the chosen tasks; gives what is still being worked out for that.

    Of a model that nobody has asked to load they are those of the embedded one.
    """
    if draft.preset != QUICK:
        return None
    reference = quick_reference(experiment, FIRST_ON)
    if not _is_wanted(experiment.model):
        reference = reference.model_copy(update={"model": EMBEDDED})
    key = quick_key(reference)
    if draft.limits_of == key:
        return None
    work = limits(reference, shared)
    if not work.wait():
        return work
    draft.take_limits(work.found or {}, key)  # what can't be read is said by the estimate, and at the start
    return None


def findings(draft: ExperimentDraft, experiment: Experiment, shared: SharedResults) -> Findings:
    """What is known of an experiment whose limits are worked out."""
    if not _is_wanted(experiment.model):
        return Findings(is_unasked=True)
    work = outlook(experiment, draft.limits, shared)
    if not work.wait():
        return Findings(pending=work)
    if work.found is None:
        if experiment.model != EMBEDDED:  # what was missing may be there when it is asked for again
            st.session_state[_WANTED].discard(experiment.model)
            forget(experiment, draft.limits, shared)
        return Findings(failure=work.failure, is_unasked=experiment.model != EMBEDDED)
    expected.keep(experiment, {run.label: run.seconds for run in work.found.estimate.runs})
    return Findings(work.found)


def ask_button(experiment: Experiment) -> None:
    """The button that has another model loaded for an estimate."""

    def ask() -> None:
        try:
            entrance.require_change()
        except PalimpsestError:  # the button was drawn for somebody who might
            return
        _wanted().add(experiment.model)

    st.caption(words.ABOUT_ASKING)
    st.button(
        words.ASK_ESTIMATE, key="experiment_estimate", icon=":material/timer:", on_click=ask,
        **entrance.for_editors(words.HELP_ASK_ESTIMATE),
    )  # fmt: skip


def _is_wanted(model: str) -> bool:
    return model in _wanted()


def _wanted() -> set[str]:
    found: set[str] = st.session_state.setdefault(_WANTED, {EMBEDDED})
    return found
