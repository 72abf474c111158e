"""The time that runs were estimated to take, from the estimate that a session has seen to the experiment's start."""

from collections.abc import Mapping

import streamlit as st

from engine.experiments.experiment import Experiment

_ESTIMATED = "experiment_estimated"


def keep(experiment: Experiment, seconds: Mapping[str, float]) -> None:
    """Remember the latest estimate of this session, by the runs' labels."""
    st.session_state[_ESTIMATED] = experiment.model_dump_json(exclude={"name"}), dict(seconds)


def expected_seconds(experiment: Experiment) -> dict[str, float] | None:
    """The latest estimate by label, if it was of exactly this experiment."""
    estimated, seconds = st.session_state.get(_ESTIMATED, ("", None))
    return seconds if estimated == experiment.model_dump_json(exclude={"name"}) else None
