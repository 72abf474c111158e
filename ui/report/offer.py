"""The button by which passages and answers come into the report, and what has become of it."""

from typing import Any

import streamlit as st

from engine.insight.report_results import kept_report
from engine.insight.requests import ReportRequest
from engine.store import Store
from ui.report import words
from ui.report.told_runs import ToldRuns
from ui.server import session
from ui.server.entrance import for_editors
from ui.understand.asking import show_asked
from ui.widgets.text import plain

_PART = "compare_report"
_ASKED = "compare_report_asked"


def offer_passages(store: Store, told: ToldRuns | None) -> None:
    """Say whether the report holds them; where not, offer to have them found, or show how far that is."""
    if told is None or told.request is None:
        return
    request = told.request
    missing = [task.task for task in request.tasks if kept_report(store, task) is None]
    if not missing:
        _show_done(request)
    elif st.session_state.get(_ASKED) == request or session.desk().look(request) is not None:
        show_asked(_PART, request, lambda found, grows: _draw(request, found))
    else:
        _offer(told, missing)


def _offer(told: ToldRuns, missing: list[str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            words.FIND, key="compare_report_find", icon=":material/plagiarism:",
            on_click=_ask, args=(told.request,),
            **for_editors(words.FIND_HELP),
        )  # fmt: skip
        st.caption(
            plain(words.not_there([run.name for run in told.runs], missing)),
            width="stretch",
        )


def _ask(request: ReportRequest) -> None:
    st.session_state[_ASKED] = request


def _draw(request: ReportRequest, found: Any) -> None:
    if found:
        _show_done(request)


def _show_done(request: ReportRequest) -> None:
    st.caption(plain(words.there([task.task for task in request.tasks])))
