"""The choice of the score that the compare page is in."""

from collections.abc import Sequence

import streamlit as st

from engine.events.scores import ANSWER_SCORES, SCORE_NAMES
from engine.store import Store
from figures.theme import SCORES
from ui.compare import words

SCORE_HELP = {
    "bits_per_byte": "Bits per byte compares across tasks, languages and tokenizers.",
    "nats_per_token": "Nats per token is the loss that training minimises.",
    "perplexity": "Perplexity is the exponential of the loss per token.",
    "accuracy": "Next-token accuracy is the share of tokens that the model puts first.",
    "exact_match": "Exact match is the share of held-out questions that are answered exactly right.",
    "token_f1": "Token F1 compares the words of an answer with those of the expected one.",
}


def choose_score(store: Store, experiment_ids: Sequence[str]) -> str:
    """The score that tables, figures and verdict are in; those of answers where any run of the experiments has some."""
    names = (*SCORE_NAMES, *(ANSWER_SCORES if _has_answers(store, experiment_ids) else ()))
    score: str = st.selectbox(
        words.SCORE,
        sorted(names, key=lambda name: name != "bits_per_byte"),
        format_func=lambda name: SCORES[name].title,
        key="compare_score",
        help=" ".join(SCORE_HELP[name] for name in names),
        width=190,
    )
    return score


def _has_answers(store: Store, experiment_ids: Sequence[str]) -> bool:
    """Whether any run of these experiments answers held-out questions."""
    if not experiment_ids:
        return False
    facts = store.task_facts_by_run(store.runs(list(experiment_ids))["run_id"].tolist())
    return any(task.get("questions") for tasks in facts.values() for task in tasks)
