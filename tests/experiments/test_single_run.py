"""A run of an experiment as one of its own trains the same stages."""

from pathlib import Path

from engine.experiments.experiment import experiment_from, to_data
from engine.experiments.single_run import experiment_of_run
from engine.running.schedule import stage_names
from tests.fake_runs import experiment

STRATEGIES = [
    "naive",
    {"replay": {"replay_weight": [0.5, 1.0], "memory_size": 7}},
    {"replay+ewc": {"ewc_strength": 3.0, "replay_weight": 0.25}},
    {"ewc": {"ewc_lambda": 10.0}},
    {"naive": {"learning_rate": 0.01}},
]


def test_every_run_alone_is_one_run_of_the_same_stages(tmp_path: Path) -> None:
    whole = experiment(tmp_path, strategies=STRATEGIES, seeds=[0, 3], training={"epochs": 2})
    in_orders = experiment(tmp_path, orders="all")
    assert len(whole.runs()) == 12
    assert {run.order for run in in_orders.runs()} == {("bread", "tea"), ("tea", "bread")}
    for many, run in [(each, run) for each in (whole, in_orders) for run in each.runs()]:
        alone = experiment_of_run(many, run)
        (only,) = alone.runs()
        assert (only.strategy, only.seed) == (run.strategy, run.seed)
        assert stage_names(alone, only) == stage_names(many, run)
        assert experiment_from(to_data(alone)).runs() == alone.runs(), "it can be written down"
