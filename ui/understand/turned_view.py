"""The view of turned answers: held-out questions that one model answered right and the other did not."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from engine.common.numerals import percent
from engine.experiments.experiment import Experiment
from engine.insight.requests import TurnedRequest
from engine.results.verdict import chance
from ui.understand import words
from ui.understand.address import Address
from ui.understand.asking import show_asked
from ui.understand.models import Models
from ui.understand.pair_choice import Choices, choose_pair, show_no_stage
from ui.widgets.shown_text import on_one_line

_PLAIN = "text"
_RIGHT = {True: "✓", False: "✗"}


def show_turned(
    experiment_id: str, experiment: Experiment, facts: Sequence[Mapping[str, Any]], models: Models, address: Address
) -> Choices:
    """Draw the view; gives the choices for the address. `facts` are those of the experiment's tasks."""
    if not models.stages:
        show_no_stage(experiment_id, words.TURNED_TO_COME)
        return {}
    pair, choices = choose_pair(experiment_id, experiment, models, address)
    if pair is None:
        return choices
    recorded = {task.name: task.label for task in experiment.tasks}[pair.task]
    if any(each["name"] == recorded and each.get("kind") == _PLAIN for each in facts):
        st.info(
            words.plain_text_only(pair.task),
            icon=":material/info:",
        )
        return choices
    show_asked("understand_turned", TurnedRequest(pair.task, pair.before, pair.after), _draw)
    return choices


def _draw(found: Any, grows: bool) -> None:
    if not found:
        return
    show_scores(found)
    rows = found["rows"]
    counts = {words.TURNED_WRONG: found["lost"], words.TURNED_RIGHT: found["gained"], words.ALL_TURNED: len(rows)}
    chosen = st.segmented_control(
        words.WHICH_ANSWERS,
        list(counts),
        default=words.TURNED_WRONG if found["lost"] or not found["gained"] else words.TURNED_RIGHT,
        required=True,
        format_func=lambda name: f"{name} ({counts[name]:,})",
        key="understand_turned",
        help=words.WHICH_ANSWERS_HELP,
    )
    table = table_of([row for row in rows if _is_in(row, str(chosen))])
    if table.empty:
        st.caption(words.NONE_TURNED)
    else:
        st.dataframe(table, hide_index=True, key="understand_turned_table", alt=words.TURNED_ALT,
                     column_config={name: st.column_config.TextColumn(width="medium") for name in table})  # fmt: skip
    if found["classes"]["before"]:
        with st.expander(words.BY_EXPECTED, icon=":material/category:"):
            st.dataframe(classes_table(found["classes"]), hide_index=True, key="understand_classes",
                         alt=words.BY_EXPECTED_ALT)  # fmt: skip


def show_scores(found: Mapping[str, Any]) -> None:
    """Exact match and token F1 of both models, and what chance would do."""
    before, after = found["scores"]["before"], found["scores"]["after"]
    with st.container(horizontal=True, gap="large"):
        for title, name, text in (
            (words.EXACT, "exact", words.EXACT_HELP),
            (words.F1, "f1", words.F1_HELP),
        ):
            change = 100 * (after[name] - before[name])
            st.metric(
                title, f"{percent(before[name])} → {percent(after[name])}", words.points(change), width="content",
                help=text,
            )  # fmt: skip
    test = chance(found["p"])
    st.caption(words.turned(len(found["rows"]), found["lost"], found["gained"], test, found["left_out"]))


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The questions as people read them."""
    return pd.DataFrame(
        {
            words.QUESTION_TITLE: [on_one_line(row["prompt"]) for row in rows],
            words.EXPECTED_TITLE: [on_one_line(row["expected"]) for row in rows],
            words.BEFORE_TITLE: [_marked(row["before"]) for row in rows],
            words.AFTER_TITLE: [_marked(row["after"]) for row in rows],
        }
    )


def classes_table(classes: Mapping[str, Mapping[str, Sequence[float]]]) -> pd.DataFrame:
    """One row a label, the commonest first: how many questions expect it, and the share that is answered by it."""
    return pd.DataFrame(
        {
            words.EXPECTED_TITLE: [on_one_line(label) for label in classes["before"]],
            words.QUESTIONS_TITLE: [int(count) for count, _ in classes["before"].values()],
            words.BEFORE_TITLE: [percent(share) for _, share in classes["before"].values()],
            words.AFTER_TITLE: [percent(share) for _, share in classes["after"].values()],
        }
    )


def _marked(answer: Mapping[str, Any]) -> str:
    return f"{_RIGHT[bool(answer['exact'])]} {on_one_line(answer['text'])}"


def _is_in(row: Mapping[str, Any], chosen: str) -> bool:
    before, after = row["before"]["exact"], row["after"]["exact"]
    return chosen == words.ALL_TURNED or (
        before and not after if chosen == words.TURNED_WRONG else after and not before
    )
