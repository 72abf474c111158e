"""A menu of what can be done with one experiment, for the line of a page's title."""

from __future__ import annotations

import streamlit as st

from engine.common.errors import PalimpsestError
from ui.manage import words
from ui.manage.dialogs import Saved, do, show_dialog
from ui.server import entrance, session


def manage_menu(experiment_id: str, key: str, saved: Saved = lambda: None) -> None:
    """A button that opens the menu; `key` begins with the page's name. `saved` is called once something was changed,
    before the page is drawn again. A page that drew the experiment must cope with its being gone then."""
    from engine.housekeeping import Chosen, labels

    own = Chosen((experiment_id,))
    try:
        archived = labels.described(session.store(), own)[0].archived
    except PalimpsestError:  # it was deleted meanwhile, which the page says
        return
    options = (
        words.RENAME, words.TAGS, words.NOTES, words.DUPLICATE, words.UNARCHIVE if archived else words.ARCHIVE,
        words.KEEP, words.BIN,
    )  # fmt: skip
    chosen = st.menu_button(
        words.MENU, options, key=key, icon=":material/more_horiz:", type="tertiary",
        format_func=lambda option: f"{words.ICONS[option]} {option}", **entrance.for_editors(words.MENU_HELP),
    )  # fmt: skip
    if chosen is not None:
        do(key, chosen, own, saved)
    show_dialog(key, saved)
