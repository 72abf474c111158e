"""What the Live page says of a run that computes on another machine, was cut short on one, or began with stages of
another run."""

import socket
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from engine.experiments.origin import Origin
from ui.live import data, words
from ui.widgets.text import plain


def show_elsewhere(run: "pd.Series[Any]", nodes: Mapping[str, str]) -> None:
    """Say how often a run was cut short elsewhere and why, and on which node it computes. `nodes` are those of all runs
    of its experiment, by run id."""
    with st.container(gap=None):  # a place of its own, so that nothing below stands twice while a line comes or goes
        sentences = run["interruptions"]
        if isinstance(sentences, list) and sentences:
            said = words.cut_short(len(sentences), _waits_to_go_on(run))
            st.caption(
                f":material/moving: {said} {plain(sentences[-1])}",
                help=words.each_time(sentences) if len(sentences) > 1 else None,
            )
        if node := node_to_name(str(run["run_id"]), nodes):
            st.caption(f":material/dns: {words.node(node)}")


def show_taken_stages(origin: Origin | None, environment: Mapping[str, Any]) -> None:
    """Say whose stages a run began with, and what that means for its curves and its numbers."""
    if origin is not None and origin.stages:
        said = words.taken_stages(origin.stages, origin.name)
        unlike = origin.unlike(environment)
        st.caption(plain(f"{said} {words.unlike_stages(unlike)}" if unlike else said))


def _waits_to_go_on(run: "pd.Series[Any]") -> bool:
    """Whether a run is in the queue because it was cut short elsewhere."""
    sentences = run["interruptions"]
    return run["status"] == data.WAITING and isinstance(sentences, list) and run["reason"] in sentences[-1:]


def node_to_name(run_id: str, nodes: Mapping[str, str]) -> str:
    """The node of a run, where it says something: other runs have another one, or it is not this machine. Empty where
    it says nothing, or the run has recorded none."""
    node = nodes.get(run_id, "")
    return node if len(set(nodes.values())) > 1 or node != socket.gethostname() else ""
