"""All browsers share this of the runs they watch: one reading and one drawing for every new version of the data."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import pandas as pd
import plotly.graph_objects as go

from engine import strategies
from engine.experiments.experiment import Experiment
from engine.results.clipping import Clipping, clipping_by_stage
from engine.results.guard_histories import GuardHistory, guard_histories
from engine.store import Store
from figures.curves import loss_figure
from figures.lines import NO_LINE, Line, last_step
from figures.matrix import matrix_figure
from ui.live.growing import Growing
from ui.widgets.live_chart import Drawn, drawn

KEEP_SECONDS = 0.5
"""Data that was read is good for so long: a browser looks every second or two, many must not look many times."""
STALE_SECONDS = 4.0
"""Without a change in the store, a run that has lost its program shows by its heartbeat alone."""
ENDED = ("finished", "failed", "interrupted", "stopped")
"""Runs with these statuses record nothing more by themselves."""
_EXPERIMENTS, _RUNS, _PICTURES = 16, 8, 32

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Followed:
    """All that a run has recorded so far."""

    lines: dict[str, Line]
    curve: pd.DataFrame
    stages: pd.DataFrame
    matrix: pd.DataFrame
    clipping: Mapping[int, Clipping]
    """The clipping of each stage; none where nothing is clipped by setting."""
    clip: float | None
    """The limit."""
    general: pd.DataFrame
    guards: tuple[GuardHistory, ...]
    experiment: Experiment
    """With its tasks in the run's order."""
    counts: tuple[int, ...] = ()
    """`Store.recorded_counts` as it was before all but the lines were read."""

    @cached_property
    def size(self) -> tuple[int, ...]:
        """Grows whenever something is added."""
        points = sum(len(line) for line in self.lines.values())
        checks = sum(len(history.outcomes) for history in self.guards)
        scored = len(self.curve), len(self.stages), int(self.stages["finished"].sum()), len(self.matrix)
        return points, *scored, len(self.general), checks

    @property
    def tasks(self) -> list[str]:
        """The tasks in the run's order, as scores call them."""
        return [task.label for task in self.experiment.tasks]

    @property
    def has_answers(self) -> bool:
        """Whether answers to held-out questions are marked."""
        return bool((self.matrix["questions"] > 0).any())

    def curve_of(self, score: str) -> pd.DataFrame:
        """The held-out curves of a score. Answers are marked at the ends of stages alone: then they are the rows of the
        matrix, of the tasks that have questions, without an interval."""
        if score in self.curve:
            return self.curve
        rows = self.matrix[self.matrix[score].notna()]
        unknown = {f"{score}_low": float("nan"), f"{score}_high": float("nan"), "is_worse": False}
        return rows.assign(**unknown)


@dataclass
class _Read:
    """A value, and the state of the store that it was read from."""

    version: int
    read_at: float
    looked_at: float
    value: Any
    views: dict[Callable[[Any], Any], Any] = field(default_factory=dict)
    """The values that were made of it."""


