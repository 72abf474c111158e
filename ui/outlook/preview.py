"""The cost of an experiment by run, and facts about its tasks, on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.events.scores import Score
from engine.experiments.experiment import Experiment
from engine.persistence.shared_results import SharedResults
from engine.strategies.short_names import short_name
from ui.outlook import words
from ui.outlook.outlook import Outlook, identities
from ui.server import actions, entrance, warm_up
from ui.widgets.text import bytes_size, duration, plain

if TYPE_CHECKING:
    import pandas as pd

    from engine.forecast.estimate import Estimate
    from engine.forecast.task_overlap import SharedDocument

_SHOWN_DUPLICATES = 20


def show_details(outlook: Outlook, experiment: Experiment, shared: SharedResults) -> None:
    """Time, memory and disk of every run, and what the numbers rest on."""
    result, speed = outlook.estimate, outlook.speed
    written = st.column_config.NumberColumn(help=words.WRITTEN_HELP)
    st.dataframe(_estimate_table(result), hide_index=True, column_config={words.WRITTEN: written})
    tokens = speed.training_tokens_per_second
    st.caption(words.estimated(experiment.model, speed.parameters, tokens, speed.device, result.memory_bytes))
    found = outlook.room
    st.caption(words.room(found.used, found.limit, found.free))
    _show_shared(shared)


def _show_shared(shared: SharedResults) -> None:
    """Show how much is kept of earlier runs, and the way to be rid of it."""
    size = shared.total_bytes()
    if not size:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(words.shared(size, shared.limit_bytes), width="stretch")
        st.button(
            words.FORGET, key="experiment_forget_shared", icon=":material/delete_sweep:", type="tertiary",
            on_click=_forget, args=(shared,),
            **entrance.for_editors(words.HELP_FORGET),
        )  # fmt: skip


def _forget(shared: SharedResults) -> None:
    try:
        actions.forget_shared(shared)
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")


def _estimate_table(result: Estimate) -> pd.DataFrame:
    import pandas as pd  # a page that is not asked for tables does not wait for them

    counted = {
        words.FISHER_TOKENS: [run.fisher_tokens for run in result.runs],
        words.FORWARD_TOKENS: [run.forward_tokens for run in result.runs],
        words.WRITTEN: [run.written_tokens for run in result.runs],
    }
    return pd.DataFrame(
        {
            words.RUN: [short_name(run.label) for run in result.runs],
            words.TRAINED_TOKENS: [run.training_tokens for run in result.runs],
            **{name: tokens for name, tokens in counted.items() if any(tokens)},
            words.TIME: [duration(run.seconds) for run in result.runs],
            words.MEMORY: [bytes_size(run.memory_bytes) for run in result.runs],
            words.DISK: [bytes_size(run.disk_bytes) for run in result.runs],
        }
    )


def show_look_ahead(experiment: Experiment, shared: SharedResults) -> None:
    """Base-model scores, vocabulary overlap, and documents in more than one place."""
    st.caption(words.ABOUT_LOOK_AHEAD)
    tasks = identities(experiment)
    key = (experiment.model, tasks)
    pressed = st.button(
        words.LOOK_AHEAD, key="experiment_look_ahead", icon=":material/visibility:",
        **entrance.for_editors(words.HELP_LOOK_AHEAD),
    )  # fmt: skip
    if not pressed and st.session_state.get("experiment_looked_at") != key:
        return
    try:
        entrance.require_change()
        with st.spinner(words.SCORING):
            warm_up.finish()
            from ui.outlook import preview_data  # loads torch, which the page is drawn without

            found = preview_data.look_ahead(experiment, tasks, shared)
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.session_state["experiment_looked_at"] = key
    _base_scores([task.label for task in experiment.tasks], found.scores)
    _overlap(found.overlap)
    _duplicates(found.duplicates)


def _base_scores(names: list[str], scores: list[Score]) -> None:
    import pandas as pd

    st.markdown(f"**{words.BASE_SCORES}**")
    table = pd.DataFrame([{words.TASK: name, **score.as_dict()} for name, score in zip(names, scores, strict=True)])
    st.dataframe(
        table.drop(columns="nats_per_token"),
        hide_index=True,
        column_config={
            "perplexity": st.column_config.NumberColumn(words.PERPLEXITY, format="%.1f", help=words.HELP_PERPLEXITY),
            "bits_per_byte": st.column_config.NumberColumn(words.BITS, format="%.3f", help=words.HELP_BITS),
            "accuracy": st.column_config.NumberColumn(words.ACCURACY, format="percent", help=words.HELP_ACCURACY),
        },
    )
    st.caption(words.ABOUT_BASE_SCORES)


def _overlap(matrix: pd.DataFrame) -> None:
    st.markdown(f"**{words.OVERLAP}**")
    matrix.index.name = words.TASK
    columns = {
        name: st.column_config.ProgressColumn(name, min_value=0.0, max_value=1.0, format="%.2f")
        for name in matrix.columns
    }
    st.dataframe(matrix, column_config=columns)
    st.caption(words.ABOUT_OVERLAP)


def _duplicates(found: tuple[SharedDocument, ...]) -> None:
    if not found:
        st.success(words.NO_DUPLICATES, icon=":material/check:")
        return
    import pandas as pd

    leaks = sum(shared.leaks for shared in found)
    st.warning(words.duplicates(len(found), leaks), icon=":material/content_copy:")
    shown = found[:_SHOWN_DUPLICATES]
    table = {
        words.DOCUMENT: [shared.excerpt for shared in shown],
        words.STANDS_IN: [", ".join(f"{task} ({side})" for task, side in shared.places) for shared in shown],
    }
    st.dataframe(pd.DataFrame(table), hide_index=True)
    if len(found) > len(shown):
        st.caption(words.first_of(len(shown), len(found)))
