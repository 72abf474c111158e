"""The guards of an experiment: a kept set or guards of one's own, in a table, from a file, kept under a name."""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.common.errors import ConfigError, PalimpsestError
from engine.guards.guard import KINDS, MOST_ANSWER_TOKENS, Guard
from engine.guards.guard_files import LARGEST_MB, guards_of
from engine.guards.guard_sets import LONGEST_NAME, GuardSet, KeptGuards
from ui.drafts.draft import Choice, ExperimentDraft
from ui.drafts.guard_rows import GuardsDraft, frame_of, read_rows, rows_in, rows_of
from ui.drafts.words import GUARD_COLUMNS, GUARD_KINDS
from ui.experiment import words
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.widgets.text import plain

NO_GUARDS, OWN, SET = ("none", ""), ("own", ""), "set"
_TITLES = {NO_GUARDS: words.NONE, OWN: words.OWN_GUARDS}
_SHOWN_MISTAKES = 5


def guards_section(draft: ExperimentDraft, place: DeltaGenerator) -> None:
    """The table of guards and what can be done with them; `place` gets the choice among them."""
    kept = _kept()
    sets = {each.set_id: each for each in kept.sets}
    guards = draft.guards
    above = st.container()
    if guards.is_open:
        _table(draft)
    found, mistakes = read_rows(guards.rows)
    of_set = _set_of(guards, found, sets) if not mistakes else None
    if guards.rows and of_set is None:
        guards.own = guards.rows
    with place:
        _choice(draft, sets, of_set)
        _explain(guards, len(found), bool(mistakes))
    for sentence in mistakes[:_SHOWN_MISTAKES]:
        st.error(plain(sentence), icon=":material/error:")
    if len(mistakes) > _SHOWN_MISTAKES:
        st.caption(words.more_mistakes(len(mistakes) - _SHOWN_MISTAKES))
    if guards.is_open:
        with st.container(horizontal=True):
            _upload(draft)
            if of_set is None:
                _keep(draft, found if not mistakes else ())
            else:
                _rename(draft, of_set)
                _delete(of_set)
    with above:
        for sentence in kept.problems:
            st.warning(plain(sentence), icon=":material/warning:")


def _kept() -> KeptGuards:
    try:
        return session.guard_sets().kept()
    except PalimpsestError as error:
        return KeptGuards((), (str(error),))


def _set_of(guards: GuardsDraft, found: tuple[Guard, ...], sets: Mapping[str, GuardSet]) -> GuardSet | None:
    """The kept set that the guards are, that which was chosen last before others."""
    equal = [each for each in sets.values() if each.guards == found]
    return next((each for each in equal if each.set_id == guards.set_id), equal[0] if equal else None)


def _choice(draft: ExperimentDraft, sets: Mapping[str, GuardSet], of_set: GuardSet | None) -> None:
    guards = draft.guards
    chosen = (SET, of_set.set_id) if of_set else OWN if guards.is_open else NO_GUARDS
    choices = [NO_GUARDS, OWN, *((SET, set_id) for set_id in sets)]
    key = draft.key(f"guards{guards.rounds}_choice_{'_'.join(chosen)}")

    def take() -> None:
        kind, set_id = picked = st.session_state[key]
        if kind == SET:
            guards.take(rows_of(sets[set_id].guards), set_id)
        else:
            guards.take(guards.own if picked == OWN else (), is_open=picked == OWN)

    st.selectbox(
        words.GUARDS,
        choices,
        choices.index(chosen),
        key=key,
        format_func=lambda choice: _title(choice, sets),
        on_change=take,
        help=words.HELP_GUARDS,
    )


def _title(choice: Choice, sets: Mapping[str, GuardSet]) -> str:
    if choice in _TITLES:
        return _TITLES[choice]
    kept = sets[choice[1]]
    is_doubled = sum(each.name == kept.name for each in sets.values()) > 1
    return words.kept_set(kept.name) + (f" ({kept.set_id})" if is_doubled else "")


def _explain(guards: GuardsDraft, right: int, are_wrong: bool) -> None:
    if are_wrong:
        st.caption(words.GUARDS_TO_MEND)
    elif right:
        st.caption(words.guards_checked(right))
    elif guards.is_open:
        st.caption(words.WRITE_GUARDS)
    else:
        st.caption(words.NO_GUARDS)


