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


Offer = Callable[[str], None]
"""Draws what can be done with an experiment that has ended, by its id."""


def show_glance(found: Glance, last_visit: float | None, now: float, offer: Offer) -> None:
    """Everything that there is, in a row an experiment; `now` and `last_visit` in seconds since 1970. `offer` draws the
    first of the ways on from what has ended."""
    visit = moment(last_visit) if last_visit is not None else None
    st.header(words.GOES_ON, anchor=False)
    if not found.going:
        st.caption(words.NOTHING_GOES_ON)
    for group in found.going:
        _going(group)
    if found.in_trouble:
        st.header(words.FAILED, anchor=False)
        for group in found.in_trouble:
            _in_trouble(group, now)
    st.header(words.ended_since(visit), anchor=False)
    if not found.fresh:
        st.caption(words.nothing_ended(visit))
    for group in found.fresh:
        _ended(group, now, offer)
    if found.earlier:
        st.header(words.EARLIER, anchor=False)
        for group in found.earlier[:SHOWN_EARLIER]:
            _ended(group, now, offer)
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


def _going(group: Group) -> None:
    current = group.current
    name = short_name(current.label) if current else None
    share = current.share if current else 0.0
    facts = words.progress(group.finished, len(group.runs), len(group.in_trouble), name, share)
    _row(group, _status(group.going), facts, lambda: st.progress(group.share))


def _in_trouble(group: Group, now: float) -> None:
    status = STATUSES["failed" if any(run.status == "failed" for run in group.in_trouble) else "interrupted"]
    facts = words.outcome(group.finished, len(group.runs), _when(group.ended_at, now))
    _row(group, status, facts, lambda: _reasons(group.in_trouble))


def _reasons(runs: Sequence[RunOutline]) -> None:
    for run in runs[:SHOWN_REASONS]:
        st.caption(words.failure(with_seed(short_name(run.label), run.seed), run.reason))
    if len(runs) > SHOWN_REASONS:
        st.caption(words.MORE_RUNS.format(len(runs) - SHOWN_REASONS))


def _ended(group: Group, now: float, offer: Offer) -> None:
    facts = words.outcome(group.finished, len(group.runs), _when(group.ended_at, now))
    _row(group, _status(group.runs), facts, offer=offer)


def _row(
    group: Group,
    status: Status,
    facts: str,
    more: Callable[[], object] = lambda: None,
    offer: Offer = lambda experiment_id: None,
) -> None:
    """One experiment: its state, its name, what came of it with `more` below, and the ways on."""
    with st.container(horizontal=True, gap="small", key=f"start_row_{group.experiment_id}"):
        st.badge(status.label, color=status.colour, icon=status.icon, width=116)
        with st.container(gap="xxsmall"):
            st.markdown(f"**{plain(group.name)}**  \n:small[:gray[{facts}]]")
            more()
        with st.container(horizontal=True, vertical_alignment="center", width="content", gap="xxsmall"):
            offer(group.experiment_id)
            for page, title, symbol, help in (
                (session.LIVE, words.LIVE, ":material/monitoring:", words.LIVE_HELP),
                (session.COMPARE, words.COMPARE, ":material/compare_arrows:", words.COMPARE_HELP),
                (session.EXPERIMENT, words.REUSE, ":material/edit_note:", words.REUSE_HELP),
            ):
                session.experiment_link(page, group.experiment_id, title, symbol, help)
