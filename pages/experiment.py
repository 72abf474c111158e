"""Experiment: choose tasks, model, strategies, training and seeds; see what it will take; start it."""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.common.errors import ConfigError
from engine.experiments.experiment import Experiment
from engine.persistence.shared_results import SharedResults
from engine.tasks.library import LibraryTask
from engine.tasks.spec import TaskSpec
from ui.drafts import keeping
from ui.drafts.draft import ExperimentDraft
from ui.experiment import words
from ui.experiment.general_choice import general_choice
from ui.experiment.guards_section import guards_section
from ui.experiment.loading import LOADED, adopt_experiment_of_url, file_section, show_edited_run, take_tasks_of_link
from ui.experiment.problems import FURTHER_ANCHOR, problems_of
from ui.experiment.resources_section import resources_section
from ui.experiment.saving import saving_section
from ui.experiment.strategy_cards import strategy_cards
from ui.experiment.summary import FORM, summary
from ui.experiment.tasks_section import tasks_section
from ui.experiment.training_section import model_and_seeds, preset_picker, training_section
from ui.outlook.findings import Findings, findings, limited
from ui.outlook.outlook import Outlook
from ui.server import session
from ui.widgets.forms import folding
from ui.widgets.page_head import page_head
from ui.widgets.text import plain


def also_scored_section(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> None:
    chosen = words.also_scored((draft.general[0], plain(draft.general[1])), len(draft.guards.rows))
    folded = folding(words.ALSO_SCORED, draft.key("also_scored"), chosen, icon=":material/playlist_add_check:")
    if not folded.open:
        return
    with folded:
        left, right = st.columns(2)
        with left:
            general_choice(draft, known)
        guards_section(draft, right)


def look_ahead_section(draft: ExperimentDraft, experiment: Experiment | None, shared: SharedResults) -> None:
    if experiment is None:
        return
    folded = folding(words.LOOK_AHEAD, draft.key("look_ahead"), icon=":material/visibility:")
    if folded.open:
        with folded:
            from ui.outlook.preview import show_look_ahead  # as below

            show_look_ahead(experiment, shared)


def details_section(
    draft: ExperimentDraft, experiment: Experiment | None, found: Outlook | None, shared: SharedResults
) -> None:
    if experiment is None or found is None:
        return
    folded = folding(words.DETAILS, draft.key("details"), icon=":material/timer:")
    if folded.open:
        with folded:
            from ui.outlook.preview import show_details  # a page without it needs no tables

            show_details(found, experiment, shared)


def checked(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> Experiment | None:
    """The experiment that the draft makes; None where something is wrong with it."""
    try:
        return draft.experiment(known)
    except ConfigError:
        return None


def known_so_far(
    draft: ExperimentDraft, known: Mapping[str, TaskSpec], shared: SharedResults
) -> tuple[Experiment | None, Findings]:
    """The experiment that the draft makes, None where something is wrong with it, and what it will take."""
    experiment = checked(draft, known)
    if experiment is None:
        return None, Findings()
    if (pending := limited(draft, experiment, shared)) is not None:
        return experiment, Findings(pending=pending, is_limited=False)
    if experiment.training != (training := draft.training_settings()):
        experiment = experiment.model_copy(update={"training": training})
    return experiment, findings(draft, experiment, shared)


def go_to_live(experiment_id: str) -> None:
    keeping.forget_started()
    st.session_state[LOADED] = experiment_id
    session.go_to(session.LIVE, experiment_id)


def form(
    draft: ExperimentDraft, known: Mapping[str, TaskSpec], library: Mapping[str, LibraryTask]
) -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """Draw all fields; returns the places of what depends on all of them: under the seeds, of the presets, and below
    the last field."""
    with st.container(key=FORM):
        first, second = st.columns(2, gap="large")
    with first:
        tasks_section(draft, known, library)
        under_seeds = model_and_seeds(draft)
        presets = training_section(draft)
    with second:
        strategy_cards(draft, known)
        st.subheader(words.FURTHER, anchor=FURTHER_ANCHOR)
        also_scored_section(draft, known)
        resources_section(draft)
    return under_seeds, presets, second


def page() -> None:
    library = {task.name: task for task in session.library().tasks()}
    known = {name: task.spec() for name, task in library.items()}
    shared = SharedResults(session.store().shared_folder)
    adopt_experiment_of_url(known)
    draft = keeping.current(known)
    take_tasks_of_link(draft, known)
    with page_head(words.TITLE):
        file_section(draft, known)
    main, side = st.columns([3, 1], gap="large")
    with main:
        notes = st.container()
        under_seeds, presets, below = form(draft, known, library)
    # After the last field: a click on Start may cut short the run that would have read it.
    experiment, found = known_so_far(draft, known, shared)
    keeping.keep()
    with notes:
        show_edited_run(draft)
        keeping.show_notes()
    with presets:
        preset_picker(draft, found.outlook)
    with side:
        problems = [] if experiment else problems_of(draft, known)
        summary(len(draft.tasks(known)), experiment, problems, found, go_to_live, draft.origin)
    with below:
        look_ahead_section(draft, experiment, shared)
        details_section(draft, experiment, found.outlook, shared)
        saving_section(draft, experiment)
    if experiment:
        with under_seeds:
            from ui.outlook.seeds_note import show_what_seeds_can_show  # it reads tables of statistics

            show_what_seeds_can_show(experiment)


page()
