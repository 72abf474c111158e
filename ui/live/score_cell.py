"""The details of one cell of a run's score matrix."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from engine.events.scores import ANSWER_SCORES
from figures.theme import SCORES
from ui.live import words
from ui.live.feed import Followed
from ui.server import addresses, entrance, session
from ui.widgets.live_chart import polled_chart
from ui.widgets.words import NOT_KEPT

Cell = tuple[int | None, str | None]
"""The stage and the task of a cell, as far as they are chosen."""


def open_cell(experiment_id: str, tasks: list[str], keys: list[str]) -> None:
    """Choose the cell of the matrix that was clicked, and have the fragments `keys` drawn again."""
    click = st.session_state["live_matrix"].click
    data = click.get("customdata") if isinstance(click, dict) else None
    if not data:
        return
    stage, index = data
    _choose(experiment_id, int(stage), tasks[int(index) - 1], keys)


def chosen_cell(experiment_id: str) -> Cell:
    """The stage and the task of the chosen cell."""
    cell: Cell = st.session_state.get(f"live_cell_{experiment_id}", (None, None))
    return cell


def _choose(experiment_id: str, stage: int | None, task: str | None, keys: list[str]) -> None:
    """Keep the choice under no widget's key: a widget's own value is lost when its fragment is drawn twice at once."""
    st.session_state[f"live_cell_{experiment_id}"] = (stage, task)
    st.rerun(keys)


def cell_in_a_line(matrix: pd.DataFrame, tasks: Sequence[str], stage: int, task: str, score: str) -> str:
    """The score of one cell and what it has changed by, in Markdown; empty where there is none."""
    of_task = matrix[matrix["task"] == task].set_index("stage")[score]
    if pd.isna(value := of_task.get(stage)):
        return ""
    own = tasks.index(task) + 1
    references = {words.AGAINST_OWN: own, words.AGAINST_BASE: 0}
    changes = {name: of_task.get(at) for name, at in references.items() if at < stage}
    style = SCORES[score]
    parts = [f"{style.change(value - before)} {name}" for name, before in changes.items() if not pd.isna(before)]
    return words.cell_line(task, stage, f"{style.text(value)} {style.unit}", parts)


def show_cell(
    experiment_id: str,
    followed: Followed,
    tasks: list[str],
    score: str,
    run_id: str,
    keys: list[str],
    ended: bool = False,
) -> None:
    """Numbers, curve and checkpoint behind one cell of a run's matrix, in a fold. Of a run that has `ended` no further
    score is promised. `keys` are the fragments that show which cell is chosen."""
    stage, task = chosen_cell(experiment_id)
    fold = st.expander(words.cell_title(task, stage), icon=":material/grid_on:", expanded=stage is not None)
    with fold:
        left, right = st.columns([2, 3], gap="medium")
        with left:
            rows = st.columns(2)
            for_stage, for_task = f"live_stage_{experiment_id}", f"live_task_{experiment_id}"

            def choose() -> None:
                _choose(experiment_id, st.session_state[for_stage], st.session_state[for_task], keys)

            st.session_state[for_stage], st.session_state[for_task] = stage, task
            rows[0].selectbox(
                words.AFTER_STAGE, list(range(len(tasks) + 1)), index=None, key=for_stage, on_change=choose,
                format_func=lambda t: f"{t} · {tasks[t - 1]}" if t else words.BASE_MODEL, placeholder=words.STAGE,
                help=words.AFTER_STAGE_HELP,
            )  # fmt: skip
            rows[1].selectbox(
                words.TASK,
                tasks,
                index=None,
                key=for_task,
                on_change=choose,
                placeholder=words.TASK,
                help=words.TASK_HELP,
            )
            if stage is None or task is None:
                st.caption(words.CELL_NONE)
                return
            of_task = followed.matrix[followed.matrix["task"] == task].set_index("stage")
            if stage not in of_task.index:
                st.info(words.not_scored(task, stage, ended))
                return
            _show_numbers(of_task, stage, tasks.index(task) + 1)
        if stage:
            with right:
                _show_way(experiment_id, followed, score, run_id, stage, task)


def _show_numbers(of_task: pd.DataFrame, stage: int, own: int) -> None:
    helps = {words.DELTA_BASE: words.DELTA_BASE_HELP, words.DELTA_OWN: words.DELTA_OWN_HELP}
    config = {title: st.column_config.TextColumn(help=text) for title, text in helps.items()}
    st.dataframe(_numbers(of_task, stage, own), hide_index=True, column_config=config, key="live_cell_numbers")
    cell = of_task.loc[stage]
    st.caption(words.cell_counts(cell["target_tokens"], cell["text_bytes"], int(cell["questions"])))


def _show_way(experiment_id: str, followed: Followed, score: str, run_id: str, stage: int, task: str) -> None:
    """The curve inside the cell's stage, and the checkpoint after it."""
    address = addresses.cell_of(run_id, stage, task, score)
    polled_chart("live_cell_chart", address, height=240, revision=f"{run_id} {stage} {task} {score}")
    checkpoint = followed.stages.set_index("stage")["checkpoint"].get(stage)
    if checkpoint:
        session.experiment_link(
            session.UNDERSTAND, experiment_id, words.READ_LOST, icon=":material/forum:", help=words.READ_LOST_HELP,
            view="passages", run=run_id, task=task, stage=str(stage),
        )  # fmt: skip
        _show_checkpoint(Path(checkpoint), stage)
    elif bool(followed.stages.set_index("stage")["finished"].get(stage)):
        st.caption(NOT_KEPT)


def _show_checkpoint(checkpoint: Path, stage: int) -> None:
    """Where it lies within the data folder; the whole path only to who is at this machine."""
    folder = session.store().folder
    inside = checkpoint.is_relative_to(folder)
    whole = words.whole_path(str(checkpoint)) if entrance.is_private() else words.ON_THE_SERVER
    st.caption(words.checkpoint_after(stage, inside), help=whole)
    shown = checkpoint.relative_to(folder).as_posix() if inside else checkpoint.name
    st.code(shown, language=None, wrap_lines=True)


def _numbers(of_task: pd.DataFrame, stage: int, own: int) -> pd.DataFrame:
    """Every score of one cell beside its change against the base model and after the task's own stage."""
    rows = []
    for style in SCORES.values():
        value = of_task.loc[stage, style.name]
        if style.name in ANSWER_SCORES and value != value:
            continue  # it has no questions
        row = {words.SCORE: style.title, words.VALUE: style.text(value)}
        for name, reference in ((words.DELTA_BASE, 0), (words.DELTA_OWN, own)):
            comparable = reference in of_task.index and reference != stage and reference <= stage
            row[name] = style.change(value - of_task.loc[reference, style.name]) if comparable else "–"
        rows.append(row)
    return pd.DataFrame(rows)
