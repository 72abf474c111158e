"""The store: a run's events come in, data frames go out. It imports `experiments`, `persistence`, `strategies`,
`events` and `common`."""

from engine.store.reading import Reader
from engine.store.writing import Writer


class Store(Reader, Writer):
    """Experiments, runs and what the runs said, under one folder. Safe to use from several threads and processes."""


__all__ = ["Store"]
