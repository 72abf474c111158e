"""The data of the Live page unless the user chooses, and what has changed since a browser was sent it."""

import heapq
from collections.abc import Hashable, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from engine.store import Store
from figures.theme import brief_labels
from ui.live.feed import Feed, Followed
from ui.live.words import STATUSES
from ui.server import session
from ui.widgets.choice_list import Row
from ui.widgets.words import seed as seed_in_words
from ui.widgets.words import with_seed

ACTIVE = ("running", "paused")
WAITING = "queued"
RESUMABLE = ("interrupted", "failed", "stopped")
_FOLLOWED = ("running", "paused", "queued", "failed", "interrupted", "stopped")


def newest_active(experiments: pd.DataFrame) -> str:
    """The experiment to show when nobody named one: the newest that runs, else that waits, else the newest."""
    for statuses in (ACTIVE, (WAITING,)):
        found = experiments[experiments["status"].isin(statuses)]
        if len(found):
            return str(found["experiment_id"].iloc[0])
    return str(experiments["experiment_id"].iloc[0])


def followed(runs: pd.DataFrame) -> str:
    """The run to show when nobody chose one: what runs, else what is due next, else what came last."""
    for status in _FOLLOWED[:3]:
        found = runs[runs["status"] == status]
        if len(found):
            return str(found.sort_values("position")["run_id"].iloc[0])
    touched = runs.sort_values("heartbeat_at", na_position="first")
    return str(touched["run_id"].iloc[-1])


def is_active(runs: pd.DataFrame) -> bool:
    """Whether anything here can still change by itself."""
    return bool(runs["status"].isin([*ACTIVE, WAITING]).any())


def feed() -> Feed:
    """The feed that all browsers share of the runs that they watch."""
    store = session.store()
    return _feed(store.folder, store)


def feed_of(store: Store) -> Feed:
    """The same for a route of the server, which has asked itself whether the visitor may see what the store has."""
    return _feed(store.folder, store)


@st.cache_resource(show_spinner=False, max_entries=4)
def _feed(folder: Path, _store: Store) -> Feed:
    return Feed(_store)


def outline(runs: pd.DataFrame) -> Hashable:
    """The facts that decide which controls there are and what they say; it stays the same while runs merely train."""
    columns = [runs[name].tolist() for name in ("run_id", "status", "attempt", "reason")]
    return tuple(zip(*columns, strict=True))


def structure(runs: pd.DataFrame, followed: Followed, trouble: str, queue: pd.DataFrame) -> str:
    """A word for all that decides which parts the page has: another one when a run or a stage begins or ends, or the
    queue changes, and the same while runs merely train."""
    facts = repr((outline(runs), trouble, parts_of_matrix(followed), queue_facts(queue)))
    return blake2b(facts.encode(), digest_size=9).hexdigest()


def queue_facts(queue: pd.DataFrame) -> Hashable:
    """The facts that the list of waiting runs shows."""
    return tuple(queue["run_id"]), tuple(queue["goes_next"])


def parts_of_matrix(followed: Followed) -> Hashable:
    """The facts that decide what stands beside a matrix: stages begun and over, cells, checks of guards."""
    stages, checks = followed.stages, sum(len(history.outcomes) for history in followed.guards)
    return len(stages), int(stages["finished"].sum()), len(followed.matrix), checks, followed.has_answers


def reached(experiment_ids: Iterable[str]) -> Hashable:
    """The progress of all runs of some experiments: status and stage, not the step."""
    return tuple(feed().view(each, _reached) for each in experiment_ids)


def _reached(runs: pd.DataFrame) -> Hashable:
    return tuple(runs[["run_id", "status", "stage"]].itertuples(index=False, name=None))


def by_id(runs: pd.DataFrame) -> "dict[str, pd.Series[Any]]":
    """The rows by run id."""
    return {str(run["run_id"]): run for _, run in runs.iterrows()}


def names(runs: pd.DataFrame) -> dict[str, str]:
    """The names of runs by run id, with their seeds where these differ."""
    labels = brief_labels(runs["label"])
    several = runs["seed"].nunique() > 1
    return {
        str(run_id): with_seed(labels[label], seed) if several else labels[label]
        for run_id, label, seed in zip(runs["run_id"], runs["label"], runs["seed"], strict=True)
    }


def rail(runs: pd.DataFrame) -> tuple[Row, ...]:
    """One row a run: what it is and how far it is."""
    labels, several = brief_labels(runs["label"]), runs["seed"].nunique() > 1
    rows = []
    for run in runs.to_dict("records"):
        sign, word = STATUSES[run["status"]]
        done = share(run)
        detail = seed_in_words(run["seed"]) if several else ""
        bar = done if 0 < done < 1 else None
        rows.append(Row(str(run["run_id"]), labels[run["label"]], detail, sign, word, bar and round(bar, 3)))
    return tuple(rows)


def left_in_all(runs: pd.DataFrame) -> float:
    """The seconds until all of these runs are over, as far as their own are known. Each that waits follows, in the
    order of the queue, on the one that ends first: on as many places as runs are running now."""
    known = runs[runs["seconds_left"].notna()]
    active = known[known["status"].isin(ACTIVE)]
    places = max(1, int((runs["status"] == "running").sum()), len(active))
    ends = sorted([*active["seconds_left"], *[0.0] * (places - len(active))])
    for seconds in known[known["status"] == WAITING].sort_values("position")["seconds_left"]:
        heapq.heapreplace(ends, ends[0] + seconds)
    return float(max(ends))


def share(run: Any) -> float:
    """The share of a run that is done, from 0 to 1."""
    if run["status"] == "finished":
        return 1.0
    return min(1.0, run["step"] / run["steps"]) if run["steps"] else 0.0


def saw(part: str, what: Hashable) -> None:
    """Remember what this session's browser was sent for a part of the page."""
    st.session_state.setdefault("live_seen", {})[part] = what


def unseen(now: Mapping[str, Hashable]) -> list[str]:
    """The parts of the page that are no longer as this session's browser has them."""
    seen = st.session_state.get("live_seen", {})
    return [part for part, what in now.items() if seen.get(part) != what]
