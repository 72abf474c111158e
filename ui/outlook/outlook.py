"""What an experiment will take, worked out beside the page by threads of the server, for all browsers that ask."""

from __future__ import annotations

import atexit
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.common.overrides import OVERRIDES
from engine.common.parameters import parameters_of
from engine.experiments.experiment import Experiment, StrategySpec
from engine.experiments.presets import LIMITED, PRESETS, QUICK
from engine.experiments.training import Training
from engine.persistence.disk_space import Room, room
from engine.persistence.shared_results import SharedResults
from engine.tasks.spec import TaskSpec
from ui.outlook import words
from ui.server import warm_up

if TYPE_CHECKING:
    from engine.forecast.estimate import Estimate
    from engine.forecast.machine_speed import Speed
    from ui.outlook.preview_data import Identity

AT_ONCE_SECONDS = 0.2
"""A page waits so long for what is asked of it before it is sent without."""
_Found = TypeVar("_Found")
_log = logging.getLogger(__name__)
_LAST_SECONDS = 10.0
_one_at_a_time = threading.Lock()


@atexit.register
def _end() -> None:
    """Let what is being worked out come to its end, and nothing begin after it: torch ends the process with a complaint
    where one of its threads goes on after Python."""
    _one_at_a_time.acquire(timeout=_LAST_SECONDS)


@dataclass
class Work(Generic[_Found]):
    """Something that a thread works out."""

    found: _Found | None = None
    failure: str = ""
    """The reason why it can't be worked out."""
    over: threading.Event = field(default_factory=threading.Event)

    def begin(self, work: Callable[[], _Found]) -> Work[_Found]:
        threading.Thread(target=self._do, args=(work,), name="outlook", daemon=True).start()
        return self

    def _do(self, work: Callable[[], _Found]) -> None:
        try:
            warm_up.finish_after_first_page()
            with _one_at_a_time:
                self.found = work()
        except PalimpsestError as error:
            self.failure = str(error)
        except Exception:
            _log.exception("An estimate failed")
            self.failure = words.FAILED
        finally:
            self.over.set()

    def wait(self) -> bool:
        """Whether it is over, or is so in a moment."""
        return self.over.wait(AT_ONCE_SECONDS)


@dataclass(frozen=True)
class Outlook:
    """What an experiment will take."""

    estimate: Estimate
    speed: Speed
    presets: dict[str, Estimate]
    """The same with the training settings of each preset."""
    room: Room
    """The room on the disk when it was worked out: to measure it takes a walk through the data folder."""


def quick_reference(experiment: Experiment, strategies: tuple[str, ...]) -> Experiment:
    """The experiment by which the limits of the quick preset are worked out: the same tasks and model, with few
    strategies and one seed, so that another strategy does not change what the first ones do."""
    training = replace(experiment.training, **{name: getattr(PRESETS[QUICK], name) for name in LIMITED})
    specs = tuple(StrategySpec(name=name) for name in strategies)
    return experiment.model_copy(
        update={
            "name": QUICK,
            "training": training,
            "strategies": specs,
            "seeds": (0,),
            "reference": None,
            "orders": None,
        }
    )


def quick_key(reference: Experiment) -> str:
    """What the limits are worked out for, in one line."""
    return repr((_settings(reference), identities(reference), beside(reference)))


def limits(reference: Experiment, shared: SharedResults) -> Work[dict[str, Any]]:
    """The limits of the quick preset, which a thread works out."""
    return _limits(_settings(reference), identities(reference), beside(reference), shared)


def outlook(experiment: Experiment, quick: Mapping[str, Any], shared: SharedResults) -> Work[Outlook]:
    """What an experiment will take, with its own training settings and those of the presets, `quick` with these
    limits."""
    names = tuple(sorted(quick.items()))
    return _outlook(_settings(experiment), names, identities(experiment), beside(experiment), shared)


def forget(experiment: Experiment, quick: Mapping[str, Any], shared: SharedResults) -> None:
    """Have it worked out anew when it is asked for next."""
    names = tuple(sorted(quick.items()))
    _outlook.clear(_settings(experiment), names, identities(experiment), beside(experiment), shared)


def identities(experiment: Experiment) -> tuple[Identity, ...]:
    """The tasks, and when their files were changed."""
    return tuple(_identity(task) for task in experiment.tasks)


def beside(experiment: Experiment) -> dict[str, Identity]:
    """The texts beside the tasks, by their fields."""
    return {name: _identity(text) for name, text in experiment.beside.items() if text is not None}


def preset_training(experiment: Experiment, preset: str, quick: Mapping[str, Any]) -> Training:
    """The training settings of a preset."""
    return replace(PRESETS[preset], **(quick if preset == QUICK else {}))


def tokens(estimate: Estimate) -> int:
    """Read by the training steps of all runs."""
    return estimate.seeds * sum(run.training_tokens for run in estimate.runs)


def _identity(task: TaskSpec) -> Identity:
    files = [Path(name) for name in (*task.train, *task.test)]
    times = tuple(file.stat().st_mtime if file.exists() else 0.0 for file in files)
    return task.model_dump_json(exclude=set(OVERRIDES)), times


def _settings(experiment: Experiment) -> str:
    return experiment.model_dump_json(exclude={"name"})


def _from(settings: str) -> Experiment:
    return Experiment.model_validate(json.loads(settings) | {"name": "x"})


@st.cache_resource(max_entries=32, show_spinner=False)
def _limits(
    settings: str, tasks: tuple[Identity, ...], beside: dict[str, Identity], _shared: SharedResults
) -> Work[dict[str, Any]]:
    def work() -> dict[str, Any]:
        from engine.forecast.quick import quick_limits
        from ui.outlook import preview_data  # loads torch, which the page is drawn without

        experiment = _from(settings)
        sizes = preview_data.sizes_of(experiment, tasks, beside, _shared)
        return quick_limits(experiment, sizes.tasks, sizes.speed, sizes.general)

    return Work[dict[str, Any]]().begin(work)


@st.cache_resource(max_entries=32, show_spinner=False, ttl=600)  # later runs may take over what is trained meanwhile
def _outlook(
    settings: str,
    quick: tuple[tuple[str, Any], ...],
    tasks: tuple[Identity, ...],
    beside: dict[str, Identity],
    _shared: SharedResults,
) -> Work[Outlook]:
    def work() -> Outlook:
        from ui.outlook import preview_data  # as above

        experiment = _from(settings)

        def cost(training: Training) -> Estimate:
            trained = experiment.model_copy(update={"training": training})
            sizes = preview_data.sizes_of(trained, tasks, beside, _shared)
            return preview_data.cost(trained, sizes, tasks, beside, _shared)

        presets = {name: preset_training(experiment, name, dict(quick)) for name in PRESETS}
        found: dict[str, Estimate] = {}
        for training in (experiment.training, *presets.values()):
            if (key := _key(training)) not in found:
                found[key] = cost(training)
        speed = preview_data.sizes_of(experiment, tasks, beside, _shared).speed
        by_preset = {name: found[_key(training)] for name, training in presets.items()}
        return Outlook(found[_key(experiment.training)], speed, by_preset, room(_shared.folder.parent))

    return Work[Outlook]().begin(work)


def _key(training: Training) -> str:
    return repr([getattr(training, declared.name) for declared in parameters_of(Training)])
