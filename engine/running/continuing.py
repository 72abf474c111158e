"""One more task for an experiment that has ended: a new experiment whose runs begin with the stages of its runs.

The tasks so far come first and in their order, all that determines a stage is as it was, and each run begins with the
stages of the earlier run of its strategy, parameters, seed and order of the tasks so far. Its checkpoints and what was
recorded of them are taken; the added tasks are scored on these checkpoints (`engine.training.loop`), and the new stages
follow. On the machine that trained the earlier stages, all numbers are those of an experiment that had the tasks from
the start.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from engine import strategies
from engine.common.durable_files import is_whole, writing
from engine.common.errors import ConfigError
from engine.common.quoting import listed
from engine.driving.run_log import log
from engine.experiments.experiment import Experiment, RunSpec
from engine.experiments.orders import with_tasks
from engine.experiments.origin import Origin
from engine.housekeeping.differences import differences
from engine.persistence.checkpoints import OPTIMIZER_FILE, stage_folder
from engine.persistence.disk_space import check_copies
from engine.persistence.run_files import copied_bytes, take_files
from engine.persistence.shared_results import SharedResults
from engine.persistence.taken_stages import TakenStages, note_taken
from engine.running.results_folder import differing_fields
from engine.running.sources import opened_copy, without_places
from engine.store import Store
from engine.store.schema import ACTIVE
from engine.store.taking import Beginning
from engine.store.writing import new_experiment_id, run_id_of

_MAY_DIFFER = ("name", "tasks", "strategies", "seeds", "orders", "resources")
_TRAINING_MAY_DIFFER = ("device",)
_TOLD = ("tasks", "strategies", "seeds", "orders of the tasks")
"""What is said of the changes: all else stands elsewhere alone, such as the places of texts."""


@dataclass(frozen=True)
class Earlier:
    """An experiment that another one continues, in the data folder that holds it."""

    store: Store
    """Its records, or a copy of them."""
    experiment_id: str
    folder: Path
    """The data folder in which its files lie."""

    @cached_property
    def experiment(self) -> Experiment:
        return self.store.experiment(self.experiment_id)

    def run_folder(self, run_id: str) -> Path:
        """Where a run keeps its checkpoints."""
        return self.folder / "runs" / run_id


@dataclass(frozen=True)
class Continuation:
    """How the runs of an experiment begin with the stages of an earlier one's."""

    earlier: Earlier
    experiment: Experiment
    beginnings: Mapping[int, Beginning]
    """By the new runs' numbers from 0."""

    @property
    def words(self) -> tuple[str, ...]:
        """Sentences on the runs that do not begin with all of the earlier stages."""
        found = []
        known, whole = len(self.earlier.experiment.tasks), self.experiment.runs()
        for number, spec in enumerate(whole):
            stages = self.beginnings[number].stages if number in self.beginnings else 0
            if stages < known:
                start = f"after stage {stages}" if stages else "from the start"
                why = (
                    "its earlier checkpoints were not kept"
                    if number in self.beginnings
                    else "no earlier run is like it"
                )
                found.append(f"{spec.label}, seed {spec.seed}, is trained {start}: {why}.")
        return tuple(found)


@contextmanager
def continuation_of(folder: Path, experiment: Experiment, aside: Path) -> Iterator[Continuation]:
    """How `experiment` continues the one in a folder of results, whose records are copied to the new folder `aside`. Of
    several, the newest that it continues. Raises ConfigError."""
    folder = folder.resolve()
    with opened_copy(folder, aside) as store:
        found, refusals = None, list[str]()
        for experiment_id in map(str, store.experiments()["experiment_id"]):
            try:
                found = found or plan_continuation(Earlier(store, experiment_id, folder), experiment)
            except ConfigError as error:
                refusals.append(str(error))
        if found is None:
            raise ConfigError(f"{folder}: {refusals[0] if refusals else 'holds no experiment.'}")
        yield found


