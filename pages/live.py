"""Live: what runs and what waits, the losses as they come, the score matrix as it fills, pause, resume and stop."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from engine.common.errors import StoreError
from engine.events.scores import ANSWER_SCORES
from figures.matrix import cell_mark, matrix_pixels
from figures.theme import SCORES
from ui.adding.offer import add_task_button
from ui.live import board, data, words
from ui.live.beside import show_beside
from ui.live.controls import show_ways_on
from ui.live.details import show_details
from ui.live.elsewhere import show_taken_stages
from ui.live.feed import ENDED, Followed
from ui.live.queue_view import show_queue
from ui.live.rail import chosen_run, show_rail
from ui.live.score_cell import cell_in_a_line, chosen_cell, open_cell, show_cell
from ui.live.status import show_status
from ui.manage.menu import manage_menu
from ui.server import addresses, session
from ui.widgets.change_watch import change_watch
from ui.widgets.error_notes import with_error_notes
from ui.widgets.live_chart import polled_chart
from ui.widgets.page_head import page_head
from ui.widgets.text import plain

# The parts of the page that are drawn again when a run or a stage begins or ends, each a fragment of this key. All that
# changes while runs merely train, the browser fetches itself.
PARTS = ("whole", "past", "cell", "queue", "details", "watch")
WHOLE, PAST, CELL, QUEUE, DETAILS, WATCH = (f"live_{part}" for part in PARTS)


def page() -> None:
    """The whole page; only what follows the runs is drawn again by itself."""
    session.runner()  # which knows of runs that a server before this one left behind
    experiments = session.experiments_to_choose()
    if experiments.empty:
        page_head(words.TITLE)
        show_empty()
        return
    experiment_id = named_or_newest(experiments)
    rows = experiments.set_index("experiment_id")
    data.feed().look_again()
    st.fragment(with_error_notes(watch), key=WHOLE)(experiment_id, rows["name"].to_dict())


def show_empty() -> None:
    """Say that nothing was ever started, and where to begin."""
    st.info(words.NOTHING_YET, icon=":material/monitoring:")
    with st.container(horizontal=True):
        session.experiment_link(session.EXPERIMENT, None, words.SET_UP, icon=":material/science:")
        session.experiment_link(session.START, None, words.GO_TO_DEMO, icon=":material/play_circle:")


def named_or_newest(experiments: pd.DataFrame) -> str:
    """The experiment that the address names, else the newest active one."""
    ids, named = experiments["experiment_id"].tolist(), session.experiment_in_url()
    if named is not None and named not in ids:
        st.warning(words.EXPERIMENT_GONE)
    current: str = named if named is not None and named in ids else data.newest_active(experiments)
    session.remember_in_url(current)
    return current


def title_line(experiment_id: str, names: dict[str, str], runs: pd.DataFrame) -> None:
    """The page's title, beside the experiment and where to go on from it."""
    with page_head(words.TITLE):
        if len(names) > 1:
            ids, key = list(names), f"live_experiment_{experiment_id}"
            st.selectbox(
                words.EXPERIMENT, ids, index=ids.index(experiment_id), format_func=names.__getitem__, width=380,
                help=words.EXPERIMENT_HELP, key=key, on_change=go_to_experiment, args=(key,),
            )  # fmt: skip
        else:
            st.markdown(f"**{plain(names[experiment_id])}**", width="content")
        show_ways_on(experiment_id, runs)
        add_task_button(experiment_id, "live_add_task")
        manage_menu(experiment_id, "live_menu", saved=data.feed().look_again)


def go_to_experiment(key: str) -> None:
    """Show the experiment that was chosen in the selectbox `key`."""
    session.remember_in_url(st.session_state[key])
    st.rerun()


def watch(experiment_id: str, names: dict[str, str]) -> None:
    """Draw what changes while runs train, in parts that are drawn again one by one."""
    runs = data.feed().runs(experiment_id)
    if runs.empty:
        st.rerun()
    title_line(experiment_id, names, runs)
    watching, trouble = session.runner().watching, session.runner().trouble
    run = chosen_run(experiment_id, runs)
    followed = _followed(run)
    run_id, tasks, has_answers = str(run["run_id"]), followed.tasks, followed.has_answers
    data.saw(WHOLE, (data.outline(runs), trouble, has_answers))
    show_status(experiment_id, runs, run, tasks, watching is None)
    with st.container():  # a place of its own, so that nothing below stands twice while a notice comes or goes
        if watching:
            st.info(words.only_watches(watching), icon=":material/visibility:")
        if trouble:
            st.warning(plain(trouble), icon=":material/hourglass_pause:")
    rail, curves, matrix = board.places()
    with rail:
        show_rail(experiment_id, runs, run_id, WHOLE)
    with matrix:
        score = choose_score(has_answers)
        st.fragment(with_error_notes(show_past), key=PAST)(experiment_id, run_id, tasks, score)
    with curves:
        st.subheader(words.CURVES, help=words.CURVES_HELP)
        polled_chart(
            "live_losses_chart", addresses.losses_of(run_id, score), board.CURVES_PIXELS, board.NARROW_PIXELS,
            revision=f"{run_id} {score}", tall_height=board.TALL_PIXELS, with_notes=False,
        )  # fmt: skip
        show_taken_stages(session.store().origins(run_id).get(run_id), session.store().environment(run_id))
    st.fragment(with_error_notes(show_behind), key=CELL)(experiment_id, run_id, tasks, score)
    st.fragment(with_error_notes(show_queue), key=QUEUE)(QUEUE, watching is None)
    st.fragment(with_error_notes(show_folds), key=DETAILS)(experiment_id, run_id, tasks)
    if data.is_active(runs) or trouble:
        chosen = experiment_id, run_id
        change_watch(WATCH, addresses.glance_of(run_id), partial(structure, *chosen), partial(look, *chosen))


