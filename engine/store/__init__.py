"""The store: events in, data frames out."""

from engine.store.reading import Reader
from engine.store.writing import Writer


class Store(Reader, Writer):
    """Experiments, runs and what the runs said, under one folder. Safe to use from several threads and processes."""


__all__ = ["Store"]
