"""What has become of a request: handed in once, looked at while it is worked out, and said in every state."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.insight.requests import Request
from ui.server import actions, entrance, session
from ui.server.entrance import for_editors
from ui.server.words import ONLY_SEEING
from ui.understand import words
from ui.widgets.error_notes import with_error_notes
from ui.widgets.pulse import pulse
from ui.widgets.text import plain

if TYPE_CHECKING:
    from engine.insight.serving.desk import View

LOOK_SECONDS = 0.5
Draw = Callable[[Any, bool], None]
"""Draws a result, or as much of it as there is, None for nothing; the second argument is true while it grows."""
_STOPPED, _CURRENT, _SEEN, _SO_FAR = (
    f"asking_{name}" for name in ("stopped_here", "current", "seen", "so_far")
)  # fmt: skip
"""In the session: requests that were stopped in this browser; by part of the page its request, what was drawn of it and
as much of its result as was seen."""


def show_asked(part: str, request: Request, draw: Draw) -> None:
    """Have a request worked out and show it, drawing again by itself while it changes. `part` names its place, the page
    first: its controls have keys that begin so."""
    current: dict[str, Request] = st.session_state.setdefault(_CURRENT, {})
    before = current.get(part)
    if before is not None and before != request:
        _leave(before)
        st.session_state.get(_SO_FAR, {}).pop(part, None)
    current[part] = request
    st.fragment(with_error_notes(_show), key=part)(part, request, draw)


def _show(part: str, request: Request, draw: Draw) -> None:
    view = _looked(request)
    st.session_state.setdefault(_SEEN, {})[part] = _facts(view)
    if view is None:
        st.info(words.NOT_COMPUTED + ONLY_SEEING, icon=":material/lock:")
        return
    status = "stopped" if request in _stopped() and view.status != "done" else view.status
    if status == "done":
        draw(view.result, False)
        return
    _show_state(part, request, view, status)
    so_far = st.session_state.setdefault(_SO_FAR, {})
    if view.told is not None and view.told.so_far:
        so_far[part] = view.told.so_far
    goes_on = status in ("waiting", "computing")
    if part in so_far or goes_on:
        draw(so_far.get(part), goes_on)
    if goes_on:
        pulse(f"{part}_pulse", lambda: LOOK_SECONDS, partial(_beat, part, request))


def _show_state(part: str, request: Request, view: "View", status: str) -> None:
    """Say in words and with a button how it stands with what is not done."""
    with st.container(horizontal=True, vertical_alignment="center"):
        place = st.container(width="stretch")
        if status in ("waiting", "computing"):
            st.button(
                words.STOP, key=f"{part}_stop", icon=":material/stop:", on_click=_stop, args=(request,),
                **for_editors(words.STOP_HELP),
            )  # fmt: skip
        else:
            st.button(
                words.AGAIN, key=f"{part}_again", icon=":material/refresh:", on_click=_again, args=(request,),
                **for_editors(words.AGAIN_HELP),
            )  # fmt: skip
    with place:
        if status == "waiting":
            st.info(words.waiting(view.before), icon=":material/hourglass:")
        elif status == "computing":
            _show_progress(view)
        elif status == "failed":
            st.error(plain(view.reason), icon=":material/error:")
        else:
            st.info(
                words.STOPPED,
                icon=":material/stop_circle:",
            )


def _show_progress(view: "View") -> None:
    told = view.told
    now = told.words if told is not None else words.GETTING_READY
    share = min(1.0, told.done / told.of) if told is not None and told.of else 0.0
    st.progress(share, text=plain(now) + " …")


def _looked(request: Request) -> "View | None":
    """What has become of a request; it is handed in where it is unknown, or was stopped in another browser."""
    desk = session.desk()
    view = desk.look(request)
    if request in _stopped() and view is not None:
        return view
    if (view is None or view.status == "stopped") and entrance.may_change():
        _stopped().discard(request)
        actions.ask(request)
        view = desk.look(request)
    return view


def _beat(part: str, request: Request) -> None:
    """Have the part drawn again where there is something new."""
    if _facts(session.desk().look(request)) != st.session_state.get(_SEEN, {}).get(part):
        st.rerun(part)


def _facts(view: "View | None") -> object:
    return None if view is None else (view.status, view.before, view.told)


def _stop(request: Request) -> None:
    _act(actions.stop_asking, request)
    _stopped().add(request)


def _again(request: Request) -> None:
    _stopped().discard(request)
    _act(actions.ask, request)


def _leave(request: Request) -> None:
    """End what this browser no longer looks at; where another one does, it asks again."""
    view = session.desk().look(request)
    if view is not None and view.status in ("waiting", "computing") and entrance.may_change():
        _act(actions.stop_asking, request)


def _act(action: Callable[[Request], None], request: Request) -> None:
    try:
        action(request)
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")


def _stopped() -> set[Request]:
    stopped: set[Request] = st.session_state.setdefault(_STOPPED, set())
    return stopped
