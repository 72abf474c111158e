"""The experiment that continues another one, as data."""

from engine.experiments.experiment import Experiment, RunSpec, StrategySpec
from engine.experiments.orders import with_tasks
from engine.tasks.spec import TaskSpec


def with_task(earlier: Experiment, task: TaskSpec, name: str, run: RunSpec | None = None) -> Experiment:
    """The earlier experiment with one more task, the last one in every order, under another name; with the strategy,
    seed and order of one run alone where it is given. Raises ValueError where a task of this name is there already."""
    if any(each.name == task.name for each in earlier.tasks):
        raise ValueError(task.name)
    changes: dict[str, object] = {"name": name, "tasks": (*earlier.tasks, task)}
    if earlier.orders is not None:
        orders = earlier.task_orders if run is None else (run.order,)
        changes["orders"] = with_tasks(filter(None, orders), [task.name])
    if run is not None:
        spec = StrategySpec(name=run.strategy, parameters=run.parameters)
        changes |= {"strategies": (spec,), "seeds": (run.seed,)}
    return earlier.model_copy(update=changes)
