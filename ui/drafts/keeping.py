"""The draft of a session and its copy in the store: begun, restored, kept with every change, and told of other tabs.

One draft is kept for a visitor. The last change wins, whole; a session that is behind is told of it and may take the
newer one over. A draft that nobody has changed is not kept: it is made anew from the library at each visit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.store.drafts import KeptDraft
from ui.drafts import words
from ui.drafts.content import Content, content_of, draft_from, entered
from ui.drafts.draft import ExperimentDraft, new_draft
from ui.server import actions, entrance, session
from ui.widgets.text import plain

PAGE = "experiment"
_KEY, _VERSION = "experiment_draft", "experiment_draft_version"


@dataclass(frozen=True)
class _Aside:
    """A draft that could stand in the place of this one, and why it is offered."""

    sentence: str
    label: str
    help: str
    content: Content
    changed_at: float | None = None
    """When it was kept; None of one that is kept no more."""


@dataclass
class _Held:
    """The draft of a session."""

    draft: ExperimentDraft
    begun_as: Content
    """What it was before anybody changed it."""
    kept: Content | None = None
    """What this session has kept or read last; None while nobody has changed it."""
    kept_at: float = 0.0
    told_at: float = 0.0
    """When the newest that another tab has kept, of which this session knows, was kept."""
    aside: _Aside | None = None
    remarks: list[str] = field(default_factory=list)
    trouble: str = ""


def current(task_names: Iterable[str] = ()) -> ExperimentDraft:
    """The session's draft: at the first call that which the server has kept, else a new one of these tasks. One that
    nobody has changed follows the library."""
    held: _Held | None = st.session_state.get(_KEY)
    if held is None:
        kept = _in_store()
        held = _begin(new_draft(task_names))
        if kept is not None:
            _restore(held, kept)
    elif held.kept is None and held.draft.task_names != (names := list(task_names)) and not _is_changed(held):
        held.draft.task_names = names
        held.draft.moves += 1
        held.begun_as = entered(content_of(held.draft))
    return held.draft


def replace(draft: ExperimentDraft) -> None:
    """Put a copy of an experiment in the draft's place; what was entered before can be brought back."""
    _swap(_held(), draft, words.REPLACED)


def start_afresh(task_names: Iterable[str]) -> None:
    """Put a new draft in the place of this one, which can be brought back."""
    held = _held()
    _swap(held, new_draft(task_names), words.CLEARED)
    _settle(held)


def forget_started() -> None:
    """The draft has become an experiment: the next visit begins anew."""
    held: _Held = st.session_state.pop(_KEY)
    st.session_state[_VERSION] = held.draft.version
    _or_say(held, lambda: actions.forget_draft(PAGE))


def keep() -> None:
    """Keep what has changed since the last call, and look whether another tab has kept something newer."""
    held = _held()
    content = content_of(held.draft)
    now = entered(content)
    changed = now != (held.begun_as if held.kept is None else held.kept)
    other = _in_store()
    if other is not None and other.changed_at > max(held.kept_at, held.told_at):
        held.told_at = other.changed_at
        if entered(content_of(draft_from(other.content)[0])) != now:
            sentence = words.overtaken if changed else words.changed_elsewhere
            held.aside = _Aside(
                sentence(other.changed_at), words.TAKE_NEWER, words.HELP_TAKE_NEWER, other.content, other.changed_at
            )
    if changed:
        held.kept = now

        def write() -> None:
            held.kept_at = actions.keep_draft(PAGE, content) or held.kept_at

        _or_say(held, write)


def is_behind() -> bool:
    """Whether another tab has kept something of which this session has not been told."""
    held, other = _held(), _in_store()
    return other is not None and other.changed_at > max(held.kept_at, held.told_at)


def show_notes() -> None:
    """Say what became of the draft, and offer the one that could stand in its place."""
    held = _held()
    for sentence in held.remarks:
        st.warning(plain(sentence), icon=":material/warning:")
    if held.trouble:
        st.warning(plain(words.not_kept(held.trouble)), icon=":material/warning:")
    if held.aside is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(plain(held.aside.sentence), icon=":material/tab:", width="stretch")
            st.button(held.aside.label, key="experiment_draft_aside", help=held.aside.help, on_click=_take_aside)
            st.button(words.DISMISS, key="experiment_draft_dismiss", type="tertiary", help=words.HELP_DISMISS,
                      on_click=_dismiss)  # fmt: skip


def _take_aside() -> None:
    held = _held()
    aside = held.aside
    if aside is None:
        return
    held.aside = None
    draft, unread = draft_from(aside.content)
    _put(held, draft)
    held.remarks = [words.unread(unread)] if unread else []
    if aside.changed_at is not None:
        held.kept, held.kept_at = entered(content_of(draft)), aside.changed_at


def _dismiss() -> None:
    _held().aside = None


def _held() -> _Held:
    held: _Held | None = st.session_state.get(_KEY)
    return held if held is not None else _begin(new_draft())


def _begin(draft: ExperimentDraft) -> _Held:
    draft.version = st.session_state.get(_VERSION, 0) + 1
    held = st.session_state[_KEY] = _Held(draft, entered(content_of(draft)))
    return held


def _restore(held: _Held, kept: KeptDraft) -> None:
    draft, unread = draft_from(kept.content)
    _put(held, draft)
    held.kept, held.kept_at = entered(content_of(draft)), kept.changed_at
    held.remarks = [words.unread(unread)] if unread else []


def _swap(held: _Held, draft: ExperimentDraft, sentence: str) -> None:
    """Put another draft in the place of this one, and offer this one where somebody has changed it."""
    content = content_of(held.draft)
    offered = _Aside(sentence, words.TAKE_BACK, words.HELP_TAKE_BACK, content)
    held.aside = offered if _is_changed(held) else None
    held.remarks = []
    _put(held, draft)


def _is_changed(held: _Held) -> bool:
    return entered(content_of(held.draft)) != held.begun_as


def _put(held: _Held, draft: ExperimentDraft) -> None:
    draft.version = held.draft.version + 1
    held.draft = draft


def _settle(held: _Held) -> None:
    """Take the draft for one that nobody has changed, and keep none."""
    held.begun_as, held.kept = entered(content_of(held.draft)), None
    _or_say(held, lambda: actions.forget_draft(PAGE))


def _in_store() -> KeptDraft | None:
    """None where none may be kept, and where the store can't be read: its page says why."""
    try:
        owner = entrance.draft_owner()
        return None if owner is None else session.store().draft(owner, PAGE)
    except PalimpsestError:
        return None


def _or_say(held: _Held, action: Callable[[], None]) -> None:
    try:
        action()
        held.trouble = ""
    except PalimpsestError as error:
        held.trouble = str(error)
