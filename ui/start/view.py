"""The parts of the Start page: what goes on, what failed, what ended and what came before."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import streamlit as st

from engine.store.outlines import RunOutline
from engine.strategies.short_names import short_name
from figures.numbers import duration
from ui.server import session
from ui.start import words
from ui.start.groups import Glance, Group
from ui.widgets.page_head import Status
from ui.widgets.text import plain
from ui.widgets.words import STATUSES, with_seed

SHOWN_EARLIER, SHOWN_REASONS = 8, 3
_MANY_HOURS_SECONDS = 20 * 3600


Menu = Callable[[str], None]
"""Draws the menu of what can be done with an experiment, by its id."""


def show_glance(found: Glance, last_visit: float | None, now: float, menu: Menu) -> None:
    """Everything that there is, in a row an experiment; `now` and `last_visit` in seconds since 1970. `menu` stands at
    the end of each row."""
    visit = moment(last_visit) if last_visit is not None else None
    st.header(words.GOES_ON, anchor=False)
    if not found.going:
        st.caption(words.NOTHING_GOES_ON)
    for group in found.going:
        _going(group, menu)
    if found.in_trouble:
        st.header(words.FAILED, anchor=False)
        for group in found.in_trouble:
            _in_trouble(group, now, menu)
    st.header(words.ended_since(visit), anchor=False)
    if not found.fresh:
        st.caption(words.nothing_ended(visit))
    for group in found.fresh:
        _ended(group, now, menu)
    if found.earlier:
        st.header(words.EARLIER, anchor=False)
        for group in found.earlier[:SHOWN_EARLIER]:
            _ended(group, now, menu)
    if len(found.earlier) > SHOWN_EARLIER:
        more = words.more_earlier(len(found.earlier) - SHOWN_EARLIER)
        session.experiment_link(session.RUNS, None, more, ":material/table_rows:", words.MORE_EARLIER_HELP)


def moment(at: float) -> str:
    """A time in the visitor's own zone: "28 Nov, 14:05"."""
    zone = ZoneInfo(st.context.timezone) if st.context.timezone else UTC
    return datetime.fromtimestamp(at, zone).strftime("%-d\u00a0%b,\u00a0%H:%M")


def _when(at: float, now: float) -> str:
    return words.ago(duration(now - at)) if now - at < _MANY_HOURS_SECONDS else moment(at)


def _status(runs: Sequence[RunOutline]) -> Status:
    """That of the first state, in the order of `STATUSES`, that one of the runs has."""
    found = {run.status for run in runs}
    return next((status for name, status in STATUSES.items() if name in found), STATUSES["finished"])


def _going(group: Group, menu: Menu) -> None:
    current = group.current
    name = short_name(current.label) if current else None
    share = current.share if current else 0.0
    facts = words.progress(group.finished, len(group.runs), len(group.in_trouble), name, share)
    _row(group, _status(group.going), facts, menu, lambda: st.progress(group.share))


def _in_trouble(group: Group, now: float, menu: Menu) -> None:
    status = STATUSES["failed" if any(run.status == "failed" for run in group.in_trouble) else "interrupted"]
    facts = words.outcome(group.finished, len(group.runs), _when(group.ended_at, now))
    _row(group, status, facts, menu, lambda: _reasons(group.in_trouble))


def _reasons(runs: Sequence[RunOutline]) -> None:
    for run in runs[:SHOWN_REASONS]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(words.failure(with_seed(short_name(run.label), run.seed), run.reason), width="stretch")
            session.experiment_link(
                session.EXPERIMENT, run.experiment_id, words.EDIT, ":material/edit:", words.EDIT_HELP, run=run.run_id
            )
    if len(runs) > SHOWN_REASONS:
        st.caption(words.MORE_RUNS.format(len(runs) - SHOWN_REASONS))


def _ended(group: Group, now: float, menu: Menu) -> None:
    facts = words.outcome(group.finished, len(group.runs), _when(group.ended_at, now))
    _row(group, _status(group.runs), facts, menu)


def _row(group: Group, status: Status, facts: str, menu: Menu, more: Callable[[], object] = lambda: None) -> None:
    """One experiment: its state, its name, what came of it with `more` below, and the ways on."""
    with st.container(horizontal=True, gap="small", key=f"start_row_{group.experiment_id}"):
        st.badge(status.label, color=status.colour, icon=status.icon, width=116)
        with st.container(gap="xxsmall"):
            st.markdown(f"**{plain(group.name)}**  \n:small[:gray[{facts}]]")
            more()
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="xxsmall"):
            for page, title, symbol, help in (
                (session.LIVE, words.LIVE, ":material/monitoring:", words.LIVE_HELP),
                (session.COMPARE, words.COMPARE, ":material/compare_arrows:", words.COMPARE_HELP),
            ):
                session.experiment_link(page, group.experiment_id, title, symbol, help)
            menu(group.experiment_id)
