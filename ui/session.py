"""What every page shares: the store, the runner and the library of this server, and the experiment in the URL."""

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from engine.paths import data_folder

if TYPE_CHECKING:
    from engine.runner import Runner
    from engine.store import Store
    from engine.tasks.library import Library

START, TASKS, EXPERIMENT, LIVE, COMPARE = (
    f"pages/{name}.py" for name in ("start", "tasks", "experiment", "live", "compare")
)


def store() -> "Store":
    """The store of this server's data folder."""
    return _store(data_folder())


def runner() -> "Runner":
    """The thread that trains, started with the first page that asks for it."""
    return _runner(data_folder())


def library() -> "Library":
    """The library of tasks of this server's data folder."""
    return _library(data_folder())


@st.cache_resource(show_spinner=False)
def _store(folder: Path) -> "Store":
    from engine.store import Store

    return Store(folder)


@st.cache_resource(show_spinner=False)
def _runner(folder: Path) -> "Runner":
    from engine.runner import get_runner

    return get_runner(folder)


@st.cache_resource(show_spinner=False)
def _library(folder: Path) -> "Library":
    from engine.tasks.library import Library

    return Library(folder)


def experiment_in_url() -> str | None:
    """The id of the experiment that the page's address names."""
    return st.query_params.get("experiment") or None


def experiments_in_url() -> list[str]:
    """Every experiment that the page's address names, for pages that take several."""
    return [name for name in st.query_params.get_all("experiment") if name]


def remember_in_url(*experiment_ids: str) -> None:
    """Put the page's experiments into its address, so that it can be reloaded and shared."""
    if experiments_in_url() != list(experiment_ids):
        st.query_params["experiment"] = list(experiment_ids)


def experiment_link(
    page: str, experiment_id: str | None, label: str, icon: str | None = None, help: str | None = None
) -> None:
    """A link to another page about the same experiment, such as `experiment_link(LIVE, id, "Watch it")`."""
    st.page_link(page, label=label, icon=icon, help=help, query_params=_query(experiment_id))


def go_to(page: str, experiment_id: str | None = None) -> None:
    """Leave for another page at once, with the experiment in its address."""
    st.switch_page(page, query_params=_query(experiment_id))


def _query(experiment_id: str | None) -> dict[str, str]:
    return {"experiment": experiment_id} if experiment_id else {}