class Feed:
    """Safe to use from the threads of all sessions: who comes while another one reads or draws gets the same."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._runs: OrderedDict[str, _Read] = OrderedDict()
        self._nodes: OrderedDict[str, _Read] = OrderedDict()
        self._queue: OrderedDict[str, _Read] = OrderedDict()
        self._followed: OrderedDict[tuple[str, int], _Read] = OrderedDict()
        self._pictures: OrderedDict[tuple[Any, ...], Drawn] = OrderedDict()
        self._grown: OrderedDict[tuple[Any, ...], Growing] = OrderedDict()

    def runs(self, experiment_id: str) -> pd.DataFrame:
        """The runs of an experiment, at most half a second old."""
        return self.view(experiment_id, _as_it_is)

    def view(self, experiment_id: str, make: Callable[[pd.DataFrame], T]) -> T:
        """Return what `make`, a function of a module, makes of these runs; it is made once for all who ask."""
        with self._lock:
            read = self._fresh(
                self._runs, experiment_id, _EXPERIMENTS, lambda _: self._store.runs(experiment_id), STALE_SECONDS
            )
            if make not in read.views:
                read.views[make] = make(read.value)
            view: T = read.views[make]
            return view

    def nodes(self, experiment_id: str) -> dict[str, str]:
        """The machine that each run of an experiment last began on, by run id, without runs that recorded none."""
        with self._lock:
            nodes: dict[str, str] = self._fresh(
                self._nodes, experiment_id, _EXPERIMENTS, lambda _: self._store.nodes(experiment_id)
            ).value
            return nodes

    def queue(self) -> pd.DataFrame:
        """The waiting runs of all experiments, in the order in which they begin."""

        def read(before: pd.DataFrame | None) -> pd.DataFrame:
            waiting = {run.run_id: run.goes_next for run in self._store.runs_in_play() if run.status == "queued"}
            known = [] if before is None else list(zip(before["run_id"], before["goes_next"], strict=True))
            if before is not None and known == list(waiting.items()):
                return before
            return self._store.runs(run_ids=list(waiting)).sort_values("position")

        with self._lock:
            queue: pd.DataFrame = self._fresh(self._queue, "", 1, read).value
            return queue

    def followed(self, run_id: str, attempt: int) -> Followed:
        """All that a run has recorded; what is new is read. A new attempt may train a stage again: it starts afresh."""

        def read(before: Followed | None) -> Followed:
            return self._read(run_id, before)

        with self._lock:
            found: Followed = self._fresh(self._followed, (run_id, attempt), _RUNS, read).value
            return found

    def losses(self, run: "Mapping[str, Any] | pd.Series[Any]", tasks: Sequence[str], score: str) -> Growing:
        """The loss curves of a run: a figure drawn once for many states of its data, and what has come since."""
        run_id, attempt, steps = str(run["run_id"]), int(run["attempt"]), int(run["steps"]) or None
        ended = str(run["status"]) in ENDED
        expected = set(strategies.pull_names(str(run["strategy"])))
        with self._lock:
            followed = self.followed(run_id, attempt)
            # A run of an earlier version reports its pull as "penalty".
            terms = sorted(set(followed.lines) | (expected if "penalty" not in followed.lines else set()))
            key = (run_id, attempt, score, steps, ended, tuple(terms), tuple(sorted(followed.lines)), followed.size[1:])

            def draw() -> Growing:
                figure = loss_figure(
                    followed.lines, followed.curve_of(score), followed.stages, tasks, score, terms, steps, ended,
                    followed.general,
                )  # fmt: skip
                return Growing.begun(key, drawn(figure), followed.lines)

            return self._growing(key, followed.lines, draw)

    def matrix(self, run: "Mapping[str, Any] | pd.Series[Any]", tasks: Sequence[str], score: str) -> Drawn:
        """The score matrix of a run, drawn once for every state of it."""
        run_id, attempt = str(run["run_id"]), int(run["attempt"])
        with self._lock:
            followed = self.followed(run_id, attempt)
            cells, general = followed.matrix, followed.general
            ended = str(run["status"]) in ENDED
            key = ("matrix", run_id, attempt, score, len(cells), int(general["is_whole"].sum()), ended)
            return self._drawn(key, lambda: matrix_figure(cells, tasks, score, ended=ended, general=general))

    def look_again(self) -> None:
        """Look at the store at the next question, however young the last look is: the user has done something."""
        with self._lock:
            for reads in (self._runs, self._nodes, self._queue, self._followed):
                for read in reads.values():
                    read.looked_at = 0.0

    def _fresh(
        self, kept: OrderedDict[Any, _Read], key: Any, limit: int, read: Callable[[Any], Any], good_for: float = 1e9
    ) -> _Read:
        """Return the value kept under `key`, read again where the store has changed since."""
        now, known = time.monotonic(), kept.get(key)
        if known is None or now - known.looked_at >= KEEP_SECONDS:
            version = self._store.version()
            if known is None or known.version != version or now - known.read_at >= good_for:
                kept[key] = _Read(version, now, now, read(known.value if known else None))
            else:
                known.looked_at = now
        _touch(kept, key, limit)
        return kept[key]

    def _drawn(self, key: tuple[Any, ...], draw: Callable[[], go.Figure]) -> Drawn:
        if key not in self._pictures:
            self._pictures[key] = drawn(draw())
        _touch(self._pictures, key, _PICTURES)
        return self._pictures[key]

    def _growing(self, key: tuple[Any, ...], lines: Mapping[str, Line], draw: Callable[[], Growing]) -> Growing:
        known = self._grown.get(key)
        self._grown[key] = known.grown(lines) if known and not known.is_outgrown(lines) else draw()
        _touch(self._grown, key, _PICTURES)
        return self._grown[key]

    def _read(self, run_id: str, before: Followed | None) -> Followed:
        store, lines = self._store, dict(before.lines) if before else {}
        known = last_step(lines)
        found = {term: Line(*arrays) for term, arrays in store.loss_arrays(run_id, max(0, known - 1)).items()}
        if known and not any(known in line.steps[:1] for line in found.values()):
            return self._read(run_id, None)  # the last known step is gone: a resumed run trains its stage again
        for term, line in found.items():
            lines[term] = lines.get(term, NO_LINE).followed_by(line.after(known))
        experiment = before.experiment if before else _experiment(store, run_id)
        clip = experiment.training.gradient_clip
        clipping = before.clipping if before else {}
        if clip is not None:
            counted = store.clipped_steps(run_id, clip, known, last_step(lines))
            clipping = clipping_by_stage(counted, clip, clipping)
        counts = store.recorded_counts(run_id)
        if before and before.counts == counts:
            return replace(before, lines=lines, clipping=clipping)
        curve = before.curve if before else None
        newer = store.curve([run_id], -1 if curve is None or curve.empty else int(curve["step"].max()))
        if curve is None or curve.empty:
            curve = newer
        elif len(newer):
            curve = pd.concat([curve, newer], ignore_index=True)
        guards = guard_histories(store.guard_outcomes(run_id), experiment.guards)
        return Followed(
            lines, curve, store.stages([run_id]), store.matrix([run_id]), clipping, clip, store.general(run_id),
            tuple(guards), experiment, counts,
        )  # fmt: skip


def _experiment(store: Store, run_id: str) -> Experiment:
    """A run's experiment with its tasks in the run's order."""
    experiment_id, run = store.run_spec(run_id)
    return store.experiment(experiment_id).in_order(run.order)


def _as_it_is(runs: pd.DataFrame) -> pd.DataFrame:
    return runs


def _touch(kept: OrderedDict[Any, Any], key: Any, limit: int) -> None:
    """Keep the latest `limit`."""
    kept.move_to_end(key)
    while len(kept) > limit:
        kept.popitem(last=False)
