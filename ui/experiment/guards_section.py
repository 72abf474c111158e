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
from ui.drafts.guard_rows import KIND_LABELS, LABELS, GuardsDraft, frame_of, read_rows, rows_in, rows_of
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.widgets.text import plain, plural

LABEL = "Guards"
NO_GUARDS, OWN, SET = ("none", ""), ("own", ""), "set"
_TITLES = {NO_GUARDS: "None", OWN: "Guards of your own"}
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
        st.caption(f"And {plural(len(mistakes) - _SHOWN_MISTAKES, 'more mistake')}.")
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
        LABEL, choices, choices.index(chosen), key=key, format_func=lambda choice: _title(choice, sets), on_change=take,
        help="Prompts with what must stay true of the model's answers: a set that was kept, or guards of your own.",
    )  # fmt: skip


def _title(choice: Choice, sets: Mapping[str, GuardSet]) -> str:
    if choice in _TITLES:
        return _TITLES[choice]
    kept = sets[choice[1]]
    is_doubled = sum(each.name == kept.name for each in sets.values()) > 1
    return f"Kept set: {kept.name}" + (f" ({kept.set_id})" if is_doubled else "")


def _explain(guards: GuardsDraft, right: int, are_wrong: bool) -> None:
    if are_wrong:
        st.caption("The experiment can't start before what stands below the table is mended.")
    elif right:
        st.caption(f"{plural(right, 'guard')}, checked on the base model and after every stage.")
    elif guards.is_open:
        st.caption("Write a guard in each row of the table below, or upload a file of them.")
    else:
        st.caption("With guards, answers to prompts of yours are checked after every stage.")


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
        "name": config.TextColumn(LABELS["name"], default="", help="As lists and figures call it; empty: its prompt."),
        "prompt": config.TextColumn(
            LABELS["prompt"], width=180, default="", help="The model goes on from here. Of a loss it may be empty."
        ),
        "kind": config.SelectboxColumn(
            LABELS["kind"], options=KINDS, format_func=KIND_LABELS.__getitem__, default=KINDS[0],
            help="contains, equals: without regard to case and white space. matches: a pattern of RE2. likelier: as a "
            "continuation, than all in the next column. loss: of the value as a text, in nats per token.",
        ),
        "value": config.TextColumn(
            LABELS["value"], width=180, default="", help="The text, pattern or continuation; or the text of a loss."
        ),
        "than": config.ListColumn(
            LABELS["than"], width=130, default=[], help="The less likely continuations; or the largest loss, a number."
        ),
        "chat": config.CheckboxColumn(
            LABELS["chat"], default=False, help="The prompt is a user's turn, in the model's chat template."
        ),
        "answer_tokens": config.NumberColumn(
            LABELS["answer_tokens"], min_value=1, max_value=MOST_ANSWER_TOKENS, step=1, default=64,
            help="An answer ends after so many tokens.",
        ),
    }  # fmt: skip


def _upload(draft: ExperimentDraft) -> None:
    key = draft.key(f"guards{draft.guards.rounds}_upload")  # once a file is taken it closes
    with st.popover(
        "Upload", icon=":material/upload_file:", key=f"{key}_open", **for_editors("Take guards from a file.")
    ):
        uploaded = st.file_uploader(
            "File of guards", max_upload_size=LARGEST_MB, key=key,
            **for_editors("YAML, JSON, JSON lines, or a table with the fields of a guard as its columns."),
        )  # fmt: skip
        st.caption("It replaces the guards in the table.")
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
        "Keep", icon=":material/bookmark_add:",
        **for_editors("Keep these guards under a name, to choose them again.", disabled=not found),
    ):  # fmt: skip
        name = st.text_input("Name of the set", key=draft.key("guards_name"), max_chars=LONGEST_NAME,
                             help="As the list of sets shall call it.")  # fmt: skip
        if st.button(
            "Keep as a set", key="experiment_guards_keep", type="primary", **for_editors("Keep these guards.")
        ):
            try:
                draft.guards.set_id = actions.keep_guards(name or "", found).set_id
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                draft.guards.own = []
                st.rerun()


def _rename(draft: ExperimentDraft, kept: GuardSet) -> None:
    with st.popover("Rename", type="tertiary", **for_editors("Give this set another name.")):
        name = st.text_input("New name", kept.name, key=draft.key(f"guards_rename_{kept.set_id}"),
                             max_chars=LONGEST_NAME, help="As the list of sets shall call it.")  # fmt: skip
        if st.button("Rename the set", key="experiment_guards_rename", type="primary", **for_editors("Keep the name.")):
            try:
                actions.rename_guards(kept.set_id, name or "")
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                st.rerun()


def _delete(kept: GuardSet) -> None:
    with st.popover("Delete", type="tertiary", **for_editors("Delete this set of guards.")):
        st.markdown(f"Delete **{plain(kept.name)}**? This can't be undone.")
        st.caption("The guards stay in this form and in the experiments that hold them.")
        if st.button("Delete the set", key="experiment_guards_delete", type="primary", **for_editors("For good.")):
            try:
                actions.delete_guards(kept.set_id)
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                st.rerun()
