"""Start: what runs, what ended since the last visit, what failed; before anything has run, the demo and its picture."""

import time

import streamlit as st

from engine.common.errors import StoreError
from ui.adding.offer import add_task_button
from ui.manage.menu import manage_menu
from ui.server import session
from ui.server.entrance import visitor_id
from ui.start import words
from ui.start.demo import main_action
from ui.start.groups import glance, groups
from ui.start.newcomer import show_newcomer, show_steps
from ui.start.view import show_glance
from ui.widgets.error_notes import with_error_notes
from ui.widgets.page_head import Status, page_head
from ui.widgets.pulse import pulse
from ui.widgets.text import plain

GLANCE, PULSE, SEEN = "start_glance", "start_pulse", "start_seen"
REFRESH_SECONDS = 2.0


def show(last_visit: float | None) -> None:
    outlines = session.store().run_outlines()
    st.session_state[SEEN] = outlines
    show_glance(glance(groups(outlines), last_visit), last_visit, time.time(), menu)


def menu(experiment_id: str) -> None:
    """What can be done with an experiment: the next task, which is why one comes back, has a button of its own."""
    add_task_button(experiment_id, f"start_add_{experiment_id}", is_quiet=True)
    manage_menu(experiment_id, f"start_menu_{experiment_id}")


def look() -> None:
    """Have drawn again, at every beat, what is no longer as this browser has it."""
    try:
        now, seen = session.store().run_outlines(), st.session_state[SEEN]
    except StoreError:
        st.rerun()  # the page says it
    if [(run.run_id, run.status) for run in now] != [(run.run_id, run.status) for run in seen]:
        st.rerun()
    if now != seen:
        st.rerun([GLANCE, PULSE])


def page() -> None:
    store = session.store()
    found = groups(store.run_outlines())
    last_visit = store.last_visit(visitor_id())
    going = sum(len(group.going) for group in found)
    status = Status(words.running(going), "blue", ":material/play_arrow:") if going else None
    with page_head(words.TITLE, status):
        main_action(found)
    watching = session.runner().watching
    if watching:
        st.warning(words.WATCHES.format(plain(str(watching))), icon=":material/visibility:")
    if not found:
        show_newcomer()
        return
    st.fragment(with_error_notes(show), key=GLANCE)(last_visit)
    st.header(words.OWN_TEXTS, anchor=False)
    show_steps()
    if going:
        pulse(PULSE, lambda: REFRESH_SECONDS, look)


page()
