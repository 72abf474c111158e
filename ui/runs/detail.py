"""What is known of one chosen experiment or run: notes, tags, where it comes from, its data, what was changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from engine.experiments.origin import origin_of
from engine.strategies.short_names import short_name
from ui.runs import words
from ui.runs.lineage import came_from, data_facts, made_from_it
from ui.server import session
from ui.widgets.text import plain
from ui.widgets.words import with_seed

if TYPE_CHECKING:
    from engine.housekeeping.changes import Change
    from engine.housekeeping.overview import Overview

_SHOWN_CHANGES = 8


def show_detail(
    row: Mapping[str, Any], overview: Overview, of_runs: bool, ways_on: Callable[[str, str | None], None]
) -> None:
    """The chosen row in three columns. `ways_on` draws what can be done with an experiment, or a run of it, beside the
    links to its pages; it takes their ids."""
    experiment_id = str(row["experiment_id"])
    name = words.of_experiment(with_seed(row["name"], row["seed"]), row["experiment"]) if of_runs else str(row["name"])
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            st.markdown(f"**{plain(name)}**", width="content")
            for tag in row["tags"]:
                st.badge(plain(tag), color="gray")
            session.experiment_link(session.LIVE, experiment_id, words.LIVE, ":material/monitoring:", words.LIVE_HELP)
            session.experiment_link(
                session.COMPARE, experiment_id, words.COMPARE, ":material/compare_arrows:", words.COMPARE_ONE_HELP
            )
            ways_on(experiment_id, str(row["id"]) if of_runs else None)
        notes, lineage, changed = st.columns(3, gap="large")
        with notes:
            st.markdown(f"**{words.NOTES}**")
            st.markdown(lines(row["notes"]) if row["notes"] else words.NO_NOTES)
        with lineage:
            _lineage(row, experiment_id, overview, of_runs)
        with changed:
            _changes(experiment_id, str(row["id"]), of_runs)


def _lineage(row: Mapping[str, Any], experiment_id: str, overview: Overview, of_runs: bool) -> None:
    st.markdown(f"**{words.ABOUT_LINEAGE}**")
    whole = overview.experiments.set_index("experiment_id")
    data = row["origin"] if row["origin"] or not of_runs else whole.at[experiment_id, "origin"]
    origin = origin_of(data)
    names = whole["name"].to_dict()
    if origin is None:
        st.markdown(words.FROM_NOTHING)
    else:
        said = came_from(origin, names.get(origin.experiment_id), _run_name(overview, origin.run_id))
        st.markdown(plain(said))
    if origin and origin.experiment_id in names:
        _link(origin.experiment_id, names[origin.experiment_id], ":material/arrow_back:")
    for later_id, later in made_from_it(experiment_id, overview.experiments):
        _link(later_id, later, ":material/arrow_forward:")
    st.markdown(f"**{words.ABOUT_DATA}**")
    facts = data_facts(session.store().task_facts(experiment_id))
    st.markdown("  \n".join(map(plain, facts)) if facts else words.NO_FACTS)


def _run_name(overview: Overview, run_id: str | None) -> str:
    """The short name and the seed of a run; "" where it is in no list."""
    found = overview.runs.loc[overview.runs["run_id"] == run_id]
    return "" if found.empty else with_seed(short_name(found["label"].iloc[0]), found["seed"].iloc[0])


def _link(experiment_id: str, name: str, icon: str) -> None:
    session.experiment_link(session.LIVE, experiment_id, plain(name), icon, words.LIVE_HELP)


def _changes(experiment_id: str, own: str, of_runs: bool) -> None:
    from engine.housekeeping import changes

    st.markdown(f"**{words.ABOUT_CHANGES}**")
    about = [experiment_id, own]
    if not of_runs:
        about += session.store().runs(experiment_id)["run_id"].tolist()
    found = changes.history(session.store(), _SHOWN_CHANGES, about)
    st.markdown("  \n".join(plain(_in_words(each)) for each in found) if found else words.NO_CHANGES)


def _in_words(change: Change) -> str:
    who = f", {change.visitor}" if change.visitor else ""
    return f"{when(change.at)}{who}: {change.action} ({change.thing.name})"


def when(at: float) -> str:
    """A time in UTC, as the page writes it."""
    return words.utc(pd.Timestamp(at, unit="s"))


def lines(text: str) -> str:
    """A text of several lines as it was typed."""
    written: Sequence[str] = [plain(line) for line in text.splitlines()]
    return "  \n".join(line or "\u00a0" for line in written)
