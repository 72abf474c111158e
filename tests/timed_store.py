"""A store for the Experiment page, on a machine whose speed is given: nothing is timed."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.forecast.machine_speed import Speed
from engine.store import Store
from ui.outlook import outlook, preview_data
from ui.server import session


def timed_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The server's store in `folder`, which is its data folder, with a queue that runs nothing. Estimates are waited
    for."""
    monkeypatch.setenv("PALIMPSEST_DATA", str(folder))
    made = Store(folder)
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "runner", lambda: SimpleNamespace(watching=None, trouble=""))
    speed = Speed(1000.0, 500.0, 2_600_000, 1_000_000, "cpu", 4096)
    monkeypatch.setattr(preview_data, "measure_speed", lambda model, training, cpus: speed)
    monkeypatch.setattr(outlook, "AT_ONCE_SECONDS", 60.0)
    yield made
    made.close()
