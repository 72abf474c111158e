"""What the Live page reads at every refresh, kept small: losses by increments, figures only when something changed."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from figures.curves import loss_figure
from figures.matrix import matrix_figure
from ui import session

ACTIVE = ("running", "paused")
WAITING = "queued"
RESUMABLE = ("interrupted", "failed", "stopped")
_FOLLOWED = ("running", "paused", "queued", "failed", "interrupted", "stopped")


def newest_active(experiments: pd.DataFrame) -> str:
    """The experiment to show when nobody named one: the newest that runs, else that waits, else the newest."""
    for statuses in (ACTIVE, (WAITING,)):
        found = experiments[experiments["status"].isin(statuses)]
        if len(found):
            return str(found["experiment_id"].iloc[0])
    return str(experiments["experiment_id"].iloc[0])


def followed(runs: pd.DataFrame) -> str:
    """The run to show when nobody chose one: what runs, else what is due next, else what came last."""
    for status in _FOLLOWED[:3]:
        found = runs[runs["status"] == status]
        if len(found):
            return str(found.sort_values("position")["run_id"].iloc[0])
    touched = runs.sort_values("heartbeat_at", na_position="first")
    return str(touched["run_id"].iloc[-1])


def is_active(runs: pd.DataFrame) -> bool:
    """Whether anything here can still change by itself."""
    return bool(runs["status"].isin([*ACTIVE, WAITING]).any())


def losses(run_id: str, attempt: int) -> pd.DataFrame:
    """All losses of a run; only what is newer than the last call of this session is read from the store.

    A new attempt may train a stage again, so it starts afresh.
    """
    kept = st.session_state.get("live_losses")
    same = kept is not None and kept[0] == (run_id, attempt)
    before = kept[1] if same else None
    last = int(before["step"].max()) if before is not None and len(before) else 0
    new = session.store().losses([run_id], after_step=last)
    if before is None or before.empty:
        frame = new
    else:
        frame = pd.concat([before, new], ignore_index=True) if len(new) else before
    st.session_state["live_losses"] = ((run_id, attempt), frame)
    return frame


def charts(run: "pd.Series[Any]", tasks: Sequence[str], score: str) -> tuple[go.Figure, go.Figure]:
    """The loss curves and the score matrix of a run; the last ones again while nothing was added to them."""
    run_id, store = str(run["run_id"]), session.store()
    frame = losses(run_id, int(run["attempt"]))
    curve, stages, matrix = store.curve([run_id]), store.stages([run_id]), store.matrix([run_id])
    steps = int(run["steps"]) or None
    seen = (run_id, run["attempt"], score, len(frame), len(curve), len(stages), len(matrix), steps)

    def draw() -> tuple[go.Figure, go.Figure]:
        terms = set(frame["term"]) | ({"penalty"} if "ewc" in str(run["strategy"]) else set())
        return loss_figure(frame, curve, stages, tasks, score, sorted(terms), steps), matrix_figure(
            matrix, tasks, score
        )

    return _unless_seen("live_charts", seen, draw)


def _unless_seen(key: str, seen: Any, draw: Callable[[], Any]) -> Any:
    kept = st.session_state.get(key)
    if kept is None or kept[0] != seen:
        kept = st.session_state[key] = (seen, draw())
    return kept[1]
