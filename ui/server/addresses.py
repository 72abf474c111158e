"""Addresses of the server's routes, as the parts of a page ask for them: beside the page, so that they hold behind a
proxy that puts something before them."""

from urllib.parse import quote, urlencode

API = "api/v1"
GOING = f"{API}/going"
"""Whether the runs that wait or go on are still the same."""


def losses_of(run_id: str, score: str) -> str:
    """The chart of a run's losses."""
    return f"{API}/runs/{quote(run_id)}/figures/losses?{urlencode({'score': score})}"


def matrix_of(run_id: str, score: str) -> str:
    """The chart of a run's score matrix."""
    return f"{API}/runs/{quote(run_id)}/figures/matrix?{urlencode({'score': score})}"


def cell_of(run_id: str, stage: int, task: str, score: str) -> str:
    """The chart of what lies behind one cell of a run's score matrix."""
    query = {"stage": stage, "task": task, "score": score}
    return f"{API}/runs/{quote(run_id)}/figures/cell?{urlencode(query)}"


def glance_of(run_id: str) -> str:
    """How far a run and its experiment are, in words, and what a page about them is made of."""
    return f"{API}/runs/{quote(run_id)}/glance"
