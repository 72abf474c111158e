"""Probes: small generated tests of what a model can do, the same items for every model, with no text from elsewhere.

Pages import this module before torch has loaded; `probe_items` makes the items.
"""

from dataclasses import dataclass

ITEMS = 200
"""Of each probe."""


@dataclass(frozen=True)
class Probe:
    """A kind of item: a prompt, and `choices` continuations of which one is right."""

    name: str
    title: str
    choices: int
    is_written: bool
    """Whether the answer is written out greedily as well."""
    what: str

    @property
    def chance(self) -> float:
        """The share that is right where nothing of the prompt is understood."""
        return 1 / self.choices


ARITHMETIC = Probe(
    "arithmetic", "Arithmetic", 4, True,
    "Sums and differences with a result from 10 to 39, after three examples. Wrong choices are other numbers near it, "
    "and no choice stands in the prompt.",
)  # fmt: skip
COPYING = Probe(
    "copying", "Copying", 4, True,
    "Four words to be repeated, after two examples. Wrong choices are other words of the same length, none of which "
    "stands in the prompt.",
)  # fmt: skip
SORTING = Probe(
    "sorting", "Sorting", 4, True,
    "Four letters to be put in order, forwards or backwards, after two examples. Wrong choices go the other way, or "
    "have another letter in the place of one.",
)  # fmt: skip
LOOK_UP = Probe(
    "look-up", "Look-up", 4, False,
    "A fact that the prompt has stated, among three others like it. Wrong choices are what the other three state.",
)  # fmt: skip
AGREEMENT = Probe(
    "agreement", "Agreement", 2, False,
    "English verbs that agree with their subject in number, past another noun. The wrong choice is the other number.",
)  # fmt: skip
PROBES = (ARITHMETIC, COPYING, SORTING, LOOK_UP, AGREEMENT)


def probe_named(name: str) -> Probe:
    """The probe of this name, which is one of `PROBES`."""
    return next(probe for probe in PROBES if probe.name == name)
