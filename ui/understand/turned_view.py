"""The view of turned answers: held-out questions that one model answered right and the other did not."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from engine.common.numerals import percent
from engine.experiments.experiment import Experiment
from engine.insight.requests import TurnedRequest
from engine.results.verdict import chance
from ui.understand.address import Address
from ui.understand.asking import show_asked
from ui.understand.models import Models
from ui.understand.pair_choice import Choices, choose_pair, show_no_stage
from ui.widgets.shown_text import on_one_line
from ui.widgets.text import plain, plural

LOST, GAINED, ALL = "Right → wrong", "Wrong → right", "All"
_PLAIN = "text"
_RIGHT = {True: "✓", False: "✗"}


def show_turned(
    experiment_id: str, experiment: Experiment, facts: Sequence[Mapping[str, Any]], models: Models, address: Address
) -> Choices:
    """Draw the view; gives the choices for the address. `facts` are those of the experiment's tasks."""
    if not models.stages:
        show_no_stage(experiment_id, "Here the answers that turned right or wrong will stand.")
        return {}
    pair, choices = choose_pair(experiment_id, experiment, models, address)
    if pair is None:
        return choices
    recorded = {task.name: task.label for task in experiment.tasks}[pair.task]
    if any(each["name"] == recorded and each.get("kind") == _PLAIN for each in facts):
        st.info(
            f"{plain(pair.task)} is plain text: no document has a prompt and an answer that is expected, so nothing "
            "can be right or wrong. Passages show what was forgotten of it.",
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
    counts = {LOST: found["lost"], GAINED: found["gained"], ALL: len(rows)}
    chosen = st.segmented_control(
        "Answers", list(counts), default=LOST if found["lost"] or not found["gained"] else GAINED, required=True,
        format_func=lambda name: f"{name} ({counts[name]:,})", key="understand_turned",
        help="An answer is right where it equals the expected one, apart from upper and lower case and white space.",
    )  # fmt: skip
    table = table_of([row for row in rows if _is_in(row, str(chosen))])
    if table.empty:
        st.caption("No answer turned this way.")
    else:
        st.dataframe(table, hide_index=True, key="understand_turned_table", alt="Questions and both answers",
                     column_config={name: st.column_config.TextColumn(width="medium") for name in table})  # fmt: skip
    if found["classes"]["before"]:
        with st.expander("Accuracy by expected answer", icon=":material/category:"):
            st.dataframe(classes_table(found["classes"]), hide_index=True, key="understand_classes",
                         alt="Accuracy of both models for each expected answer")  # fmt: skip


def show_scores(found: Mapping[str, Any]) -> None:
    """Exact match and token F1 of both models, and what chance would do."""
    before, after = found["scores"]["before"], found["scores"]["after"]
    with st.container(horizontal=True, gap="large"):
        for title, name, text in (
            ("Exactly right", "exact", "Share of answers that equal the expected one."),
            ("Token F1", "f1", "2PR / (P + R) of the words of the answer and of the expected one, mean."),
        ):
            change = 100 * (after[name] - before[name])
            st.metric(
                title, f"{percent(before[name])} → {percent(after[name])}", f"{change:+.1f} points", width="content",
                help=text,
            )  # fmt: skip
    asked = plural(len(found["rows"]), "held-out question")
    left_out = (
        f" {plural(found['left_out'], 'question')} fill the context and were left out." if found["left_out"] else ""
    )
    st.caption(
        f"{asked}, answered greedily by both models. {plural(found['lost'], 'answer')} turned wrong and "
        f"{found['gained']:,} turned right: {chance(found['p'])} (McNemar's exact test).{left_out}"
    )


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The questions as people read them."""
    return pd.DataFrame(
        {
            "Question": [on_one_line(row["prompt"]) for row in rows],
            "Expected": [on_one_line(row["expected"]) for row in rows],
            "Before": [_marked(row["before"]) for row in rows],
            "After": [_marked(row["after"]) for row in rows],
        }
    )


def classes_table(classes: Mapping[str, Mapping[str, Sequence[float]]]) -> pd.DataFrame:
    """One row a label, the commonest first: how many questions expect it, and the share that is answered by it."""
    return pd.DataFrame(
        {
            "Expected": [on_one_line(label) for label in classes["before"]],
            "Questions": [int(count) for count, _ in classes["before"].values()],
            "Before": [percent(share) for _, share in classes["before"].values()],
            "After": [percent(share) for _, share in classes["after"].values()],
        }
    )


def _marked(answer: Mapping[str, Any]) -> str:
    return f"{_RIGHT[bool(answer['exact'])]} {on_one_line(answer['text'])}"


def _is_in(row: Mapping[str, Any], chosen: str) -> bool:
    before, after = row["before"]["exact"], row["after"]["exact"]
    return chosen == ALL or (before and not after if chosen == LOST else after and not before)
