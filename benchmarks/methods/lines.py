"""From the numbers of runs to the lines of the table: the setting that half A chooses, its scores on half B, tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.methods.halves import CHOOSING, REPORTED
from engine.results.comparison import trains_on_all
from engine.results.paired_tests import Draw, PairedDifference, differences_to, holm, paired_p
from engine.results.summaries import mean_interval, summarize

Run = Mapping[str, Any]
NAIVE = "naive"


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and half the width of its 95% interval; None for one seed."""

    mean: float
    half_width: float | None


@dataclass(frozen=True)
class Setting:
    """One value that was tried on a line, over the seeds that all of the line's values have."""

    name: str
    runs: tuple[Run, ...]
    """By seed."""

    def over_seeds(self, measure: str, half: str) -> Interval:
        """A measure of `scores` over the runs."""
        mean, _, high = mean_interval([scores(run, half)[measure] for run in self.runs])
        return Interval(mean, None if high is None else high - mean)

    def mean(self, group: str, name: str) -> float:
        """The mean of a number that runs hold in a group."""
        return fmean(run[group][name] for run in self.runs)

    @property
    def processor_seconds(self) -> float | None:
        """The mean over the runs that measured it; None where none did."""
        found = [run["processor_seconds"] for run in self.runs if run.get("processor_seconds") is not None]
        return fmean(found) if found else None

    def clipped(self) -> tuple[float, float]:
        """The share of steps clipped, and the share of gradients left, mean over stages and runs."""
        stages = [stage for run in self.runs for stage in run["clipping"] or ()]
        return fmean(s["clipped_share"] for s in stages), fmean(s["kept_share"] for s in stages)


@dataclass(frozen=True)
class Line:
    """A strategy with all values that were tried."""

    name: str
    strategy: str
    seeds: tuple[int, ...]
    settings: tuple[Setting, ...]
    chosen: Setting
    """The one with the lowest final average on half A, in bits per byte, mean over the seeds."""
    untried: tuple[str, ...] = ()
    """The settings that are planned and have no run yet."""

    @property
    def is_reference(self) -> bool:
        """Whether it trains on all tasks so far, at their whole price, and so is no rival."""
        return trains_on_all(self.strategy)


def scores(run: Run, half: str) -> dict[str, float]:
    """Forgetting, final average and average after each task's own stage on a half, in bits per byte: low is good."""
    found = summarize(run["halves"][half]["bits_per_byte"], lower_is_better=True)
    assert found.average is not None
    assert found.learning_accuracy is not None
    assert found.forgetting is not None
    return {
        "average": -found.average, "learning_accuracy": -found.learning_accuracy, "forgetting": found.forgetting,
    }  # fmt: skip


def lines(runs: Sequence[Run], order: Sequence[tuple[str, str]]) -> list[Line]:
    """The lines that have a run, in the `order` of (line, setting); runs that stand in no line are left out.

    A line rests on the seeds that all of its settings have; one without such a seed is left out.
    """
    by_place: dict[tuple[str, str], dict[int, Run]] = {}
    for run in runs:
        by_place.setdefault((run["line"], run["setting"]), {})[run["seed"]] = run
    found = []
    for name in dict.fromkeys(line for line, _ in order):
        own = [place for place in dict.fromkeys(order) if place[0] == name]
        places, untried = [p for p in own if p in by_place], tuple(p[1] for p in own if p not in by_place)
        seeds = sorted(set.intersection(*(set(by_place[place]) for place in places))) if places else []
        if not seeds:
            continue
        settings = tuple(Setting(place[1], tuple(by_place[place][seed] for seed in seeds)) for place in places)
        chosen = min(settings, key=lambda setting: setting.over_seeds("average", CHOOSING).mean)
        found.append(Line(name, chosen.runs[0]["strategy"], tuple(seeds), settings, chosen, untried))
    return found


@dataclass(frozen=True)
class AgainstNaive:
    """How much lower than naive's a line's final average is on half B, and the p of the paired test over the seeds,
    corrected by Holm's step-down over all lines."""

    lower_by: float
    corrected_p: float | None


@dataclass(frozen=True)
class Tests:
    """Paired tests over the seeds that all lines have, each line at the setting that half A chose."""

    seeds: tuple[int, ...]
    best: str
    """The rival with the lowest final average on half A."""
    against_naive: Mapping[str, AgainstNaive]
    against_best: tuple[PairedDifference, ...]


def tests(found: Sequence[Line]) -> Tests | None:
    """The tests of the lines' final averages on half B; None where fewer than two lines or no seed of all lines."""
    rivals = [line for line in found if not line.is_reference]
    seeds = sorted(set.intersection(*(set(line.seeds) for line in rivals))) if rivals else []
    if len(rivals) < 2 or not seeds:
        return None

    def averages(half: str) -> dict[str, dict[Draw, float]]:
        return {
            line.name: {run["seed"]: -scores(run, half)["average"] for run in line.chosen.runs if run["seed"] in seeds}
            for line in rivals
        }

    on_a, on_b = averages(CHOOSING), averages(REPORTED)
    best = max(on_a, key=lambda name: fmean(on_a[name].values()))
    return Tests(tuple(seeds), best, _against_naive(on_b), differences_to(best, on_b))


def _against_naive(by_line: Mapping[str, Mapping[Draw, float]]) -> dict[str, AgainstNaive]:
    """A family of its own: naive is what every line is there to beat, whatever the scores say."""
    if NAIVE not in by_line:
        return {}
    names = [name for name in by_line if name != NAIVE]
    table = np.array([list(by_line[name].values()) for name in names])
    naive = np.array([list(by_line[NAIVE].values())] * len(names))
    p_values = [None if np.isnan(p) else float(p) for p in paired_p(table, naive)]
    lower = (table - naive).mean(axis=-1)
    return {name: AgainstNaive(float(by), p) for name, by, p in zip(names, lower, holm(p_values), strict=True)}
