"""Dialogs about chosen experiments and runs, and what is done without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import streamlit as st

from engine.common.errors import PalimpsestError
from ui.manage import words
from ui.server import actions, entrance, session
from ui.widgets.text import plain

if TYPE_CHECKING:
    from engine.housekeeping import Chosen
    from engine.housekeeping.labels import Described

Saved = Callable[[], None]
"""What happens once a dialog has changed something; the page is drawn again after it."""


@dataclass(frozen=True)
class Further:
    """An action that comes from a room above this one."""

    action: str
    icon: str
    draw: Callable[[Chosen, list[Described], Saved], None]
    """Draws its dialog."""
    width: Literal["small", "medium"] = "small"


_OPEN = "manage_open"
"""Of a session: the key of what opened a dialog, the action, and what was chosen."""


def do(key: str, action: str, chosen: Chosen, saved: Saved = lambda: None) -> None:
    """Do what was asked for with all that is chosen, or open the dialog for it, which `show_dialog` then shows.
    `action` is one of `words`, `key` that of the control by which it was asked for."""
    if action == words.DUPLICATE:
        _duplicate(chosen)
    elif action in _DIALOGS:
        open_dialog(key, action, chosen)
    else:
        try:
            (actions.archive if action == words.ARCHIVE else actions.unarchive)(chosen)
        except PalimpsestError as error:
            st.toast(plain(str(error)), icon=":material/error:")
        else:
            saved()
            st.rerun()


def _duplicate(chosen: Chosen) -> None:
    """Leave for the Experiment page with the settings of the experiment, or of the run alone."""
    if chosen.experiments:
        session.go_to(session.EXPERIMENT, chosen.experiments[0])
    run_id = chosen.runs[0]
    query = {"experiment": run_id.rpartition("-")[0], "run": run_id}
    st.switch_page(session.EXPERIMENT, query_params=query)


def open_dialog(key: str, action: str, chosen: Chosen) -> None:
    """Have `show_dialog` show the dialog of an action from now on."""
    st.session_state[_OPEN] = (key, action, chosen)


def show_dialog(key: str, saved: Saved = lambda: None, further: Sequence[Further] = ()) -> None:
    """Show the dialog that the control of this key has opened, until it is closed: a page that is drawn again meanwhile
    does not close it. `further` are the actions of other rooms that the control offers."""
    from engine.housekeeping import labels

    opened, action, chosen = st.session_state.get(_OPEN, ("", "", None))
    if opened != key:
        return
    own = next((each for each in further if each.action == action), None)
    if own is None and action not in _DIALOGS:  # it is offered no more
        close_dialog()
        return
    try:
        described = labels.described(session.store(), chosen)
    except PalimpsestError as error:
        close_dialog()
        st.toast(plain(str(error)), icon=":material/error:")
        return
    title = plain(words.title(action, len(described), described[0].thing.name))
    draw, width = (_DIALOGS[action], "small") if own is None else (own.draw, own.width)
    st.dialog(title, width=width, on_dismiss=close_dialog)(draw)(chosen, described, saved)


def close_dialog() -> None:
    """Show no dialog from the next time on that the page is drawn."""
    st.session_state.pop(_OPEN, None)


def _save(change: Callable[[], None], saved: Saved) -> None:
    """Change it and close the dialog, or say in it why not."""
    try:
        change()
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
    else:
        close_dialog()
        saved()
        st.rerun()


def _rename(chosen: Chosen, described: list[Described], saved: Saved) -> None:
    said = described[0]
    is_run = said.thing.kind == "run"
    with st.form("manage_rename", border=False):
        name = st.text_input(
            words.NAME, said.title, key="manage_name", max_chars=120,
            help=words.NAME_HELP_OF_RUN if is_run else words.NAME_HELP_OF_EXPERIMENT,
        )  # fmt: skip
        pressed = _save_button()
    if pressed:
        change = actions.name_run if is_run else actions.rename_experiment
        _save(lambda: change(said.thing.about, name), saved)


def _tags(chosen: Chosen, described: list[Described], saved: Saved) -> None:
    from engine.housekeeping import labels

    store = session.store()
    common = [tag for tag in described[0].tags if all(tag in each.tags for each in described)]
    others = sorted({tag for each in described for tag in each.tags} - set(common), key=str.casefold)
    with st.form("manage_tags", border=False):
        given = st.multiselect(
            words.TAGS, [*dict.fromkeys((*common, *labels.known_tags(store)))], common, key="manage_tags_given",
            accept_new_options=True, help=words.TAGS_HELP, placeholder=words.TAGS_HELP,
        )  # fmt: skip
        if others:
            st.caption(plain(words.some_have(others)))
        pressed = _save_button()
    if pressed:
        add = [tag for tag in given if tag not in common]
        _save(lambda: actions.change_tags(chosen, add, [tag for tag in common if tag not in given]), saved)


def _notes(chosen: Chosen, described: list[Described], saved: Saved) -> None:
    notes = {each.notes for each in described}
    if len(notes) > 1:
        st.warning(words.replaces(len(described)), icon=":material/info:")
    with st.form("manage_notes", border=False):
        written = st.text_area(
            words.NOTES, notes.pop() if len(notes) == 1 else "", key="manage_notes_written", height=240,
            help=words.NOTES_HELP,
        )  # fmt: skip
        pressed = _save_button()
    if pressed:
        _save(lambda: actions.set_notes(chosen, written), saved)


def _bin(chosen: Chosen, described: list[Described], saved: Saved) -> None:
    from engine.housekeeping import wastebin

    store = session.store()
    own = wastebin.runs_of(store, chosen)
    what = words.goes(len(chosen.experiments), len(own))
    there = [run_id for run_id in wastebin.runs_in(store) if run_id not in own]
    taken, _ = wastebin.sizes(store, own)
    frees = wastebin.sizes(store, [*there, *own])[1] - wastebin.sizes(store, there)[1]
    st.markdown(words.to_bin(what, taken, frees))
    if st.button(
        words.BIN, key="manage_bin", type="primary", icon=words.ICONS[words.BIN],
        **entrance.for_editors(words.HELPS[words.BIN]),
    ):  # fmt: skip

        def moved() -> None:
            st.toast(words.moved(what), icon=words.ICONS[words.BIN])
            saved()

        _save(lambda: actions.move_to_bin(chosen), moved)


def _keep(chosen: Chosen, described: list[Described], saved: Saved) -> None:
    from engine.driving.thinning import would_free
    from engine.housekeeping import wastebin
    from ui.widgets.keep_choice import keep_choice

    own = wastebin.runs_of(session.store(), chosen)
    keep = keep_choice("last", "manage_keep_choice", among=("last", "best", "none"))
    size = would_free(session.store(), own, keep)
    st.markdown(words.would_free(size) if size else words.NOTHING_FREED)
    if st.button(
        words.KEEP_BUTTON, key="manage_keep", type="primary", icon=words.ICONS[words.KEEP],
        **entrance.for_editors(words.KEEP_BUTTON_HELP, disabled=not size),
    ):  # fmt: skip

        def thin() -> None:
            st.toast(words.freed(actions.keep_checkpoints(own, keep)), icon=words.ICONS[words.KEEP])

        _save(thin, saved)


def _save_button() -> bool:
    return st.form_submit_button(words.SAVE, type="primary", **entrance.for_editors(words.SAVE_HELP))


_DIALOGS = {words.RENAME: _rename, words.TAGS: _tags, words.NOTES: _notes, words.KEEP: _keep, words.BIN: _bin}
