"""Where a task can be added: a button of its own, or an entry of the menu of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.adding import words
from ui.adding.dialog import add_task_form
from ui.manage.dialogs import Further, Saved, open_dialog, show_dialog
from ui.manage.menu import manage_menu
from ui.server import session
from ui.server.entrance import for_editors

if TYPE_CHECKING:
    from engine.housekeeping import Chosen
    from engine.housekeeping.labels import Described


def can_take_a_task(experiment_id: str) -> bool:
    """Whether the experiment has ended, and is neither archived nor in the bin."""
    runs = session.store().run_outlines([experiment_id])
    return bool(runs) and not any(run.is_going for run in runs)


def add_task_button(experiment_id: str, key: str, run_id: str | None = None, is_quiet: bool = False) -> None:
    """A button that opens the dialog, where the experiment can take a task; with `run_id` this run is chosen there. A
    quiet one looks like a link."""
    from engine.housekeeping import Chosen

    if not can_take_a_task(experiment_id):
        return
    if st.button(
        words.ADD, key=key, icon=words.ICON, type="tertiary" if is_quiet else "secondary",
        **for_editors(words.ADD_HELP),
    ):  # fmt: skip
        open_dialog(key, words.ADD, Chosen((experiment_id,)) if run_id is None else Chosen(runs=(run_id,)))
    show_dialog(key, further=(_ADD,))


def experiment_menu(experiment_id: str, key: str, saved: Saved = lambda: None) -> None:
    """The menu of what can be done with an experiment, with a task to add first where it can take one."""
    manage_menu(experiment_id, key, saved, (_ADD,) if can_take_a_task(experiment_id) else ())


def _draw(chosen: Chosen, described: list[Described], saved: Saved) -> None:
    if chosen.experiments:
        add_task_form(chosen.experiments[0], None)
    else:
        (run_id,) = chosen.runs
        add_task_form(session.store().run_spec(run_id)[0], run_id)


_ADD = Further(words.ADD, words.ICON, _draw, "medium")
