"""Live: what runs and what waits, the losses as they come, the score matrix as it fills, pause, resume and stop."""

from contextlib import suppress
from functools import partial
from typing import Any, Literal

import pandas as pd
import streamlit as st

from engine.errors import PalimpsestError, StoreError
from figures.curves import TOLERANCE_NATS_PER_TOKEN
from figures.theme import SCORES, brief_labels
from ui import actions, live_data, session
from ui.entrance import for_editors
from ui.feed import Followed
from ui.live_chart import live_chart
from ui.pulse import pulse
from ui.score_cell import open_cell, show_cell
from ui.tables import name_width, row_height
from ui.text import count, duration, plain, plural
from ui.trouble import told

REFRESH_SECONDS, SECONDS_PER_WATCHER, LONGEST_SECONDS = 1.0, 0.05, 10.0
# The parts of the page that are drawn again by themselves, each a fragment of this key.
WHOLE, RUN, OVERVIEW, LOSSES, PAST, PULSE = (
    f"live_{part}" for part in ("whole", "run", "overview", "losses", "past", "pulse")
)
SIGNS = {
    "running": "▶ running", "paused": "❚❚ paused", "queued": "… waiting", "finished": "✓ finished",
    "failed": "✕ failed", "interrupted": "↯ interrupted", "stopped": "■ stopped",
}  # fmt: skip


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
    live_data.feed().look_again()
    st.fragment(told(watch), key=WHOLE)(experiment_id, tasks)


def show_empty() -> None:
    """Nothing was ever started."""
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
    current: str = named if named is not None and named in ids else live_data.newest_active(experiments)
    if len(ids) > 1:
        names = {row["experiment_id"]: f"{row['name']} · {row['status']}" for row in experiments.to_dict("records")}
        current = st.selectbox(
            "Experiment", ids, index=ids.index(current), format_func=names.__getitem__,
            help="All experiments of this data folder, the newest first.",
        )  # fmt: skip
    session.remember_in_url(current)
    return str(current)


def watch(experiment_id: str, tasks: list[str]) -> None:
    """All that changes while runs train, in parts that are drawn again one by one."""
    runs = live_data.feed().runs(experiment_id)
    if runs.empty:
        st.rerun()
    watching, trouble = session.runner().watching, session.runner().trouble
    live_data.saw(WHOLE, (live_data.outline(runs), trouble))
    if watching:
        st.info(
            f"Runs of this data folder are driven by {plain(watching)}. This page only watches.",
            icon=":material/visibility:",
        )
    if trouble:
        st.error(plain(trouble), icon=":material/error:")
    left, right = st.columns(2, gap="large")
    with left:
        run = choose_run(experiment_id, runs)
        run_id = str(run["run_id"])
        st.fragment(told(show_run), key=RUN)(experiment_id, run_id)
        with st.container(horizontal=True, vertical_alignment="center"):
            if watching is None:
                show_buttons(run)
            show_links(experiment_id, runs, watching is None)
        show_reason(run)
    with right:
        st.fragment(told(show_overview), key=OVERVIEW)(experiment_id)
    show_charts(experiment_id, run_id, tasks)
    if live_data.is_active(runs) or trouble:
        pulse(PULSE, refresh_seconds, partial(look, experiment_id, run_id))


def refresh_seconds() -> float:
    """Between two looks: more where many look on, who would otherwise keep the server busy."""
    try:
        return min(REFRESH_SECONDS + SECONDS_PER_WATCHER * (live_data.watchers() - 1), LONGEST_SECONDS)
    except StoreError:  # which the next look says
        return REFRESH_SECONDS


def look(experiment_id: str, run_id: str) -> None:
    """At every beat: have drawn again what is no longer as this browser has it, and nothing else."""
    try:
        view, trouble = partial(live_data.feed().view, experiment_id), session.runner().trouble
        if not (view(live_data.is_active) or trouble) or run_id not in view(live_data.by_id):
            st.rerun()
        if live_data.unseen({WHOLE: (view(live_data.outline), trouble)}):
            st.rerun(WHOLE)
        run = view(live_data.by_id)[run_id]
        said = _said(run)
    except StoreError:
        st.rerun()  # the whole page says it
    now = {
        RUN: live_data.state(run), OVERVIEW: view(live_data.overview_rows), LOSSES: said.size, PAST: said.size[1:],
    }  # fmt: skip
    changed = live_data.unseen(now)
    if changed:
        st.rerun([*changed, PULSE])


def one_run(experiment_id: str, run_id: str) -> "pd.Series[Any]":
    """One run of the experiment as it is now."""
    runs = live_data.feed().view(experiment_id, live_data.by_id)
    if run_id not in runs:  # deleted meanwhile
        st.rerun()
    return runs[run_id]


