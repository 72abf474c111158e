"""Events of runs come in; data frames go out, by way of SQLite.

It imports `experiments`, `persistence`, `strategies`, `events` and `common`.
"""

from engine.store.drafts import Drafts
from engine.store.outlines import OutlineKeeper
from engine.store.reading import Reader
from engine.store.taking import Taker
from engine.store.writing import Writer


class Store(Reader, OutlineKeeper, Writer, Taker, Drafts):
    """Experiments, runs and the events of runs, under one folder. Safe to use from several threads and processes."""


__all__ = ["Store"]
