"""The places that a queue fills, as the operator has chosen them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.common.errors import ConfigError, PlacesError

if TYPE_CHECKING:
    from engine.execution.places import Places

VARIABLE = "PALIMPSEST_ON"
HERE, RAY = "here", "ray"


def chosen_places(data_folder: Path, on: str | None = None, parallel: int | str | None = None) -> Places:
    """The places named `on`, by PALIMPSEST_ON where it is None: this machine's unless that is set.

    They compute runs of `data_folder`; on this machine `parallel` at once, by PALIMPSEST_PARALLEL where it is None.
    Raises ConfigError, PlacesError where what they need is not installed.
    """
    chosen = on or os.environ.get(VARIABLE, "").strip() or HERE
    if chosen not in _PLACES:
        raise ConfigError(f"{VARIABLE}: there are no places named {chosen!r}; set one of: {', '.join(_PLACES)}.")
    return _PLACES[chosen](data_folder, parallel)


def _here(_data_folder: Path, parallel: int | str | None) -> Places:
    from engine.execution.local_places import local_places

    return local_places(parallel)


def _ray(data_folder: Path, parallel: int | str | None) -> Places:
    from engine.cluster.ray_places import RayPlaces

    if importlib.util.find_spec("ray") is None:
        raise PlacesError("Ray is not installed here; install it with: pip install -r requirements-ray.txt")
    if parallel is not None:
        raise ConfigError("--parallel: on a cluster, what a run asks for (resources) decides how many run at once.")
    return RayPlaces(data_folder)


_PLACES: dict[str, Callable[[Path, int | str | None], Places]] = {HERE: _here, RAY: _ray}