def show_overview(experiment_id: str) -> None:
    """How many runs are where, and a table of them."""
    runs = live_data.feed().runs(experiment_id)
    counts, active = runs["status"].value_counts(), live_data.is_active(runs)
    parts = [f"{counts[s]} {live_data.SIGNS[s].split(' ', 1)[1]}" for s in live_data.SIGNS if counts.get(s)]
    left = runs["seconds_left"].sum()
    if active and left > 0:
        unknown = runs.loc[runs["status"] == live_data.WAITING, "seconds_left"].isna().any()
        parts.append(f"about {duration(left)} left" + (" for what runs" if unknown else " in all"))
    st.markdown(f"**{plain(runs['experiment'].iloc[0])}**  \n" + ", ".join(parts))
    shown = live_data.feed().view(experiment_id, live_data.overview)
    live_data.saw(OVERVIEW, live_data.feed().view(experiment_id, live_data.overview_rows))
    names = shown["Run"]
    width = name_width(names)
    config = {
        "Run": st.column_config.TextColumn(width=width),
        "Seed": st.column_config.NumberColumn(width=55),
        "Status": st.column_config.TextColumn(width=95),
        "Progress": st.column_config.ProgressColumn(format="%d %%", min_value=0, max_value=100, width=100),
        "Left": st.column_config.TextColumn(width=70),
    }
    st.dataframe(shown, hide_index=True, column_config=config, row_height=row_height(names, width), key="live_runs")


def show_links(experiment_id: str, runs: pd.DataFrame, controls: bool) -> None:
    """What can be done with all runs of the experiment: take up those that ended early, compare those that are over."""
    resumable = runs[runs["status"].isin(live_data.RESUMABLE)]
    if controls and len(resumable) > 1:
        st.button(
            f"Resume all {len(resumable)}", key="live_resume_all", icon=":material/restart_alt:",
            on_click=_ask, args=(resumable["run_id"].tolist(), "resume"),
            **for_editors("Put every interrupted, failed or stopped run into the queue again."),
        )  # fmt: skip
    if (runs["status"] == "finished").any():
        session.experiment_link(
            session.COMPARE, experiment_id, "Compare what is finished", icon=":material/compare_arrows:"
        )


def choose_run(experiment_id: str, runs: pd.DataFrame) -> "pd.Series[Any]":
    """The chosen run, or the one that runs now."""
    ids = ["", *runs["run_id"]]
    names, follow, kept = _names(runs), live_data.followed(runs), f"live_chosen_{experiment_id}"
    newest = "Follow what runs" if live_data.is_active(runs) else "The latest"
    # The browser keeps the words that it first showed, so other words make another selectbox with the same choice.
    chosen = st.selectbox(
        "Run shown", ids, index=ids.index(st.session_state.get(kept, "")), key=f"live_run_{newest}_{follow}",
        format_func=lambda run_id: names[run_id] if run_id else f"{newest} ({names[follow]})",
        help="Charts, numbers and buttons below belong to this run.",
    ) if len(runs) > 1 else ""  # fmt: skip
    st.session_state[kept] = chosen
    return runs[runs["run_id"] == (chosen or follow)].iloc[0]


def show_run(experiment_id: str, run_id: str) -> None:
    """Status of one run in words and numbers."""
    run = one_run(experiment_id, run_id)
    live_data.saw(RUN, live_data.state(run))
    status, share = run["status"], live_data.share(run)
    words = {
        "running": run["phase"] or "training",
        "paused": "paused; resume it to go on",
        "queued": "waits for its turn",
    }.get(status, live_data.SIGNS[status].split(" ", 1)[1])
    if status == "queued" and pd.notna(run["position"]) and run["position"] > 1:
        words += f" behind {plural(int(run['position']) - 1, 'other run')}"
    st.progress(share, text=f"{plain(run['label'])}, seed {run['seed']}: {plain(words)}")
    with st.container(horizontal=True, gap="medium"):
        st.metric("Stage", f"{run['stage']} of {run['stages']}", width="content")
        st.metric("Step", f"{run['step']:,} of {run['steps']:,}" if run["steps"] else "–", width="content")
        left = run["seconds_left"]
        st.metric("Time left", duration(left) if status in live_data.ACTIVE and left == left else "–", width="content")
        speed = run["tokens_per_second"]
        st.metric("Tokens per second", count(speed) if speed == speed and speed else "–", width="content")


