"""Words that several pages share; those of one page stand in the `words.py` of its room."""

from figures.numbers import plural
from ui.widgets.page_head import Status

PRODUCT = "Palimpsest"
GLOSSARY, GLOSSARY_HELP = "Glossary", "The words of all pages, the same in files and figures."
ALL_STRATEGIES = "All strategies"


def tab(page: str) -> str:
    """The title of a page's tab."""
    return PRODUCT if page in ("Start", PRODUCT) else f"{page} · {PRODUCT}"


def tab_of_ended(ended: int, failed: int, runs: int) -> str:
    """The title of the tab once so many of `runs` runs have ended, and some of these have failed.

    >>> tab_of_ended(3, 0, 3), tab_of_ended(2, 1, 3)
    ('✓ 3 of 3 runs ended · Palimpsest', '✕ 2 of 3 runs ended, 1 failed · Palimpsest')
    """
    said = f"{'✕' if failed else '✓'} {ended} of {plural(runs, 'run')} ended"
    return f"{said}{f', {failed} failed' if failed else ''} · {PRODUCT}"


STATUSES = {
    "running": Status("Running", "blue", ":material/play_arrow:"),
    "paused": Status("Paused", "orange", ":material/pause:"),
    "queued": Status("Waiting", "gray", ":material/schedule:"),
    "interrupted": Status("Interrupted", "orange", ":material/power_off:"),
    "failed": Status("Failed", "red", ":material/error:"),
    "stopped": Status("Stopped", "gray", ":material/stop:"),
    "finished": Status("Finished", "green", ":material/check:"),
}
"""The badge of every state of a run; an experiment has the first that one of its runs has."""
