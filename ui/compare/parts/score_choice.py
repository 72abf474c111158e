"""The choice of the score that the compare page is in."""

from collections.abc import Sequence

import streamlit as st

from engine.events.scores import ANSWER_SCORES, SCORE_NAMES
from engine.store import Store
from figures.theme import SCORES
from ui.compare import words


def choose_score(store: Store, experiment_ids: Sequence[str]) -> str:
    """The score that tables, figures and verdict are in; those of answers where any run of the experiments has some."""
    names = (*SCORE_NAMES, *(ANSWER_SCORES if _has_answers(store, experiment_ids) else ()))
    score: str = st.selectbox(
        words.SCORE,
        sorted(names, key=lambda name: name != "bits_per_byte"),
        format_func=lambda name: SCORES[name].title,
        key="compare_score",
        help=" ".join(words.SCORE_HELPS[name] for name in names),
        width=190,
    )
    return score


def _has_answers(store: Store, experiment_ids: Sequence[str]) -> bool:
    """Whether any run of these experiments answers held-out questions."""
    if not experiment_ids:
        return False
    facts = store.task_facts_by_run(store.runs(list(experiment_ids))["run_id"].tolist())
    return any(task.get("questions") for tasks in facts.values() for task in tasks)