def start_continuation(store: Store, experiment_id: str, experiment: Experiment, owner: str = "") -> str:
    """Read everything that `experiment` reads, and queue its runs as the continuation of one of the same store; returns
    its id. `owner` is whose it is. Raises PalimpsestError where anything is refused: then nothing is queued."""
    from engine.running.experiment_check import check  # loads torch, which a plan does not need

    continuation = plan_continuation(Earlier(store, experiment_id, store.folder), experiment)
    check(experiment, SharedResults(store.shared_folder)).raise_refusal()
    return begin_continuation(store, continuation, owner=owner)[0]


def plan_continuation(earlier: Earlier, experiment: Experiment) -> Continuation:
    """See which stages the runs of `experiment` can begin with. Raises ConfigError where it does not continue the
    earlier one, or where that still runs."""
    if differs := _differing(earlier, experiment):
        raise ConfigError(
            f"{experiment.name}: does not continue {earlier.experiment.name!r}, whose {listed(differs)} differ; the "
            "tasks so far must stand first and in their order, and all else that stages are trained with as it was."
        )
    if len(experiment.tasks) <= len(earlier.experiment.tasks):
        raise ConfigError(
            f"{experiment.name}: has no task that {earlier.experiment.name!r} does not have; add one at its end."
        )
    _refuse_other_draws(earlier.experiment, experiment)
    runs = earlier.store.runs(earlier.experiment_id)
    if runs["status"].isin([*ACTIVE, "queued"]).any():
        raise ConfigError(
            f"{earlier.experiment.name}: has runs that have not ended; wait for them or stop them, then add the task."
        )
    before = earlier.experiment
    known = {
        _identity(earlier.store.run_spec(run_id)[1], before, before): run_id for run_id in map(str, runs["run_id"])
    }
    beginnings = {}
    for number, spec in enumerate(experiment.runs()):
        if (run_id := known.get(_identity(spec, experiment, before))) is not None:
            finished = int(earlier.store.stages([run_id])["finished"].sum())
            keeps = experiment.training.optimizer_state == "keep"
            beginnings[number] = Beginning(run_id, _stages_at_hand(earlier.run_folder(run_id), finished, keeps))
    if not any(beginning.stages for beginning in beginnings.values()):
        raise ConfigError(
            f"{earlier.experiment.name}: holds no checkpoint that one of these runs could begin with: none of its runs "
            "has the same strategy, values and seed, or their checkpoints are gone. Start the experiment from the "
            "beginning."
        )
    return Continuation(earlier, experiment, beginnings)


def begin_continuation(
    store: Store, continuation: Continuation, only: int | None = None, owner: str = ""
) -> tuple[str, tuple[str, ...]]:
    """Take the stages into `store`'s data folder and queue the runs, or `only` the one of that number from 0.

    Returns the new experiment's id, and sentences on runs whose earlier checkpoints turned out to be damaged: they are
    trained from the start. Raises StoreError where the disk does not take the files.
    """
    experiment, earlier = continuation.experiment, continuation.earlier
    experiment_id, taken, damaged = new_experiment_id(), dict[int, Beginning](), list[str]()
    wanted = {n: each for n, each in continuation.beginnings.items() if only in (None, n) and each.stages}
    check_copies(store.folder, _copied_bytes(earlier, wanted, store.folder))
    for number, beginning in wanted.items():
        if _take_stages(earlier, beginning, store.run_folder(run_id_of(experiment_id, number))):
            taken[number] = beginning
        else:
            damaged.append(_trained(experiment.runs()[number], "from the start", "an earlier checkpoint is damaged"))
    changed = differences(earlier.experiment, experiment)
    origin = Origin("continued", earlier.experiment_id, earlier.experiment.name, stages=len(earlier.experiment.tasks),
                    folder="" if earlier.folder == store.folder else str(earlier.folder),
                    changed={name: pair for name, pair in changed.items() if name in _TOLD})  # fmt: skip
    store.add_continued(experiment, experiment_id, earlier.store, taken, origin, only=only, owner=owner)
    for number, beginning in taken.items():
        where = f"{beginning.run_id} of {earlier.experiment.name!r}"
        log(store, run_id_of(experiment_id, number), f"continues {where} after stage {beginning.stages}")
    return experiment_id, tuple(damaged)


