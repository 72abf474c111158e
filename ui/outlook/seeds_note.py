"""What the chosen number of seeds can show, said before anything is trained."""

import streamlit as st

from engine.experiments.experiment import Experiment
from engine.results.comparison import trains_on_all
from engine.results.paired_tests import POWER, SIGNIFICANCE, detectable
from ui.widgets.text import plural

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
        return "A single strategy has nothing to be compared with; joint is the reference and is not tested.", ""
    compared, size = f"{configurations} strategies and settings", detectable(seeds, configurations)
    ahead = [(more, detectable(more, configurations)) for more in MORE_SEEDS if more > seeds]
    needed = [f"about {_written(found)} times with {more} seeds" for more, found in ahead if found]
    if size is None:
        text = (
            "One seed can't establish any difference: nothing tells it from chance. To be established among "
            f"{compared}, a difference must be large against its variation from seed to seed: {', '.join(needed[:3])}."
        )
        return text, _explanation(configurations)
    if size > LARGE:
        text = (
            f"With {seeds} seeds and {compared}, only large differences are likely to be established: about "
            f"{_written(size)} times as large as they vary from seed to seed."
        )
    else:
        text = (
            f"With {seeds} seeds and {compared}, a difference is likely to be established if it is at least about "
            f"{_written(size)} times as large as it varies from seed to seed."
        )
    return f"{text} More seeds establish smaller ones: {', '.join(needed[:2])}." if needed else text, _explanation(
        configurations
    )


def _explanation(configurations: int) -> str:
    pairs = configurations * (configurations - 1) // 2
    return (
        "Strategies are compared seed by seed: both see the same draws, so that what a seed does to both cancels. The "
        "difference that is left still varies from seed to seed, by its standard deviation. A paired t-test at "
        f"{SIGNIFICANCE:.0%}, with Holm's correction for {plural(pairs, 'pair')}, establishes a difference of the size "
        f"named here in {POWER:.0%} of such experiments. What trains on all tasks is no rival "
        "and is not tested. How much the "
        "differences vary is known after the runs."
    )


def _compared(experiment: Experiment) -> int:
    return sum(not trains_on_all(spec.name) for spec in experiment.runs_of_one_seed())


def _written(size: float) -> str:
    return f"{size:.2g}" if size < 10 else f"{size:.0f}"
