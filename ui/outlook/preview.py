"""The cost of an experiment by run, and facts about its tasks, on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.events.scores import Score
from engine.experiments.experiment import Experiment
from engine.persistence.shared_results import SharedResults
from engine.strategies.short_names import short_name
from ui.outlook.outlook import Outlook, identities
from ui.server import actions, entrance, warm_up
from ui.widgets.text import bytes_size, count, duration, plain, plural

if TYPE_CHECKING:
    import pandas as pd

    from engine.forecast.estimate import Estimate
    from engine.forecast.task_overlap import SharedDocument

_SHOWN_DUPLICATES = 20
_WRITTEN = "Written tokens"


def show_details(outlook: Outlook, experiment: Experiment, shared: SharedResults) -> None:
    """Time, memory and disk of every run, and what the numbers rest on."""
    result, speed = outlook.estimate, outlook.speed
    written = st.column_config.NumberColumn(
        help="By the model: texts that a strategy has it write, and its answers to held-out questions and guards, at "
        "most."
    )
    st.dataframe(_estimate_table(result), hide_index=True, column_config={_WRITTEN: written})
    st.caption(
        f"Of one seed. {plain(experiment.model)} has {count(speed.parameters)} parameters and trains at about "
        f"{count(speed.training_tokens_per_second)} tokens a second here ({speed.device}), the fastest that "
        "was timed; other work on this machine slows it down. Stages that several runs have in "
        "common are trained once. The run that needs most memory takes about "
        f"{bytes_size(result.memory_bytes)}."
    )
    found = outlook.room
    limit = f" of the {bytes_size(found.limit)} that may be" if found.limit is not None else ""
    st.caption(
        f"This data folder uses {bytes_size(found.used)}{limit}; there is room for {bytes_size(found.free)} more."
    )
    _show_shared(shared)


def _show_shared(shared: SharedResults) -> None:
    """Show how much is kept of earlier runs, and the way to be rid of it."""
    size = shared.total_bytes()
    if not size:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"{bytes_size(size)} of trained stages and encoded texts are kept (at most "
            f"{bytes_size(shared.limit_bytes)}): a run that would make "
            "the very same takes them over, to the same numbers.",
            width="stretch",
        )
        st.button(
            "Forget them", key="experiment_forget_shared", icon=":material/delete_sweep:", type="tertiary",
            on_click=_forget, args=(shared,),
            **entrance.for_editors(
                "Later runs make everything anew. Runs and checkpoints that exist keep all of theirs."
            ),
        )  # fmt: skip


def _forget(shared: SharedResults) -> None:
    try:
        actions.forget_shared(shared)
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")


def _estimate_table(result: Estimate) -> pd.DataFrame:
    import pandas as pd  # a page that is not asked for tables does not wait for them

    counted = {
        "Fisher tokens": [run.fisher_tokens for run in result.runs],
        "Tokens read without a gradient": [run.forward_tokens for run in result.runs],
        _WRITTEN: [run.written_tokens for run in result.runs],
    }
    return pd.DataFrame(
        {
            "Run": [short_name(run.label) for run in result.runs],
            "Trained tokens": [run.training_tokens for run in result.runs],
            **{name: tokens for name, tokens in counted.items() if any(tokens)},
            "Time": [duration(run.seconds) for run in result.runs],
            "Memory": [bytes_size(run.memory_bytes) for run in result.runs],
            "Disk": [bytes_size(run.disk_bytes) for run in result.runs],
        }
    )


def show_look_ahead(experiment: Experiment, shared: SharedResults) -> None:
    """Base-model scores, vocabulary overlap, and documents in more than one place."""
    st.caption(
        "What can be known before training: how hard each task is for the base model, and how alike the tasks are."
    )
    tasks = identities(experiment)
    key = (experiment.model, tasks)
    pressed = st.button(
        "Look ahead", key="experiment_look_ahead", icon=":material/visibility:",
        **entrance.for_editors(
            "Scores the base model on each task and compares the tasks' vocabularies and documents."
        ),
    )  # fmt: skip
    if not pressed and st.session_state.get("experiment_looked_at") != key:
        return
    try:
        entrance.require_change()
        with st.spinner("Scoring the base model on each task …"):
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

    st.markdown("**The base model on each task**")
    table = pd.DataFrame([{"Task": name, **score.as_dict()} for name, score in zip(names, scores, strict=True)])
    st.dataframe(
        table.drop(columns="nats_per_token"),
        hide_index=True,
        column_config={
            "perplexity": st.column_config.NumberColumn("Perplexity", format="%.1f", help="exp of nats per token"),
            "bits_per_byte": st.column_config.NumberColumn(
                "Bits per byte", format="%.3f", help="Comparable across tasks and languages; lower is better."
            ),
            "accuracy": st.column_config.NumberColumn(
                "Accuracy", format="percent", help="Share of tokens that are the model's first guess."
            ),
        },
    )
    st.caption("On a sample of the held-out text. A task of low perplexity has little to gain from training.")


def _overlap(matrix: pd.DataFrame) -> None:
    st.markdown("**Vocabulary overlap**")
    matrix.index.name = "Task"
    columns = {
        name: st.column_config.ProgressColumn(name, min_value=0.0, max_value=1.0, format="%.2f")
        for name in matrix.columns
    }
    st.dataframe(matrix, column_config=columns)
    st.caption(
        "1: both tasks use the same tokens equally often; 0: they share none. Expect more forgetting between tasks "
        "that have little in common."
    )


def _duplicates(found: tuple[SharedDocument, ...]) -> None:
    if not found:
        st.success("No document stands in two tasks or on both sides of a split.", icon=":material/check:")
        return
    import pandas as pd

    leaks = sum(shared.leaks for shared in found)
    sentence = f"{plural(len(found), 'document stands', 'documents stand')} in more than one place"
    if leaks:
        sentence += (
            f"; {leaks} of them are trained on in one and held out in another, which flatters that task's scores"
        )
    st.warning(sentence + ".", icon=":material/content_copy:")
    shown = found[:_SHOWN_DUPLICATES]
    table = {
        "Document": [shared.excerpt for shared in shown],
        "Stands in": [", ".join(f"{task} ({side})" for task, side in shared.places) for shared in shown],
    }
    st.dataframe(pd.DataFrame(table), hide_index=True)
    if len(found) > len(shown):
        st.caption(f"The first {len(shown)} of {len(found)}.")
