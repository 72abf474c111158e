"""The places that a queue fills, as the operator has chosen them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.common.errors import ConfigError

if TYPE_CHECKING:
    from engine.execution.places import Places

VARIABLE = "PALIMPSEST_ON"
HERE = "here"


def chosen_places(parallel: int | str | None = None) -> Places:
    """The places that PALIMPSEST_ON names, this machine's unless it is set, for `parallel` runs at once (by
    PALIMPSEST_PARALLEL where it is None). Raises ConfigError."""
    chosen = os.environ.get(VARIABLE, "").strip() or HERE
    if chosen not in _PLACES:
        raise ConfigError(f"{VARIABLE}: there are no places named {chosen!r}; set one of: {', '.join(_PLACES)}.")
    return _PLACES[chosen](parallel)


def _here(parallel: int | str | None) -> Places:
    from engine.execution.local_places import local_places

    return local_places(parallel)


_PLACES: dict[str, Callable[[int | str | None], Places]] = {HERE: _here}
