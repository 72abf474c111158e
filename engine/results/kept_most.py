"""The run of an experiment whose final weights kept most: the one that is handed over unless another is named."""

import pandas as pd

from engine.results.comparison import best_checkpoint, run_frame, with_configurations
from engine.results.fairness import conditions_of_runs, unfair, unfair_runs
from engine.results.verdict import verdict
from engine.store import Store

_NO_CURVE = pd.DataFrame(columns=["run_id", "task", "stage", "step"])


def kept_most(store: Store, experiment_id: str, score: str = "bits_per_byte") -> str | None:
    """The id of the best run of the configuration that the verdict names, of the runs that compare fairly; None where
    no run is complete."""
    runs = store.runs(experiment_id)
    run_ids = runs["run_id"].tolist()
    experiments = {experiment_id: store.experiment(experiment_id)}
    named = with_configurations(runs)
    facts, environments = store.task_facts_by_run(run_ids), store.environments(run_ids)
    left_out = unfair_runs(unfair(named, conditions_of_runs(runs, experiments, facts, environments)))
    judged = named[~named["run_id"].isin(list(left_out))]
    frame = run_frame(judged, store.matrix(run_ids), _NO_CURVE.assign(**{score: []}), score)
    winner = verdict(frame, score).winner
    winners = frame.loc[frame["configuration"] == winner, "run_id"]
    return best_checkpoint(frame, score, among=winners)
