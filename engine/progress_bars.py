"""The progress of runs on a terminal, for the command line."""

import sys
import threading
from typing import Any, Self

from tqdm import tqdm

from engine import events
from engine.experiments.experiment import Experiment


class Progress:
    """A bar on stderr over the steps of each run in progress. Events may come from several threads."""

    def __init__(self, experiment: Experiment) -> None:
        self._labels = [f"{run.label}, seed {run.seed}" for run in experiment.runs()]
        self._bars: dict[str, Any] = {}
        self._drawing = threading.RLock()
        self.began = False
        """Whether any run was executed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for run_id in list(self._bars):
            self.close(run_id)

    def close(self, run_id: str) -> None:
        """Leave the bar of a run that has ended as it is, above those of the others."""
        with self._drawing:
            if run_id in self._bars:
                self._bars.pop(run_id).close()

    def see(self, run_id: str, event: events.Event) -> None:
        with self._drawing:
            self.began = True
            if run_id not in self._bars:
                self._bars[run_id] = self._bar(int(run_id.rsplit("-", 1)[1]))
            _draw(self._bars[run_id], event)

    def _bar(self, number: int) -> Any:
        name = f"[{number + 1}/{len(self._labels)}] {self._labels[number]}"
        place = None if sys.stderr.isatty() else 0  # in a file no line can be gone back to: each names its run
        return tqdm(desc=name, unit="step", file=sys.stderr, dynamic_ncols=True, position=place)


def _draw(bar: Any, event: events.Event) -> None:
    if isinstance(event, events.RunStarted):
        bar.total = event.steps
    elif isinstance(event, events.StageStarted):
        bar.n = event.first_step - 1  # a resumed run begins further on
        bar.set_postfix_str(event.task)
    elif isinstance(event, events.StepDone):
        bar.update(event.step - bar.n)
    elif isinstance(event, events.Phase):
        bar.set_postfix_str(event.text)
    elif isinstance(event, events.Waiting) and event.reason:
        bar.write(event.reason, file=sys.stderr)
