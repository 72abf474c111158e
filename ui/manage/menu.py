"""A menu of what can be done with one experiment, for the line of a page's title."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.common.errors import PalimpsestError
from ui.manage import words
from ui.manage.dialogs import Further, Saved, do, open_dialog, show_dialog
from ui.server import entrance, session


def manage_menu(experiment_id: str, key: str, saved: Saved = lambda: None, further: Sequence[Further] = ()) -> None:
    """A button that opens the menu; `key` begins with the page's name. `saved` is called once something was changed,
    before the page is drawn again. A page that drew the experiment must cope with its being gone then. `further` are
    actions of other rooms, which stand first."""
    from engine.housekeeping import Chosen, labels

    own = Chosen((experiment_id,))
    try:
        archived = labels.described(session.store(), own)[0].archived
    except PalimpsestError:  # it was deleted meanwhile, which the page says
        return
    icons = {**{each.action: each.icon for each in further}, **words.ICONS}
    options = (
        *(each.action for each in further), words.RENAME, words.TAGS, words.NOTES, words.DUPLICATE,
        words.UNARCHIVE if archived else words.ARCHIVE, words.KEEP, words.BIN,
    )  # fmt: skip
    chosen = st.menu_button(
        words.MENU, options, key=key, icon=":material/more_horiz:", type="tertiary",
        format_func=lambda option: f"{icons[option]} {option}", **entrance.for_editors(words.MENU_HELP),
    )  # fmt: skip
    if chosen in [each.action for each in further]:
        open_dialog(key, chosen, own)
    elif chosen is not None:
        do(key, chosen, own, saved)
    show_dialog(key, saved, further)
