"""Experiments and runs over months: their table, tags, notes and names, the bin, and the log of who changed what.

A store and a choice of experiments and runs come in; tables go out, or rows and files of the store change. It imports
`store`, `experiments`, `strategies`, `persistence` and `common`.
"""

from engine.housekeeping.chosen import Chosen, Thing

__all__ = ["Chosen", "Thing"]