def look(experiment_id: str, run_id: str) -> None:
    """Have drawn again what is no longer as this browser has it, and nothing else: a run or a stage began or ended."""
    try:
        view, trouble = partial(data.feed().view, experiment_id), session.runner().trouble
        if not (view(data.is_active) or trouble) or run_id not in view(data.by_id):
            st.rerun()
        followed = _followed(view(data.by_id)[run_id])
        if data.unseen({WHOLE: (view(data.outline), trouble, followed.has_answers)}):
            st.rerun(WHOLE)
        parts = data.parts_of_matrix(followed)
        now = {PAST: parts, CELL: parts, DETAILS: parts, QUEUE: data.queue_facts(data.feed().queue())}
    except StoreError:
        st.rerun()  # the whole page says it
    st.rerun([*data.unseen(now), WATCH])


def structure(experiment_id: str, run_id: str) -> str:
    """What the page is made of, as the route says it that the browser asks."""
    followed = _followed(one_run(experiment_id, run_id))
    runs, trouble = data.feed().runs(experiment_id), session.runner().trouble
    return data.structure(runs, followed, trouble, data.feed().queue())


def one_run(experiment_id: str, run_id: str) -> "pd.Series[Any]":
    """One run of the experiment as it is now."""
    runs = data.feed().view(experiment_id, data.by_id)
    if run_id not in runs:  # deleted meanwhile
        st.rerun()
    return runs[run_id]


def choose_score(has_answers: bool) -> str:
    """The score that the held-out curves and the matrix show, beside the matrix's title."""
    offered = [name for name in SCORES if has_answers or name not in ANSWER_SCORES]
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small",
        key="live_matrix_title",
    ):  # fmt: skip
        st.subheader(words.MATRIX, help=words.MATRIX_HELP, width="content")
        score: str = st.selectbox(
            words.SCORE, offered, key="live_score", format_func=lambda name: SCORES[name].title,
            label_visibility="collapsed", width=190, help=words.SCORE_HELP,
        )  # fmt: skip
    return score


def show_past(experiment_id: str, run_id: str, tasks: list[str], score: str) -> None:
    """The matrix of one run, in which the chosen cell is marked, and what is scored beside it."""
    followed = _followed(one_run(experiment_id, run_id))
    data.saw(PAST, data.parts_of_matrix(followed))
    stage, task = chosen_cell(experiment_id)
    shapes, said = [], ""
    if stage is not None and task in tasks:
        shapes = [cell_mark(stage, tasks.index(task) + 1)]
        said = cell_in_a_line(followed.matrix, tasks, stage, task, score)
    polled_chart(
        "live_matrix", addresses.matrix_of(run_id, score), height=matrix_pixels(len(tasks), board.CURVES_PIXELS - 70),
        on_click=lambda: open_cell(experiment_id, tasks, [PAST, CELL]), revision=f"{run_id} {score}",
        tall_height=matrix_pixels(len(tasks), board.TALL_PIXELS - 70), shapes=shapes,
    )  # fmt: skip
    if said:
        st.markdown(said)
    show_beside(followed, tasks)


def show_behind(experiment_id: str, run_id: str, tasks: list[str], score: str) -> None:
    """What lies behind the chosen cell of the matrix."""
    run = one_run(experiment_id, run_id)
    followed = _followed(run)
    data.saw(CELL, data.parts_of_matrix(followed))
    ended = run["status"] in ENDED
    show_cell(experiment_id, followed, tasks, score, run_id, [PAST, CELL], ended)


def show_folds(experiment_id: str, run_id: str, tasks: list[str]) -> None:
    """What else there is to know of the run."""
    run = one_run(experiment_id, run_id)
    followed = _followed(run)
    data.saw(DETAILS, data.parts_of_matrix(followed))
    show_details(experiment_id, run, followed, tasks)


def _followed(run: "pd.Series[Any]") -> Followed:
    return data.feed().followed(str(run["run_id"]), int(run["attempt"]))


page()