def _trained(spec: RunSpec, start: str, why: str) -> str:
    return f"{spec.label}, seed {spec.seed}, is trained {start}: {why}."


def _differing(earlier: Earlier, experiment: Experiment) -> list[str]:
    """The fields by which the stages of the two experiments may not be the same."""
    before = without_places(earlier.experiment, earlier.store.joined_as_before(earlier.experiment_id))
    after = without_places(experiment)
    found = [name for name in differing_fields(before, after) if name not in (*_MAY_DIFFER, "training")]
    inner = differing_fields(before["training"], after["training"])
    found += [f"training.{name}" for name in inner if name not in _TRAINING_MAY_DIFFER]
    first = after["tasks"][: len(before["tasks"])]
    return found + (["tasks"] if first != before["tasks"] else [])


def _refuse_other_draws(before: Experiment, after: Experiment) -> None:
    """Orders that are counted are drawn anew for more tasks, so that no run would begin as an earlier one. Raises
    ConfigError."""
    if before.orders is None or after.orders is None or isinstance(after.orders, tuple):
        return
    added = [task.name for task in after.tasks[len(before.tasks) :]]
    wanted = [list(order) for order in with_tasks(filter(None, before.task_orders), added)]
    raise ConfigError(
        f"{after.name}: `orders: {after.orders}` stands for other orders now that there are more tasks; write out "
        f"those so far with the added tasks at their ends: `orders: {json.dumps(wanted, ensure_ascii=False)}`."
    )


def _identity(spec: RunSpec, own: Experiment, before: Experiment) -> str:
    """What tells a run of an experiment from the others, of its order the tasks that were there `before`; with the
    defaults of parameters that are newer than it."""
    parameters: dict[str, Any] = strategies.resolved(spec.strategy, spec.parameters)
    order = [task.name for task in own.in_order(spec.order).tasks][: len(before.tasks)]
    return repr((spec.strategy, sorted(parameters.items()), spec.seed, order))


def _stages_at_hand(run_folder: Path, finished: int, with_optimizer: bool) -> int:
    """The number of stages from the first whose checkpoints are there: the strategy's state lies in the last one, or is
    made again from all of them. None `with_optimizer` where the last one lacks the optimiser's state."""
    there = 0
    while there < finished and stage_folder(run_folder, there + 1).is_dir():
        there += 1
    is_enough = not with_optimizer or (stage_folder(run_folder, there) / OPTIMIZER_FILE).is_file()
    return there if is_enough else 0


def _copied_bytes(earlier: Earlier, beginnings: Mapping[int, Beginning], target: Path) -> int:
    folders = [
        stage_folder(earlier.run_folder(each.run_id), stage)
        for each in beginnings.values()
        for stage in range(1, each.stages + 1)
    ]
    return sum(copied_bytes(folder, target) for folder in folders)


def _take_stages(earlier: Earlier, beginning: Beginning, folder: Path) -> bool:
    """Take the checkpoints of a run into the new run's folder; False where one of them is damaged."""
    sources = [stage_folder(earlier.run_folder(beginning.run_id), stage) for stage in range(1, beginning.stages + 1)]
    if not all(map(is_whole, sources)):
        return False
    with writing(folder):
        for stage, source in enumerate(sources, start=1):
            take_files(source, stage_folder(folder, stage))
        environment = earlier.store.environment(beginning.run_id)
        note_taken(folder, TakenStages(beginning.stages, _scored_tasks(earlier, beginning), environment))
    return True


def _scored_tasks(earlier: Earlier, beginning: Beginning) -> tuple[str, ...]:
    """The tasks that were scored after every one of the stages, and on the base model."""
    matrix = earlier.store.matrix([beginning.run_id])
    rows = matrix[matrix["stage"] <= beginning.stages].groupby("task")["stage"].nunique()
    return tuple(task.name for task in earlier.experiment.tasks if rows.get(task.name, 0) == beginning.stages + 1)
