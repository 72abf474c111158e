"""Words that several pages share; those of one page stand in the `words.py` of its room."""

from collections.abc import Sequence

from engine.common.quoting import shortened
from figures.numbers import exact, plural
from ui.widgets.page_head import Status

PRODUCT = "Palimpsest"
GLOSSARY, GLOSSARY_HELP = "Glossary", "The words of all pages, the same in files and figures."
ALL_STRATEGIES = "All strategies"
KEPT_CHECKPOINTS = "Checkpoints to keep"
NOT_KEPT = (
    "This checkpoint was not kept: the experiment says that fewer stay once a run has finished, or somebody chose to "
    "keep less. Training the run again brings it back."
)
EXACT_HELP = "The exact value; it may lie beyond what the slider offers."
NO_SEEDS = "Seeds: enter at least one, such as 0."
NUMBER, WHOLE_NUMBER = "a number", "a whole number"
PART_OF_CHARACTER = "a part of a character"
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


def more_characters(number: int) -> str:
    return f"… and {exact(number)} more characters"


def checkpoints_gone(gone: int, every: int) -> str:
    return (
        f"{gone:,} of {every:,} checkpoints were not kept: the experiment says that fewer stay once a run has "
        "finished, or somebody chose to keep less. Training these runs again brings them back."
    )


def several_help(help: str) -> str:
    return f"{help} Several values make several runs."


def separated(label: str) -> str:
    return f"{label}, separated by commas"


def exactly(label: str) -> str:
    return f"{label}, exactly"


def no_value(label: str) -> str:
    return f"{label}: enter at least one value."


def no_seed(text: str) -> str:
    return f"Seeds: '{shortened(text)}' is not a whole number from 0 to 999999999."


def seed_twice(seed: int) -> str:
    return f"Seeds: {seed} stands twice; give each seed once."


def none_of(label: str, text: str, choices: Sequence[str]) -> str:
    return f"{label}: '{shortened(text)}' is none of {', '.join(choices)}."


def neither(label: str, text: str) -> str:
    return f"{label}: '{shortened(text)}' is neither true nor false."


def is_not(label: str, text: str, kind: str) -> str:
    return f"{label}: '{shortened(text)}' is not {kind}."


def too_small(label: str, text: str, least: float) -> str:
    return f"{label}: {shortened(text)} is below {least:g}, the least that is valid."


def too_large(label: str, text: str, most: float) -> str:
    return f"{label}: {shortened(text)} is above {most:g}, the most that is valid."


def seed(number: int) -> str:
    return f"seed {number}"


def with_seed(run: str, number: int) -> str:
    """The name of a run with its seed."""
    return f"{run}, seed {number}"
