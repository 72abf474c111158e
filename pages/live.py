"""Live: what runs and what waits, the losses as they come, the score matrix as it fills, pause, resume and stop."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from engine.common.errors import StoreError
from engine.events.scores import ANSWER_SCORES
from figures.theme import SCORES, brief_labels
from ui.live import data
from ui.live.beside import show_beside
from ui.live.controls import show_controls
from ui.live.elsewhere import show_elsewhere
from ui.live.feed import ENDED, Followed
from ui.live.score_cell import open_cell, show_cell
from ui.server import addresses, session
from ui.widgets.change_watch import change_watch
from ui.widgets.error_notes import with_error_notes
from ui.widgets.glance import polled_progress, polled_table
from ui.widgets.live_chart import polled_chart
from ui.widgets.text import plain

# The parts of the page that are drawn again when a run or a stage begins or ends, each a fragment of this key. All that
# changes while runs merely train, the browser fetches itself.
WHOLE, RUN, PAST, WATCH = (f"live_{part}" for part in ("whole", "run", "past", "watch"))


def page() -> None:
    """The whole page; only what follows the runs is drawn again by itself."""
    st.title("Live")
    session.runner()  # which knows of runs that a server before this one left behind
    experiments = session.store().experiments()
    if experiments.empty:
        show_empty()
        return
    experiment_id = choose_experiment(experiments)
    tasks = list(experiments.set_index("experiment_id").at[experiment_id, "tasks"])
    data.feed().look_again()
    st.fragment(with_error_notes(watch), key=WHOLE)(experiment_id, tasks)


def show_empty() -> None:
    """Say that nothing was ever started, and where to begin."""
    st.info(
        "Nothing has run yet. Set up an experiment and start it, or try the demo from the first page.",
        icon=":material/monitoring:",
    )
    with st.container(horizontal=True):
        session.experiment_link(session.EXPERIMENT, None, "Set up an experiment", icon=":material/science:")
        session.experiment_link(session.START, None, "Go to the demo", icon=":material/play_circle:")


def choose_experiment(experiments: pd.DataFrame) -> str:
    """The experiment named in the address, else the newest active one; a picker where there are several."""
    ids = experiments["experiment_id"].tolist()
    named = session.experiment_in_url()
    if named is not None and named not in ids:
        st.warning("The experiment in this page's address is not in the data folder; here is the newest instead.")
    current: str = named if named is not None and named in ids else data.newest_active(experiments)
    if len(ids) > 1:
        names = {row["experiment_id"]: f"{row['name']} · {row['status']}" for row in experiments.to_dict("records")}
        current = st.selectbox(
            "Experiment", ids, index=ids.index(current), format_func=names.__getitem__,
            help="All experiments of this data folder, the newest first.",
        )  # fmt: skip
    session.remember_in_url(current)
    return str(current)


def watch(experiment_id: str, tasks: list[str]) -> None:
    """Draw what changes while runs train, in parts that are drawn again one by one."""
    runs = data.feed().runs(experiment_id)
    if runs.empty:
        st.rerun()
    watching, trouble = session.runner().watching, session.runner().trouble
    data.saw(WHOLE, (data.outline(runs), trouble))
    with st.container():  # a place of its own, so that nothing below stands twice while a notice comes or goes
        if watching:
            st.info(
                f"Runs of this data folder are driven by {plain(watching)}. This page only watches.",
                icon=":material/visibility:",
            )
        if trouble:
            st.warning(plain(trouble), icon=":material/hourglass_pause:")
    left, right = st.columns(2, gap="large")
    with left:
        run = choose_run(experiment_id, runs)
        run_id = str(run["run_id"])
        st.fragment(with_error_notes(show_run), key=RUN)(experiment_id, run_id, str(run["status"]))
        show_controls(experiment_id, runs, run, watching is None)
    with right:
        st.markdown(f"**{plain(runs['experiment'].iloc[0])}**")
        polled_table("live_overview", addresses.glance_of(run_id), "overview")
    show_charts(experiment_id, run_id, tasks)
    if data.is_active(runs) or trouble:
        chosen = experiment_id, run_id
        change_watch(WATCH, addresses.glance_of(run_id), partial(structure, *chosen), partial(look, *chosen))


def look(experiment_id: str, run_id: str) -> None:
    """Have drawn again what is no longer as this browser has it, and nothing else: a run or a stage began or ended."""
    try:
        view, trouble = partial(data.feed().view, experiment_id), session.runner().trouble
        if not (view(data.is_active) or trouble) or run_id not in view(data.by_id):
            st.rerun()
        if data.unseen({WHOLE: (view(data.outline), trouble)}):
            st.rerun(WHOLE)
        run = view(data.by_id)[run_id]
        now = {RUN: run["status"], PAST: data.parts_of_matrix(_followed(run))}
    except StoreError:
        st.rerun()  # the whole page says it
    st.rerun([*data.unseen(now), WATCH])


def structure(experiment_id: str, run_id: str) -> str:
    """What the page is made of, as the route says it that the browser asks."""
    run = one_run(experiment_id, run_id)
    return data.structure(data.feed().runs(experiment_id), _followed(run), session.runner().trouble)


def one_run(experiment_id: str, run_id: str) -> "pd.Series[Any]":
    """One run of the experiment as it is now."""
    runs = data.feed().view(experiment_id, data.by_id)
    if run_id not in runs:  # deleted meanwhile
        st.rerun()
    return runs[run_id]


def choose_run(experiment_id: str, runs: pd.DataFrame) -> "pd.Series[Any]":
    """The chosen run, or the one that runs now."""
    ids = ["", *runs["run_id"]]
    names, follow, kept = _names(runs), data.followed(runs), f"live_chosen_{experiment_id}"
    newest = "Follow what runs" if data.is_active(runs) else "The latest"
    # The browser keeps the words that it first showed, so other words make another selectbox with the same choice.
    chosen = st.selectbox(
        "Run shown", ids, index=ids.index(st.session_state.get(kept, "")), key=f"live_run_{newest}_{follow}",
        format_func=lambda run_id: names[run_id] if run_id else f"{newest} ({names[follow]})",
        help="Charts, numbers and buttons below belong to this run.",
    ) if len(runs) > 1 else ""  # fmt: skip
    st.session_state[kept] = chosen
    return runs[runs["run_id"] == (chosen or follow)].iloc[0]


def show_run(experiment_id: str, run_id: str, drawn: str) -> None:
    """Status of one run in words and numbers; `drawn` is the status that the controls beside it are for."""
    run = one_run(experiment_id, run_id)
    if run["status"] != drawn:  # a run that has finished just now must not say so beside a Stop
        st.rerun(WHOLE)
    data.saw(RUN, run["status"])
    polled_progress("live_progress", addresses.glance_of(run_id))
    show_elsewhere(run, data.feed().nodes(experiment_id))


def show_charts(experiment_id: str, run_id: str, tasks: list[str]) -> None:
    """Losses over steps, the matrix, and what lies behind one of its cells."""
    run = one_run(experiment_id, run_id)
    answers = () if _followed(run).has_answers else ANSWER_SCORES
    score = st.segmented_control(
        "Score", [name for name in SCORES if name not in answers], default="nats_per_token", key="live_score",
        format_func=lambda name: SCORES[name].title,
        help="What the held-out curves and the matrix show. Bits per byte compares across languages and tokenizers; "
        "exact match and token F1 are of the answers to held-out questions, of pairs and conversations.",
    )  # fmt: skip
    score = score or "nats_per_token"
    st.subheader("Losses", help=(
        "Solid: what training minimises, term by term, in nats per token. Dashed: each task's held-out text; at the "
        "end of a stage the matrix's own number, inside a stage that number and what a fixed sample of documents has "
        "changed since, in its 95% interval. A cross marks the first look in a later stage at which a past task's "
        "sample is worse than at the end of the task's own stage, beyond the error of that difference for all looks "
        "at the task together (95%, Bonferroni)."
    ))  # fmt: skip
    revision = f"{run_id} {score}"
    polled_chart("live_losses_chart", addresses.losses_of(run_id, score), 470, 600, revision=revision)
    st.subheader("Past and new tasks", help=(
        "Rows: after each stage. Columns: tasks in training order. Blue is better than the base model, orange worse. "
        "Outlined: the stage's new task; left of it past tasks, with the change since their own stage; right of it "
        "tasks not trained on yet. Set apart: the general text, which no task touches."
    ))  # fmt: skip
    st.fragment(with_error_notes(show_past), key=PAST)(experiment_id, run_id, tasks, score)


def show_past(experiment_id: str, run_id: str, tasks: list[str], score: str) -> None:
    """The matrix of one run, beside one of its cells."""
    run = one_run(experiment_id, run_id)
    followed = _followed(run)
    data.saw(PAST, data.parts_of_matrix(followed))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        height = 70 + 58 * (len(tasks) + 1)
        polled_chart(
            "live_matrix", addresses.matrix_of(run_id, score), height=height,
            on_click=lambda: open_cell(experiment_id, tasks), revision=f"{run_id} {score}",
        )  # fmt: skip
        st.caption("Select a cell to open what lies behind it.")
    with right:
        ended = run["status"] in ENDED
        show_cell(experiment_id, followed, tasks, score, run_id=run_id, ended=ended)
    show_beside(followed, tasks)


def _names(runs: pd.DataFrame) -> "pd.Series[str]":
    """The names of runs by run id: settings and seeds only where they tell runs apart."""
    named = runs.set_index("run_id")
    labels = named["label"].map(brief_labels(named["label"]))
    return labels if named["seed"].nunique() == 1 else labels + " · seed " + named["seed"].astype(str)


def _followed(run: "pd.Series[Any]") -> Followed:
    return data.feed().followed(str(run["run_id"]), int(run["attempt"]))


page()
