"""Parts of a page that are folded away: drawn once they are opened, and until then a line that says what is chosen."""

from collections.abc import Sequence
from typing import Any

import streamlit as st


def folding(title: str, key: str, chosen: Sequence[str] = (), **look: Any) -> Any:
    """An expander whose `.open` says whether its content is wanted. While it is closed its label ends with what is
    `chosen` in it (Markdown): what is being changed inside would be told a moment late."""
    is_open = bool(st.session_state.get(key))
    label = title if is_open or not chosen else f"{title} :gray[· {' · '.join(chosen)}]"
    return st.expander(label, key=key, on_change="rerun", **look)
