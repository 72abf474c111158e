"""The demo: offered once; from then on the way to it, and to its result once it has one."""

from collections.abc import Sequence
from typing import Literal

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.experiments.demo import DEMO_NAME, demo_experiment
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.start import words
from ui.start.groups import Group
from ui.widgets.text import plain

Weight = Literal["primary", "secondary"]


def demo_of(found: Sequence[Group]) -> Group | None:
    """The newest demo that there is."""
    return next((group for group in found if group.name == DEMO_NAME), None)


def main_action(found: Sequence[Group]) -> None:
    """The page's buttons: the demo, or its result, and a new experiment once there is any."""
    demo = demo_of(found)
    has_others = any(group.name != DEMO_NAME for group in found)
    if not found:
        return
    if demo is not None:
        _way_to(demo, "secondary" if has_others else "primary")
    weight: Weight = "primary" if has_others or demo is None else "secondary"
    if st.button(words.NEW, key="start_new", icon=":material/add:", type=weight, help=words.NEW_HELP):
        session.go_to(session.EXPERIMENT)


def offer_demo(label: str = words.RUN_DEMO, help: str = words.RUN_DEMO_HELP, type: Weight = "primary") -> None:
    """A button that queues the demo and opens its live view."""
    if st.button(label, key="start_demo", type=type, icon=":material/play_circle:", **for_editors(help)):
        try:
            experiment_id = actions.start(demo_experiment())
        except PalimpsestError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            session.go_to(session.LIVE, experiment_id)


def _way_to(demo: Group, type: Weight) -> None:
    if not demo.going and not demo.finished:
        offer_demo(words.AGAIN_DEMO, words.AGAIN_DEMO_HELP, type)
        return
    page, label, help, icon = (
        (session.LIVE, words.WATCH_DEMO, words.WATCH_DEMO_HELP, ":material/monitoring:")
        if demo.going
        else (session.COMPARE, words.DEMO_RESULT, words.DEMO_RESULT_HELP, ":material/compare_arrows:")
    )
    if st.button(label, key="start_demo_way", type=type, icon=icon, help=help):
        session.go_to(page, demo.experiment_id)
