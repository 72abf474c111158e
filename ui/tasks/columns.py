"""The form's choices of what is learnt from tables, and of how pairs and conversations become one text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from engine.tasks.columns import Columns, Guess, guess_columns, nested_column, unused_columns
from engine.tasks.documents import Kind
from engine.tasks.files.contents import Table
from engine.tasks.load import unused_remark
from ui.tasks import form_words, upload_draft
from ui.tasks.upload_draft import UploadDraft
from ui.widgets.text import plain

_NONE = "none"
_ESCAPES = {"\\n": "\n", "\\t": "\t"}


@dataclass(frozen=True)
class RenderingChoice:
    """The way that pairs and conversations become one text: fields of a task's specification."""

    separator: str = "\n"
    template: str = "auto"
    learn: str = "assistant"

    def changed(self) -> dict[str, str]:
        """Those that are not at their defaults."""
        return {name: value for name, value in vars(self).items() if value != getattr(RenderingChoice(), name)}


def columns_form(draft: UploadDraft, tables: Sequence[Table]) -> Columns | None:
    """Which columns are learnt; None while a question about them is open, or where none can be."""
    if not tables:
        return Columns()
    guess, names = guess_columns(tables[0]), upload_draft.column_names(tables)
    first = guess.columns if guess is not None else Columns()
    kinds = [
        form_words.ONE_TEXT,
        *([form_words.PAIR] if len(names) > 1 else []),
        *([form_words.CHAT] if any(table.nested for table in tables) else []),
    ]
    kind = form_words.ONE_TEXT
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(kinds) > 1:
            kind = st.segmented_control(
                form_words.COLUMNS, kinds, default=_kind_of(first), required=True,
                key=draft.key(f"kind{len(kinds)}"), persist_state="session",
                help=form_words.COLUMNS_HELP,
            )  # fmt: skip
        chosen = {form_words.ONE_TEXT: _text, form_words.PAIR: _pair, form_words.CHAT: _chat}[kind](draft, names, first)
    is_open = False
    if guess is not None and guess.about_system and chosen.system == guess.columns.system:
        said = _asked_about_system(draft, guess, chosen)
        is_open, chosen = said is None, said or chosen
    unused = list(dict.fromkeys(name for table in tables for name in unused_columns(table, chosen)))
    if unused:
        st.caption(plain(unused_remark(unused)))
    if guess is None and kind == form_words.ONE_TEXT:
        st.error(plain(str(nested_column(tables[0], sorted(tables[0].nested)[0]))), icon=":material/error:")
        return None
    if guess is not None and guess.question and kind == form_words.PAIR:
        answered = _asked(draft, guess, chosen)
        return None if is_open else answered
    return None if is_open else chosen


def rendering_form(draft: UploadDraft, kind: Kind) -> RenderingChoice:
    """Ask how prompt and completion, or the turns of a conversation, become one text."""
    if kind == "text":
        return RenderingChoice()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        template = _template(draft, kind)
        if kind == "pairs" and template == "auto":
            return RenderingChoice(separator=_separator(draft))
        learn = st.segmented_control(
            form_words.TURNS, ["assistant", "all"], default="assistant", required=True,
            format_func={"assistant": form_words.ASSISTANTS_TURNS, "all": form_words.ALL_TURNS}.__getitem__,
            key=draft.key("learn"), persist_state="session",
            help=form_words.TURNS_HELP,
        )  # fmt: skip
    return RenderingChoice(template=template, learn=str(learn))


def _kind_of(columns: Columns) -> str:
    return form_words.CHAT if columns.messages else form_words.PAIR if columns.prompt else form_words.ONE_TEXT


def _text(draft: UploadDraft, names: list[str], first: Columns) -> Columns:
    proposed = first.text or first.completion
    return Columns(text=_column(draft, form_words.TEXT_COLUMN, names, proposed, form_words.TEXT_COLUMN_HELP))


def _chat(draft: UploadDraft, names: list[str], first: Columns) -> Columns:
    help = form_words.CHAT_COLUMN_HELP
    messages = _column(draft, form_words.CHAT_COLUMN, names, first.messages, help)
    return Columns(messages=messages, **_beside(draft, names, first, ("system",)))


