"""Every page shares these: the store, the runner and the library of this server, and the experiment in the URL."""

from __future__ import annotations

import contextlib
import gc
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.errors import StreamlitAPIException

from engine.common.paths import data_folder
from ui.server import entrance
from ui.server.navigation import APP_RAN, navigation
from ui.server.navigation import COMPARE as COMPARE
from ui.server.navigation import EXPERIMENT as EXPERIMENT
from ui.server.navigation import LIVE as LIVE
from ui.server.navigation import RUNS as RUNS
from ui.server.navigation import START as START
from ui.server.navigation import TASKS as TASKS
from ui.server.navigation import UNDERSTAND as UNDERSTAND

if TYPE_CHECKING:  # a page waits for what it uses alone
    import pandas as pd

    from engine.guards.guard_sets import GuardSets
    from engine.insight.prompt_sets import PromptSets
    from engine.insight.serving.desk import Desk
    from engine.persistence.shared_results import SharedResults
    from engine.running.queue import Runner
    from engine.store import Store
    from engine.tasks.library import Library

WITH_LIBRARY = "library"
"""The part of the Experiment page's address that says: begin with all tasks of the library."""

_APP_ASKED_FOR = "app_asked_for"

# Streamlit's modules stay for good: looking through them for garbage is a quarter of the time to load the engine's.
gc.freeze()


def admit() -> None:
    """End the page of a visitor who may not see what is here, by whatever way it was reached."""
    _need_app()
    entrance.enter()


def _need_app() -> None:
    """Run again, through `app.py`, where a page runs without it.

    Until `app.py` has run once, Streamlit takes every file of the folder `pages` for a page of its own. A browser that
    was left open on one of them asks for it as soon as the server is back.
    """
    if APP_RAN in st.session_state or _APP_ASKED_FOR in st.session_state:
        return
    st.session_state[_APP_ASKED_FOR] = True
    with contextlib.suppress(StreamlitAPIException):  # a page that is tested by itself has no others beside it
        navigation()
        st.rerun()


def store() -> Store:
    """The store of this server's data folder."""
    admit()
    return _store(data_folder())


def store_of_routes() -> Store:
    """The same for a route of the server, which has asked itself who the visitor is (`ui/server/route_visitors.py`)."""
    return _store(data_folder())


def runner() -> Runner:
    """The thread that trains, started beside the server or by the first page that asks; it outlives every cache."""
    admit()
    from engine.running.queue import get_runner

    return get_runner(data_folder())


def library() -> Library:
    """The library of tasks of this server's data folder."""
    admit()
    return _library(data_folder())


def desk() -> Desk:
    """Where this server's models are asked; it outlives every cache."""
    admit()
    from engine.insight.serving.desk import get_desk

    return get_desk(data_folder())


def prompt_sets() -> PromptSets:
    """The prompts that are kept in this server's data folder."""
    admit()
    from engine.insight.prompt_sets import PromptSets

    return PromptSets(data_folder())


def guard_sets() -> GuardSets:
    """The guards that are kept in this server's data folder."""
    admit()
    from engine.guards.guard_sets import GuardSets

    return GuardSets(data_folder())


def kept_results() -> SharedResults:
    """The scores and answers that the desk has kept."""
    admit()
    from engine.insight.kept_results import kept_results

    return kept_results(data_folder())


@st.cache_resource(show_spinner=False)
def _store(folder: Path) -> Store:
    from engine.store import Store

    return Store(folder)


@st.cache_resource(show_spinner=False)
def _library(folder: Path) -> Library:
    from engine.tasks.library import Library

    return Library(folder)


def experiments_to_choose() -> pd.DataFrame:
    """The experiments that pages offer, the newest first, as `Store.experiments` gives them: without those that are
    archived and that the address does not name, unless all are."""
    every = store().experiments()
    offered = every[~every["archived"].astype(bool) | every["experiment_id"].isin(experiments_in_url())]
    return offered if len(offered) else every


def experiment_in_url() -> str | None:
    """The id of the experiment that the page's address names."""
    return st.query_params.get("experiment") or None


def run_in_url() -> str | None:
    """The id of the run that the page's address names."""
    return st.query_params.get("run") or None


def experiments_in_url() -> list[str]:
    """Every experiment that the page's address names, for pages that take several."""
    return [name for name in st.query_params.get_all("experiment") if name]


def remember_in_url(*experiment_ids: str) -> None:
    """Put the page's experiments into its address, so that it can be reloaded and shared."""
    if experiments_in_url() != list(experiment_ids):
        st.query_params["experiment"] = list(experiment_ids)


def experiment_link(
    page: str, experiment_id: str | None, label: str, icon: str | None = None, help: str | None = None, **choices: str
) -> None:
    """A link to another page about the same experiment, such as `experiment_link(LIVE, id, "Watch it")`; `choices` go
    into its address too."""
    st.page_link(page, label=label, icon=icon, help=help, query_params=_query(experiment_id) | choices)


def go_to(page: str, experiment_id: str | None = None) -> None:
    """Leave for another page at once, with the experiment in its address."""
    st.switch_page(page, query_params=_query(experiment_id))


def _query(experiment_id: str | None) -> dict[str, str]:
    return {"experiment": experiment_id} if experiment_id else {}
