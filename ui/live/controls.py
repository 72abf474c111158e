"""The controls of the Live page: pause, resume, stop, and what can be done with all runs of an experiment."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.common.errors import PalimpsestError, StoreError
from ui.live import data, words
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.widgets.text import plain


def show_buttons(experiment_id: str, runs: pd.DataFrame, run: "pd.Series[Any]", controls: bool) -> None:
    """Draw the controls of a run and of all of them; those that change something where there are `controls`.

    Every control has a place of its own, which is emptied where there is none: a control that took the place of another
    one would stand twice, here and where it was before, until all of the page is drawn.
    """
    places = [st.empty() for _ in range(6)]
    if not controls:
        return
    _of_run(run, places[:4])
    _resume_all(runs, places[4])
    if run["status"] in data.RESUMABLE:
        finished = session.store().finished_stages(str(run["run_id"]))
        with places[5]:
            session.experiment_link(
                session.EXPERIMENT, experiment_id, words.EDIT, icon=":material/edit:",
                help=words.edit_help(finished, int(run["stages"])), run=str(run["run_id"]),
            )  # fmt: skip
    elif run["status"] == "finished":
        with places[5]:
            session.experiment_link(
                session.EXPERIMENT, experiment_id, words.DUPLICATE, icon=":material/content_copy:",
                help=words.DUPLICATE_HELP, run=str(run["run_id"]),
            )  # fmt: skip


def show_ways_on(experiment_id: str, runs: pd.DataFrame) -> None:
    """Links to what can be done with what is trained, each in a place of its own."""
    compare, ask = st.empty(), st.empty()
    if (runs["status"] == "finished").any():
        with compare:
            session.experiment_link(
                session.COMPARE, experiment_id, words.COMPARE, icon=":material/compare_arrows:", help=words.COMPARE_HELP
            )
    if (runs["stage"] > 1).any() or (runs["status"] == "finished").any():
        with ask:
            session.experiment_link(
                session.UNDERSTAND, experiment_id, words.ASK, icon=":material/forum:", help=words.ASK_HELP
            )


def show_reason(run: "pd.Series[Any]") -> None:
    """Why a run does not train, in words."""
    reason, status = plain(str(run["reason"] or "")), run["status"]
    kept = words.kept_up_to(int(run["kept_step"]))
    if status == "running" and reason:
        st.warning(reason, icon=":material/hourglass_pause:")
    elif status == data.WAITING and reason:
        st.info(reason, icon=":material/hourglass_empty:")
    elif status == "failed":
        st.error(words.failed(reason, kept), icon=":material/error:")
    elif status == "interrupted":
        st.warning(words.interrupted(reason, kept), icon=":material/power_off:")
    elif status == "stopped":
        st.info(words.stopped(reason, int(run["step"]), kept), icon=":material/stop_circle:")


def _of_run(run: "pd.Series[Any]", places: Sequence[DeltaGenerator]) -> None:
    """Pause, resume, run next and stop, as far as the run's status allows, each in its place."""
    pause, resume, first, stop = places
    run_id, status = run["run_id"], run["status"]
    if status == "running":
        pause.button(words.PAUSE, key=f"live_pause_{run_id}", icon=":material/pause:", on_click=_ask,
                     args=([run_id], "pause"), **for_editors(words.PAUSE_HELP))  # fmt: skip
    if status == "paused" or status in data.RESUMABLE:
        resume.button(words.RESUME, key=f"live_resume_{run_id}", icon=":material/play_arrow:", type="primary",
                      on_click=_ask, args=([run_id], "resume"), **for_editors(words.RESUME_HELP))  # fmt: skip
    if status == data.WAITING:
        first.button(words.RUN_NEXT, key=f"live_next_{run_id}", icon=":material/first_page:", on_click=_ask,
                     args=([run_id], "next"), **for_editors(words.RUN_NEXT_HELP))  # fmt: skip
    if status in (*data.ACTIVE, data.WAITING):
        with stop.popover(
            words.STOP, icon=":material/stop:", key=f"live_stop_{run_id}", **for_editors(words.STOP_HELP)
        ):
            st.markdown(words.STOP_KEEPS)
            st.button(words.STOP_ONE, key=f"live_stop_one_{run_id}", type="primary", on_click=_ask,
                      args=([run_id], "stop"), **for_editors(words.STOP_ONE_HELP))  # fmt: skip
            st.button(words.STOP_ALL, key=f"live_stop_all_{run_id}", on_click=_stop_all,
                      args=(run["experiment_id"],), **for_editors(words.STOP_ALL_HELP))  # fmt: skip


def _resume_all(runs: pd.DataFrame, place: DeltaGenerator) -> None:
    """Take up all that ended early."""
    resumable = runs[runs["status"].isin(data.RESUMABLE)]
    if len(resumable) > 1:
        place.button(
            words.resume_all(len(resumable)), key="live_resume_all", icon=":material/restart_alt:",
            # each goes to the front of the queue of its experiment
            on_click=_ask, args=(resumable["run_id"].tolist()[::-1], "resume"), **for_editors(words.RESUME_ALL_HELP),
        )  # fmt: skip


def _ask(run_ids: list[str], what: Literal["pause", "resume", "stop", "next"]) -> None:
    """Pass a wish on to the runner or the queue, and say what comes of it."""
    act = {"pause": actions.pause, "stop": actions.stop, "resume": actions.resume, "next": actions.run_next}[what]
    refused = ""
    for run_id in run_ids:
        try:
            act(run_id)
        except PalimpsestError as error:  # the others may be reached
            refused = str(error)
    if refused:
        st.toast(plain(refused), icon=":material/error:")
    else:
        st.toast(words.ASKED[what])
    with suppress(StoreError):
        data.feed().look_again()


def _stop_all(experiment_id: str) -> None:
    try:
        runs = session.store().runs(experiment_id)
    except StoreError as error:
        st.toast(plain(str(error)), icon=":material/error:")
        return
    active = runs[runs["status"].isin([*data.ACTIVE, data.WAITING])]
    _ask(active.sort_values("position", na_position="last")["run_id"].tolist(), "stop")
