"""The controls of the Live page: pause, resume, stop, and what can be done with all runs of an experiment."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.common.errors import PalimpsestError, StoreError
from ui.live import data
from ui.live.elsewhere import waits_to_go_on
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.widgets.text import plain


def show_controls(experiment_id: str, runs: pd.DataFrame, run: "pd.Series[Any]", controls: bool) -> None:
    """Draw the controls of a run and of all of them.

    Every control has a place of its own, which is emptied where there is none: a control that took the place of another
    one would stand twice, here and where it was before, until all of the page is drawn.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        places = [st.empty() for _ in range(6)]
    if controls:
        show_buttons(run, places[:3])
        show_resume_all(runs, places[3])
    if (runs["status"] == "finished").any():
        with places[4]:
            session.experiment_link(
                session.COMPARE, experiment_id, "Compare what is finished", icon=":material/compare_arrows:"
            )
    if (runs["stage"] > 1).any() or (runs["status"] == "finished").any():
        with places[5]:
            session.experiment_link(
                session.UNDERSTAND, experiment_id, "Ask the models", icon=":material/forum:",
                help="What they say to a prompt, and what they forgot.",
            )  # fmt: skip
    with st.empty():
        show_reason(run)


def show_resume_all(runs: pd.DataFrame, place: DeltaGenerator) -> None:
    """Take up all that ended early."""
    resumable = runs[runs["status"].isin(data.RESUMABLE)]
    if len(resumable) > 1:
        place.button(
            f"Resume all {len(resumable)}", key="live_resume_all", icon=":material/restart_alt:",
            on_click=_ask, args=(resumable["run_id"].tolist(), "resume"),
            **for_editors("Put every interrupted, failed or stopped run into the queue again."),
        )  # fmt: skip


def show_buttons(run: "pd.Series[Any]", places: Sequence[DeltaGenerator]) -> None:
    """Pause, resume and stop, as far as the run's status allows, each in its place."""
    pause, resume, stop = places
    run_id, status = run["run_id"], run["status"]
    if status == "running":
        pause.button("Pause", key=f"live_pause_{run_id}", icon=":material/pause:",
                     on_click=_ask, args=([run_id], "pause"),
                     **for_editors("Hold the run after the current step; nothing is lost."))  # fmt: skip
    if status == "paused" or status in data.RESUMABLE:
        resume.button("Resume", key=f"live_resume_{run_id}", icon=":material/play_arrow:", type="primary",
                  on_click=_ask, args=([run_id], "resume"),
                  **for_editors("Go on: a paused run at once, any other from the last point it kept."))  # fmt: skip
    if status in (*data.ACTIVE, "queued"):
        with stop.popover(
            "Stop", icon=":material/stop:", key=f"live_stop_{run_id}", **for_editors("End this run; asks first.")
        ):
            st.markdown("What it reached is kept, and the run can be resumed from there.")
            st.button("Stop this run", key=f"live_stop_one_{run_id}", type="primary", on_click=_ask,
                      args=([run_id], "stop"), **for_editors("Ends within two seconds."))  # fmt: skip
            st.button("Stop all runs of this experiment", key=f"live_stop_all_{run_id}",
                      on_click=_stop_all, args=(run["experiment_id"],),
                      **for_editors("Also takes every waiting run out of the queue."))  # fmt: skip


def show_reason(run: "pd.Series[Any]") -> None:
    """Why a run does not train, in words."""
    reason, status = plain(str(run["reason"] or "")), run["status"]
    kept = f" It kept everything up to step {run['kept_step']:,}." if run["kept_step"] else ""
    if status == "running" and reason:
        st.warning(reason, icon=":material/hourglass_pause:")
    elif status == data.WAITING and reason and not waits_to_go_on(run):
        st.info(reason, icon=":material/hourglass_empty:")
    elif status == "failed":
        st.error(f"This run failed. {reason}{kept}", icon=":material/error:")
    elif status == "interrupted":
        st.warning(f"This run was interrupted. {reason}{kept}", icon=":material/power_off:")
    elif status == "stopped":
        stopped = reason or f"This run was stopped at step {run['step']:,}."
        st.info(f"{stopped}{kept}", icon=":material/stop_circle:")


def _ask(run_ids: list[str], what: Literal["pause", "resume", "stop"]) -> None:
    """Pass a wish on to the runner, and say what comes of it."""
    act, notice = {
        "pause": (actions.pause, "Pausing after the current step."),
        "stop": (actions.stop, "Stopping."),
        "resume": (actions.resume, "Going on."),
    }[what]
    refused = ""
    for run_id in run_ids:
        try:
            act(run_id)
        except PalimpsestError as error:  # the others may be reached
            refused = str(error)
    if refused:
        st.toast(plain(refused), icon=":material/error:")
    else:
        st.toast(notice)
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
