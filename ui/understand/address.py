"""The page's choices in its address: read when somebody comes with it, and kept up to date with what is chosen."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

_KEPT = "understand_address"
LATE_SECONDS = 3.0
"""A click that overtakes a new address on its way to the browser still comes from the one before."""


@dataclass
class Address:
    """The choices that this visit of the page began with."""

    begun: dict[str, list[str]]
    written: dict[str, list[str]]
    """As this page itself has written the address since."""
    visit: int
    replaced: dict[str, list[str]] = field(default_factory=dict)
    """The address before that."""
    written_at: float = -LATE_SECONDS

    def first(self, name: str) -> str:
        """A choice of one value; "" where the address did not name any."""
        return (self.begun.get(name) or [""])[0]

    def all(self, name: str) -> list[str]:
        return self.begun.get(name, [])

    def number(self, name: str, low: float, high: float) -> float | None:
        """A choice that is a number from `low` to `high`; None where there is none."""
        try:
            value = float(self.first(name))
        except ValueError:
            return None
        return value if low <= value <= high else None

    def key(self, name: str) -> str:
        """The key of a widget that begins with one of these choices: another visit makes another widget."""
        return f"understand_{name}_{self.visit}"


def visited() -> Address:
    """The address of this visit. A visit begins with every address that the page has not written itself; one that names
    nothing goes on with what the last visit ended with."""
    now = {name: st.query_params.get_all(name) for name in st.query_params}
    known: Address | None = st.session_state.get(_KEPT)
    if known is not None and (now == known.written or _is_late(known, now)):
        return known
    begun = known.written if known is not None and not now else now
    st.session_state[_KEPT] = Address(dict(begun), now, known.visit + 1 if known is not None else 0)
    kept: Address = st.session_state[_KEPT]
    return kept


def write(choices: Mapping[str, str | Sequence[str]]) -> None:
    """Put the page's choices into its address, and nothing else; empty ones are left out."""
    listed = {name: [value] if isinstance(value, str) else list(value) for name, value in choices.items() if value}
    address = visited()
    if listed != address.written:
        address.replaced, address.written, address.written_at = address.written, listed, time.monotonic()
        st.query_params.from_dict(listed)


def _is_late(known: Address, now: dict[str, list[str]]) -> bool:
    return now == known.replaced and time.monotonic() - known.written_at < LATE_SECONDS
