"""A page asks here who its visitor is. Those who may not see are shown nothing; those who only may, change nothing."""

import os
import time
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.logger import get_logger
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.common.errors import AccessError
from engine.common.paths import MODEL_ROOTS
from ui.server import access, gate, words
from ui.server.access import Role, Rules, Visitor
from ui.widgets.text import plain

LOG = get_logger("palimpsest")
MOMENT_SECONDS = 0.2
"""A change of the secrets counts after so long at most."""


def is_private() -> bool:
    """Whether only this machine reaches this server, by its configuration."""
    return access.is_private(st.get_option("server.address"), st.get_option("server.allowedHosts"))


def check_start() -> None:
    """Refuse to serve at all where nothing says who may use the server. Ends the process with the reason."""
    try:
        log_in = _rules().log_in
    except AccessError as error:
        raise SystemExit(str(error)) from error
    if is_private():
        return
    os.environ.setdefault(MODEL_ROOTS, "")  # model folders of the server are not for everybody to name
    if not log_in:
        LOG.warning(
            "Everybody who reaches this server may start, change and delete everything (%s).", access.OPEN_TO_ALL
        )


def enter() -> None:
    """Go on for those who may see what is here; others are told why not and what to do, and the page ends."""
    try:
        visitor = _visitor()
    except AccessError as error:
        _log_once(str(error))
        st.error(plain(str(error)), icon=":material/lock:")
        st.stop()
    context = get_script_run_ctx()
    if context is not None:
        gate.let_upload(context.session_id, visitor.role is Role.CHANGE)
    if visitor.role is not Role.NOTHING:
        return
    st.title(words.PRODUCT)
    if visitor.refusal:
        st.error(plain(visitor.refusal), icon=":material/lock:")
        _log_out_button()
    else:
        st.markdown(words.FOR_THE_LISTED)
        st.button(words.LOG_IN, key="entrance_log_in", type="primary", icon=":material/login:", on_click=st.login,
                  help=words.LOG_IN_HELP)  # fmt: skip
    st.stop()


def show_visitor() -> None:
    """Show in the sidebar as whom one is here, and the way out; nothing where nobody logs in."""
    if not _rules().log_in:
        return
    visitor = _visitor()
    with st.sidebar:
        st.caption(plain(visitor.name) + ("" if visitor.role is Role.CHANGE else f"  \n{words.MAY_SEE}"))
        _log_out_button()


def may_change() -> bool:
    """Whether the visitor may start, change, delete and upload."""
    return _visitor().role is Role.CHANGE


def require_change() -> str:
    """The name of a visitor who may change things, for the log. Raises AccessError for others."""
    visitor = _visitor()
    if visitor.role is not Role.CHANGE:
        LOG.warning("Refused a change to %s", visitor.name)
        raise AccessError(words.ONLY_SEEING)
    return visitor.name


def visitor_id() -> str:
    """The name of whoever is logged in; "" where nobody logs in, so that all who look are one visitor."""
    return _visitor().name if _rules().log_in else ""


def draft_owner() -> str | None:
    """Whose drafts a visitor's are: those of the log-in's address; where nobody logs in the machine's own (""), or on a
    server that others reach those of the visitor's browser. None where nothing may be kept: for those who may change
    nothing, and for browsers that refuse cookies."""
    if not may_change():
        return None
    if _rules().log_in:
        return _visitor().name
    browser = "" if is_private() else st.context.cookies.get(gate.BROWSER)
    return f"browser {browser}" if browser else browser


def for_editors(help: str, disabled: bool = False) -> dict[str, Any]:
    """`help` and `disabled` of a control that changes something: `st.button("Delete", **for_editors("For good."))`."""
    return {"help": help, "disabled": disabled} if may_change() else {"help": words.ONLY_SEEING, "disabled": True}


def _visitor() -> Visitor:
    """Raises AccessError where nobody may use the server as it is set up."""
    return visitor_with(lambda: st.user)


def visitor_with(claims: Callable[[], Mapping[str, Any]]) -> Visitor:
    """Tell who somebody is by what his log-in says, which is asked for only where there is a log-in. Raises AccessError
    where nobody may use the server as it is set up."""
    rules = _rules()
    said = claims() if rules.log_in else {}
    if rules.log_in and not said.get("is_logged_in"):
        return Visitor(words.SOMEBODY, Role.NOTHING)
    return access.visitor_of(rules, said)


def _rules() -> Rules:
    """Asked for a dozen times in a page's run, and the same for everybody: looked up once in a moment."""
    return _rules_in(int(time.monotonic() / MOMENT_SECONDS))


def forget_rules() -> None:
    """Look them up anew at the next question."""
    _rules_in.cache_clear()


@lru_cache(maxsize=1)
def _rules_in(moment: int) -> Rules:
    open_to_all = os.environ.get(access.OPEN_TO_ALL, "").strip().lower() in ("1", "true", "yes")
    return access.rules_of(_secrets(), is_private(), open_to_all)


def _secrets() -> Mapping[str, Any]:
    """The secrets as they are now, none where there is no file. Raises AccessError where a file can't be read."""
    try:
        len(st.secrets)  # reads them
    except StreamlitSecretNotFoundError as error:
        if any(Path(file).exists() for file in st.get_option("secrets.files")):
            _log_once(str(error))  # names files, which are not for every visitor
            raise AccessError(words.SECRETS_UNREADABLE) from error
        return {}
    return st.secrets


def _log_out_button() -> None:
    st.button(words.LOG_OUT, key="entrance_log_out", icon=":material/logout:", on_click=st.logout,
              help=words.LOG_OUT_HELP)  # fmt: skip


@cache
def _log_once(sentence: str) -> None:
    LOG.error(sentence)
