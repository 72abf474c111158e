"""Understand: ask the models what they say, and read what they forgot."""

import pandas as pd
import streamlit as st

from ui.abilities.view import show_abilities
from ui.live import data
from ui.server import session
from ui.understand import words
from ui.understand.address import Address, visited, write
from ui.understand.answers_view import show_answers
from ui.understand.kept import show_kept
from ui.understand.models import models_of
from ui.understand.passages_view import show_passages
from ui.understand.turned_view import show_turned
from ui.widgets.keep_choice import gone_note
from ui.widgets.text import plain

ANSWERS, PASSAGES, TURNED, ABILITIES = "answers", "passages", "turned", "abilities"
VIEWS = {
    ANSWERS: words.ANSWERS, PASSAGES: words.PASSAGES, TURNED: words.TURNED, ABILITIES: words.ABILITIES
}  # fmt: skip


def page() -> None:
    st.title(words.TITLE)
    experiments = session.experiments_to_choose()
    if experiments.empty:
        show_empty()
        return
    address = visited()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        view = choose_view(address)
        experiment_id = choose_experiment(experiments, address)
    show_view(experiment_id, view, address)
    st.divider()
    show_kept()


def show_empty() -> None:
    """Say what will be here, and where to begin."""
    st.info(
        words.NOTHING_YET,
        icon=":material/forum:",
    )
    with st.container(horizontal=True):
        session.experiment_link(session.EXPERIMENT, None, words.SET_UP, icon=":material/science:")
        session.experiment_link(session.START, None, words.DEMO, icon=":material/play_circle:")


def choose_view(address: Address) -> str:
    first = address.first("view")
    view = st.segmented_control(
        words.VIEW,
        list(VIEWS),
        default=first if first in VIEWS else ANSWERS,
        format_func=VIEWS.__getitem__,
        required=True,
        key=address.key("view"),
        help=words.VIEW_HELP,
    )
    return str(view)


def choose_experiment(experiments: pd.DataFrame, address: Address) -> str:
    """The experiment that the address names, else the newest active one; a picker where there are several."""
    ids = experiments["experiment_id"].tolist()
    named = address.first("experiment")
    if named and named not in ids:
        st.warning(words.NOT_THERE)
    first: str = named if named in ids else data.newest_active(experiments)
    names = {row["experiment_id"]: f"{row['name']} · {row['status']}" for row in experiments.to_dict("records")}
    if len(ids) == 1:
        st.caption(plain(names[first]), width="content")
        return first
    chosen: str = st.selectbox(
        words.EXPERIMENT, ids, index=ids.index(first), format_func=names.__getitem__, key=address.key("experiment"),
        width=420, help=words.EXPERIMENT_HELP,
    )  # fmt: skip
    return chosen


def show_view(experiment_id: str, view: str, address: Address) -> None:
    store = session.store()
    experiment, runs = store.experiment(experiment_id), store.runs(experiment_id)
    stages = store.stages(list(runs["run_id"]))
    models = models_of(runs, stages, [task.name for task in experiment.tasks])
    if note := gone_note(stages):
        st.caption(note)
    chosen = {"experiment": experiment_id, "view": view}
    if view == PASSAGES:
        write({**chosen, **show_passages(experiment_id, experiment, models, address, chosen)})
        return
    if view == ABILITIES:
        write({**chosen, **show_abilities(experiment_id, models, address)})
        return
    facts = store.task_facts(experiment_id).to_dict("records")
    if view == TURNED:
        write({**chosen, **show_turned(experiment_id, experiment, facts, models, address)})
    else:
        write({**chosen, **show_answers(experiment_id, experiment, facts, models, address)})


page()