def show_buttons(run: "pd.Series[Any]") -> None:
    """Pause, resume and stop, as far as the run's status allows."""
    run_id, status = run["run_id"], run["status"]
    if status == "running":
        st.button("Pause", key=f"live_pause_{run_id}", icon=":material/pause:", on_click=_ask, args=([run_id], "pause"),
                  **for_editors("Hold the run after the current step; nothing is lost."))  # fmt: skip
    if status == "paused" or status in live_data.RESUMABLE:
        st.button("Resume", key=f"live_resume_{run_id}", icon=":material/play_arrow:", type="primary",
                  on_click=_ask, args=([run_id], "resume"),
                  **for_editors("Go on: a paused run at once, any other from the last point it kept."))  # fmt: skip
    if status in (*live_data.ACTIVE, "queued"):
        with st.popover(
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
    elif status == "failed":
        st.error(f"This run failed. {reason}{kept}", icon=":material/error:")
    elif status == "interrupted":
        st.warning(f"This run was interrupted. {reason}{kept}", icon=":material/power_off:")
    elif status == "stopped":
        stopped = reason or f"This run was stopped at step {run['step']:,}."
        st.info(f"{stopped}{kept}", icon=":material/stop_circle:")


def show_charts(experiment_id: str, run_id: str, tasks: list[str]) -> None:
    """Losses over steps, the matrix, and what lies behind one of its cells."""
    score = st.segmented_control(
        "Score", list(SCORES), default="nats_per_token", key="live_score", format_func=lambda name: SCORES[name].title,
        help="What the held-out curves and the matrix show. Bits per byte compares across languages and tokenizers.",
    )  # fmt: skip
    score = score or "nats_per_token"
    st.subheader("Losses", help=(
        "Solid: what training minimises, term by term, in nats per token. Dashed: each task's held-out text, from a "
        f"fixed sample. A cross marks the first look in a later stage at which a past task's held-out loss is more "
        f"than {TOLERANCE_NATS_PER_TOKEN} nats per token above its last in the task's own stage."
    ))  # fmt: skip
    st.fragment(told(show_losses), key=LOSSES)(experiment_id, run_id, tasks, score)
    st.subheader("Past and new tasks", help=(
        "Rows: after each stage. Columns: tasks in training order. Blue is better than the base model, orange worse. "
        "Outlined: the stage's new task; left of it past tasks, with the change since their own stage; right of it "
        "tasks not trained on yet."
    ))  # fmt: skip
    st.fragment(told(show_past), key=PAST)(experiment_id, run_id, tasks, score)


def show_losses(experiment_id: str, run_id: str, tasks: list[str], score: str) -> None:
    """The curves of one run."""
    run = one_run(experiment_id, run_id)
    live_data.saw(LOSSES, _said(run).size)
    losses = live_data.feed().losses(run, tasks, score)
    live_chart(losses, "live_losses_chart", height=470, narrow_height=600, revision=f"{run_id} {score}")


def show_past(experiment_id: str, run_id: str, tasks: list[str], score: str) -> None:
    """The matrix of one run, beside one of its cells."""
    run = one_run(experiment_id, run_id)
    live_data.saw(PAST, _said(run).size[1:])
    left, right = st.columns([3, 2], gap="medium")
    with left:
        height = 70 + 58 * (len(tasks) + 1)
        live_chart(
            live_data.feed().matrix(run, tasks, score), "live_matrix", height=height,
            on_click=lambda: open_cell(experiment_id, tasks), revision=f"{run_id} {score}",
        )  # fmt: skip
        st.caption("Select a cell to open what lies behind it.")
    with right:
        show_cell(experiment_id, _said(run), tasks, score, revision=str(run["run_id"]))


def _names(runs: pd.DataFrame) -> "pd.Series[str]":
    """How runs are called, by run id: settings and seeds only where they tell runs apart."""
    named = runs.set_index("run_id")
    labels = named["label"].map(brief_labels(named["label"]))
    return labels if named["seed"].nunique() == 1 else labels + " · seed " + named["seed"].astype(str)


def _said(run: "pd.Series[Any]") -> Followed:
    return live_data.feed().followed(str(run["run_id"]), int(run["attempt"]))


def _ask(run_ids: list[str], what: Literal["pause", "resume", "stop"]) -> None:
    """Pass a wish on to the runner, and say what comes of it."""
    act, said = {
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
        st.toast(said)
    with suppress(StoreError):
        live_data.feed().look_again()


def _stop_all(experiment_id: str) -> None:
    try:
        runs = session.store().runs(experiment_id)
    except StoreError as error:
        st.toast(plain(str(error)), icon=":material/error:")
        return
    active = runs[runs["status"].isin([*live_data.ACTIVE, live_data.WAITING])]
    _ask(active.sort_values("position", na_position="last")["run_id"].tolist(), "stop")


page()