def _table(draft: ExperimentDraft) -> None:
    """Every edit goes to the draft."""
    guards = draft.guards
    key = draft.key(f"guards{guards.rounds}_table")
    if key not in st.session_state:  # a browser sends what differs from these rows, again and again
        guards.drawn = guards.rows
    edited = st.data_editor(
        frame_of(guards.drawn), key=key, num_rows="dynamic", hide_index=True, column_config=_columns()
    )
    guards.rows = rows_in(edited)


def _columns() -> dict[str, Any]:
    config = st.column_config
    return {
        "name": config.TextColumn(GUARD_COLUMNS["name"], default="", help=words.HELP_GUARD_NAME),
        "prompt": config.TextColumn(
            GUARD_COLUMNS["prompt"], width=180, default="", help=words.HELP_GUARD_PROMPT
        ),
        "kind": config.SelectboxColumn(
            GUARD_COLUMNS["kind"], options=KINDS, format_func=GUARD_KINDS.__getitem__, default=KINDS[0],
            help=words.HELP_GUARD_KIND,
        ),
        "value": config.TextColumn(
            GUARD_COLUMNS["value"], width=180, default="", help=words.HELP_GUARD_VALUE
        ),
        "than": config.ListColumn(
            GUARD_COLUMNS["than"], width=130, default=[], help=words.HELP_GUARD_THAN
        ),
        "chat": config.CheckboxColumn(
            GUARD_COLUMNS["chat"], default=False, help=words.HELP_GUARD_CHAT
        ),
        "answer_tokens": config.NumberColumn(
            GUARD_COLUMNS["answer_tokens"], min_value=1, max_value=MOST_ANSWER_TOKENS, step=1, default=64,
            help=words.HELP_GUARD_TOKENS,
        ),
    }  # fmt: skip


def _upload(draft: ExperimentDraft) -> None:
    key = draft.key(f"guards{draft.guards.rounds}_upload")  # once a file is taken it closes
    with st.popover(words.UPLOAD, icon=":material/upload_file:", key=f"{key}_open", **for_editors(words.HELP_UPLOAD)):
        uploaded = st.file_uploader(
            words.GUARD_FILE, max_upload_size=LARGEST_MB, key=key,
            **for_editors(words.HELP_GUARD_FILE),
        )  # fmt: skip
        st.caption(words.REPLACES_GUARDS)
        if uploaded is None:
            return
        try:
            found = guards_of(uploaded.name, uploaded.getvalue())
        except ConfigError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            draft.guards.take(rows_of(found))
            st.rerun()


def _keep(draft: ExperimentDraft, found: tuple[Guard, ...]) -> None:
    with st.popover(
        words.KEEP, icon=":material/bookmark_add:",
        **for_editors(words.HELP_KEEP, disabled=not found),
    ):  # fmt: skip
        name = st.text_input(words.SET_NAME, key=draft.key("guards_name"), max_chars=LONGEST_NAME,
                             help=words.HELP_SET_NAME)  # fmt: skip
        if st.button(words.KEEP_SET, key="experiment_guards_keep", type="primary", **for_editors(words.HELP_KEEP_SET)):
            try:
                draft.guards.set_id = actions.keep_guards(name or "", found).set_id
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                draft.guards.own = []
                st.rerun()


def _rename(draft: ExperimentDraft, kept: GuardSet) -> None:
    with st.popover(words.RENAME, type="tertiary", **for_editors(words.HELP_RENAME)):
        name = st.text_input(words.NEW_NAME, kept.name, key=draft.key(f"guards_rename_{kept.set_id}"),
                             max_chars=LONGEST_NAME, help=words.HELP_SET_NAME)  # fmt: skip
        if st.button(
            words.RENAME_SET, key="experiment_guards_rename", type="primary", **for_editors(words.HELP_RENAME_SET)
        ):
            try:
                actions.rename_guards(kept.set_id, name or "")
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                st.rerun()


def _delete(kept: GuardSet) -> None:
    with st.popover(words.DELETE, type="tertiary", **for_editors(words.HELP_DELETE)):
        st.markdown(words.delete_question(kept.name))
        st.caption(words.DELETE_KEEPS)
        if st.button(
            words.DELETE_SET, key="experiment_guards_delete", type="primary", **for_editors(words.HELP_DELETE_SET)
        ):
            try:
                actions.delete_guards(kept.set_id)
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                st.rerun()