def _pair(draft: UploadDraft, names: list[str], first: Columns) -> Columns:
    proposed = list(first.prompt) or [next((name for name in names if name != first.text), names[0])]
    key = draft.key("prompts")
    if any(name not in names for name in st.session_state.get(key) or ()):
        del st.session_state[key]  # columns of a file that was removed
    prompt = st.multiselect(
        form_words.PROMPT_COLUMNS, names, default=proposed, key=key, width=280, persist_state="session",
        help=form_words.PROMPT_COLUMNS_HELP,
    ) or proposed[:1]  # fmt: skip
    rest = [name for name in names if name not in prompt] or names
    completion = _column(
        draft, form_words.COMPLETION_COLUMN, rest, first.completion or first.text, form_words.COMPLETION_COLUMN_HELP
    )  # fmt: skip
    more = _beside(draft, names, first, ("system", "history"))
    return Columns(prompt=tuple(prompt), completion=completion, **more)


def _beside(draft: UploadDraft, names: list[str], first: Columns, fields: Sequence[str]) -> dict[str, Any]:
    """The proposed columns of what is said before, each to be changed or left out."""
    more: dict[str, Any] = {}
    for field in fields:
        proposed_one = getattr(first, field)
        if proposed_one is not None:
            label = {"system": form_words.SYSTEM_COLUMN, "history": form_words.HISTORY_COLUMN}[field]
            help = {"system": form_words.SYSTEM_COLUMN_HELP, "history": form_words.HISTORY_COLUMN_HELP}[field]
            found = _column(draft, label, [_NONE, *names], proposed_one, help)
            more[field] = None if found == _NONE else found
    return more


def _column(draft: UploadDraft, label: str, names: list[str], first: str | None, help: str) -> str:
    key = draft.key(label.split()[0].lower() + label.split()[-1].lower())
    if st.session_state.get(key) not in (None, *names):
        del st.session_state[key]  # a column of a file that was removed
    index = names.index(first) if first in names else 0
    return st.selectbox(label, names, index=index, key=key, width=240, persist_state="session", help=help)


def _asked(draft: UploadDraft, guess: Guess, chosen: Columns) -> Columns | None:
    """The columns, once it is said which of the two is the prompt."""
    prompt, completion = guess.columns.prompt[0], str(guess.columns.completion)
    if (chosen.prompt, chosen.completion) != (guess.columns.prompt, completion):
        return chosen  # chosen by hand
    st.warning(plain(guess.question[:1].upper() + guess.question[1:]), icon=":material/help:")
    answer = st.segmented_control(
        form_words.WHICH_PROMPT, [prompt, completion], default=None, key=draft.key("which_prompt"),
        persist_state="session", help=form_words.WHICH_PROMPT_HELP,
    )  # fmt: skip
    if answer is None:
        return None
    return chosen if answer == prompt else replace(chosen, prompt=(completion,), completion=prompt)


def _asked_about_system(draft: UploadDraft, guess: Guess, chosen: Columns) -> Columns | None:
    """The columns, once it is said whether one of them is what conversations begin with."""
    st.warning(plain(guess.about_system[:1].upper() + guess.about_system[1:]), icon=":material/help:")
    said = st.segmented_control(
        form_words.IS_SYSTEM, [form_words.YES, form_words.NO], default=None, key=draft.key("is_system"),
        persist_state="session", help=form_words.IS_SYSTEM_HELP,
    )  # fmt: skip
    if said is None:
        return None
    return chosen if said == form_words.YES else replace(chosen, system=None)


def _template(draft: UploadDraft, kind: Kind) -> str:
    names = {
        "auto": form_words.MODELS_TEMPLATE_OR_PLAIN if kind == "chat" else form_words.NO_TEMPLATE,
        "plain": form_words.PLAIN_TEMPLATE,
        "model": form_words.MODELS_TEMPLATE,
    }
    label = form_words.CHAT_TEMPLATE if kind == "chat" else form_words.AS_CONVERSATION
    return st.selectbox(
        label, list(names), format_func=names.__getitem__, key=draft.key(f"template_{kind}"), width=300,
        persist_state="session",
        help=form_words.TEMPLATE_HELP,
    )  # fmt: skip


def _separator(draft: UploadDraft) -> str:
    chosen = st.selectbox(
        form_words.SEPARATOR, list(form_words.SEPARATORS), format_func=lambda s: form_words.SEPARATORS.get(s, s),
        accept_new_options=True, key=draft.key("separator"), width=240, persist_state="session",
        help=form_words.SEPARATOR_HELP,
    )  # fmt: skip
    text = str(chosen if chosen is not None else "\n")
    if text in form_words.SEPARATORS:
        return text
    for written, meant in _ESCAPES.items():
        text = text.replace(written, meant)
    return text
