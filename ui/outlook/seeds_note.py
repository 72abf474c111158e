"""What the chosen number of seeds can show, said before anything is trained."""

import streamlit as st

from engine.experiments.experiment import Experiment
from engine.results.comparison import trains_on_all
from engine.results.paired_tests import POWER, SIGNIFICANCE, detectable
from ui.outlook import words

MORE_SEEDS = (3, 5, 10, 20)
"""Numbers of seeds that the note looks ahead to."""
LARGE = 2.0
"""Standard deviations from which a difference is called large."""


def show_what_seeds_can_show(experiment: Experiment) -> None:
    """One sentence under the seeds; its help has what more seeds would show, and the way it was worked out."""
    text, explanation = seeds_note(len(experiment.seeds), _compared(experiment))
    first, stop, rest = text.partition(". ")
    st.caption(f"{first}." if stop else first, help=f"{rest}\n\n{explanation}" if stop else explanation or None)


def seeds_note(seeds: int, configurations: int) -> tuple[str, str]:
    """How large a difference must be to be told from chance, and how that is known."""
    if configurations < 2:
        return words.ONE_STRATEGY, ""
    size = detectable(seeds, configurations)
    ahead = [(more, detectable(more, configurations)) for more in MORE_SEEDS if more > seeds]
    needed = [words.with_more_seeds(found, more) for more, found in ahead if found]
    if size is None:
        return words.one_seed(configurations, needed[:3]), _explanation(configurations)
    text = words.likely_established(seeds, configurations, size, only_large=size > LARGE)
    if needed:
        text += words.more_seeds(needed[:2])
    return text, _explanation(configurations)


def _explanation(configurations: int) -> str:
    return words.how_established(configurations * (configurations - 1) // 2, SIGNIFICANCE, POWER)


def _compared(experiment: Experiment) -> int:
    return sum(not trains_on_all(spec.name) for spec in experiment.runs_of_one_seed())
