"""What there is to know of a run beside its charts, in folds: stages, what strategies and guards say, and the log."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from engine.results.clipping_words import in_words
from ui.live import data, words
from ui.live.beside import guards_table
from ui.live.elsewhere import show_elsewhere
from ui.live.feed import Followed
from ui.server import entrance, session
from ui.widgets.text import count, duration, plain

_LOG_BYTES, _LOG_PIXELS = 20_000, 320


def show_details(experiment_id: str, run: "pd.Series[Any]", followed: Followed, tasks: Sequence[str]) -> None:
    """Draw the folds; what is in them is put together once they are open."""
    stages = st.expander(words.DETAILS, icon=":material/list:", key="live_details_fold", on_change="rerun")
    if stages.open:
        with stages:
            show_elsewhere(run, data.feed().nodes(experiment_id))
            _show_stages(followed)
    if followed.guards:
        guards = st.expander(words.GUARDS, icon=":material/shield:", key="live_guards_fold", on_change="rerun")
        if guards.open:
            table = guards_table(followed.guards, tasks)
            guards.dataframe(table, hide_index=True, key="live_guards", alt=words.GUARDS_ALT)
    log = st.expander(words.LOG, icon=":material/article:", key="live_log_fold", on_change="rerun")
    if log.open:
        with log:
            _show_log(session.store().log_path(str(run["run_id"])))


def stages_table(stages: pd.DataFrame) -> pd.DataFrame:
    """One row a stage that has begun: what it trained on and how long it took."""
    rows = stages[stages["stage"] >= 1].sort_values("stage").to_dict("records")
    columns = (
        [f"{row['stage']} · {row['task']}" for row in rows],
        [f"{row['steps']:,}" for row in rows],
        [count(row["target_tokens"]) if row["target_tokens"] else "–" for row in rows],
        [duration(row["seconds"]) if row["seconds"] else "–" for row in rows],
        [words.TRAINED if row["finished"] else words.BEGUN for row in rows],
    )
    return pd.DataFrame(dict(zip(words.STAGE_COLUMNS, columns, strict=True)))


def _show_stages(followed: Followed) -> None:
    table = stages_table(followed.stages)
    if not table.empty:
        st.dataframe(table, hide_index=True, key="live_stages", alt=words.STAGES)
    if followed.clipping:
        st.caption(plain(in_words(followed.clipping)))
    for stage in followed.stages.itertuples():
        for remark in stage.remarks:
            st.caption(plain(words.of_stage(stage.stage, remark)))


def _show_log(path: Path) -> None:
    """The end of the log, to who is at this machine: it holds paths and details of errors."""
    if not entrance.is_private():
        st.caption(words.LOG_ELSEWHERE)
        return
    text = _end_of(path)
    if text:
        st.code(text, language=None, wrap_lines=True, height=_LOG_PIXELS)
    else:
        st.caption(words.LOG_EMPTY)


def _end_of(path: Path) -> str:
    """The last lines of a file; nothing where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_BYTES))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
