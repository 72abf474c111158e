"""One run of an experiment as an experiment of its own."""

from engine.experiments.experiment import Experiment, RunSpec, StrategySpec


def experiment_of_run(experiment: Experiment, run: RunSpec) -> Experiment:
    """The experiment that has this run alone, with the tasks in its order. Its stages are the same by content, so that
    what the run has trained is taken over."""
    given = {name: value for name, value in run.parameters.items() if value is not None}
    spec = StrategySpec(name=run.strategy, parameters=given)
    return experiment.in_order(run.order).model_copy(update={"strategies": (spec,), "seeds": (run.seed,)})
