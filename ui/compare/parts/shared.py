"""All browsers share this of the Compare page: what was read, compared and drawn, until the runs change."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import streamlit as st

from engine.store import Store
from figures.report import Section
from ui.compare.compared_runs import Comparison, Everything, compare, read
from ui.widgets.live_chart import Drawn, drawn

_STATES, _READS, _COMPARED, _DRAWN = 64, 8, 16, 64
"""How many are kept."""


@dataclass(frozen=True)
class DrawnSection:
    """A section with its figure as it goes to the browser."""

    title: str
    text: str
    figure: Drawn
    height: int


def everything(store: Store, experiment_ids: Sequence[str], score: str) -> tuple[str, Everything]:
    """All runs of some experiments, and a key that is another one once any of them has changed. Raises StoreError when
    an experiment is gone."""
    ids = tuple(experiment_ids)
    key = f"{_state(str(store.folder), store.version(), ids, store)} {score}"
    return key, _everything(key, ids, score, store)


def compared(key: str, every: Everything, run_ids: Sequence[str], judge_all: bool) -> tuple[str, Comparison]:
    """The chosen runs side by side, and a key for what is drawn of them."""
    chosen = tuple(run_ids)
    digest = hashlib.sha256(f"{chosen}{judge_all}".encode()).hexdigest()[:16]
    return f"{key} {digest}", _compared(key, chosen, judge_all, every)


def drawn_sections(key: str, what: str, make: Callable[[], Iterable[Section]]) -> list[DrawnSection]:
    """The sections that `make` gives, drawn once for `what` of the compared runs of `key`."""
    return _drawn(key, what, make)


@st.cache_resource(show_spinner=False, max_entries=_STATES)
def _state(folder: str, version: int, ids: tuple[str, ...], _store: Store) -> str:
    """A digest of the rows of the runs, whose times and steps change with all that they record: a run of another
    experiment that trains changes the store, and nothing here."""
    rows = _store.runs(list(ids)).to_csv(index=False)
    return f"{folder} {hashlib.sha256(rows.encode('utf-8', 'surrogatepass')).hexdigest()}"


@st.cache_resource(show_spinner=False, max_entries=_READS)
def _everything(key: str, ids: tuple[str, ...], score: str, _store: Store) -> Everything:
    return read(_store, ids, score)


@st.cache_resource(show_spinner=False, max_entries=_COMPARED)
def _compared(key: str, run_ids: tuple[str, ...], judge_all: bool, _every: Everything) -> Comparison:
    return compare(_every, run_ids, judge_all)


@st.cache_resource(show_spinner=False, max_entries=_DRAWN)
def _drawn(key: str, what: str, _make: Callable[[], Iterable[Section]]) -> list[DrawnSection]:
    return [
        DrawnSection(each.title, each.text, drawn(each.figure), int(each.figure.layout.height or 420))
        for each in _make()
        if each.figure is not None
    ]
