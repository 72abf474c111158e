from typing import Any

import pytest

from engine import strategies
from engine.common.errors import ConfigError
from engine.common.overrides import OVERRIDES, Overrides
from engine.common.parameters import parameters_of
from engine.experiments.experiment import Experiment, experiment_from, to_data
from engine.experiments.settings_of_stage import StageSettings, settings_of_run, settings_of_stage, settings_of_stages
from engine.experiments.training import Training
from engine.experiments.yaml_file import parse_experiment, to_yaml
from engine.persistence.content_keys import stage_key_parts
from engine.tasks.spec import TaskSpec

YAML = """
name: x
tasks:
  - {name: a, train: a.txt, epochs: 5}
  - {name: b, train: b.txt, learning_rate: 1e-3}
training: {epochs: 3, learning_rate: 5e-4}
strategies:
  - naive
  - naive: {learning_rate: 1e-4}
  - ewc: {ewc_lambda: 100, learning_rate: [1e-4, 2e-4], epochs: 2}
  - replay+ewc: {epochs: 4}
"""


@pytest.mark.parametrize(
    ("of_task", "of_strategy", "effective"),
    [
        (Overrides(), Overrides(), (3, 5e-4)),
        (Overrides(), Overrides(1e-4, 2), (2, 1e-4)),
        (Overrides(1e-3, 7), Overrides(), (7, 1e-3)),
        (Overrides(1e-3, 7), Overrides(1e-4, 2), (7, 1e-3)),
        (Overrides(epochs=7), Overrides(learning_rate=1e-4), (7, 1e-4)),
        (Overrides(learning_rate=1e-3), Overrides(1e-4, 2), (2, 1e-3)),
    ],
)
def test_a_task_goes_before_a_strategy_and_that_before_the_experiment(
    of_task: Overrides, of_strategy: Overrides, effective: tuple[int, float]
) -> None:
    found = settings_of_stage(Training(epochs=3, learning_rate=5e-4), of_strategy, [of_task])
    assert (found.epochs, found.learning_rates) == tuple((each,) for each in effective)


@pytest.mark.parametrize("name", ["lora", "replay+lora"])
def test_a_strategy_with_a_rate_of_its_own_takes_the_experiments_ten_times_unless_one_is_set(name: str) -> None:
    data = {"name": "x", "training": {"learning_rate": 2e-4}, "tasks": [{"name": "a", "train": "a.txt"}]}
    tasks = [*data["tasks"], {"name": "b", "train": "b.txt", "learning_rate": 1e-4}]
    own, set_by_user = {name: {}}, {name: {"learning_rate": 3e-3}}
    experiment = experiment_from({**data, "tasks": tasks, "strategies": [own, set_by_user, "naive"]})
    runs = experiment.runs()
    assert [run.label for run in runs] == [f"{name} (learning_rate=0.002)", f"{name} (learning_rate=0.003)", "naive"]
    for run, rates in zip(runs, [(2e-3, 1e-4), (3e-3, 1e-4), (2e-4, 1e-4)], strict=True):
        found = settings_of_run(experiment, run.strategy, run.parameters)
        assert found.learning_rates == pytest.approx(rates)
        strategy, of_tasks = strategies.build(run.strategy, {}), [task.overrides for task in experiment.tasks]
        overrides = strategies.overrides_of(run.strategy, run.parameters)
        stages = settings_of_stages(strategy, experiment.training, overrides, of_tasks)
        assert [stage.learning_rates for stage in stages] == [(rate,) for rate in found.learning_rates]
    every = experiment_from({**data, "tasks": tasks[1:], "strategies": [own]})
    assert [run.label for run in every.runs()] == [name]  # its rate is used for no task


def test_each_task_of_a_joint_stage_has_its_own_settings() -> None:
    joint, of_tasks = strategies.build("joint", {}), [Overrides(epochs=5), Overrides(learning_rate=1e-3)]
    found = settings_of_stages(joint, Training(epochs=3, learning_rate=5e-4), Overrides(epochs=2), of_tasks)
    assert found == (StageSettings((5,), (5e-4,)), StageSettings((5, 2), (5e-4, 1e-3)))


def test_a_step_s_rate_is_the_mean_over_its_rows_and_exactly_the_rate_where_all_agree() -> None:
    settings = StageSettings((1, 1, 1), (0.1, 0.1, 0.4))
    assert settings.peak_rate([1, 0, 2]) == pytest.approx(0.3)
    assert settings.peak_rate([1, 2, 0]) == 0.1  # (1 · 0.1 + 2 · 0.1) / 3 is another number
    assert settings.peak_rate([0, 0, 5]) == 0.4


def test_bounds_are_the_same_wherever_a_rate_or_epochs_are_set() -> None:
    def bounds(declaring: type) -> list[tuple[str, float | None, float | None]]:
        return sorted((p.name, p.minimum, p.maximum) for p in parameters_of(declaring) if p.name in OVERRIDES)

    assert bounds(Training) == bounds(TaskSpec) == bounds(Overrides) == [
        ("epochs", 1, 1000), ("learning_rate", 1e-8, 1.0),
    ]  # fmt: skip


def test_overrides_are_read_written_and_shown_in_labels() -> None:
    experiment = parse_experiment(YAML)
    assert parse_experiment(to_yaml(experiment)) == experiment
    assert [task.overrides.given for task in experiment.tasks] == [{"epochs": 5}, {"learning_rate": 1e-3}]
    assert [run.label for run in experiment.runs()] == [
        "naive",
        "naive (learning_rate=0.0001)",
        "ewc (ewc_lambda=100, learning_rate=0.0001, epochs=2)",
        "ewc (ewc_lambda=100, learning_rate=0.0002, epochs=2)",
        "replay+ewc (epochs=4)",
    ]


def test_runs_hold_overrides_by_name_only_where_they_are_set() -> None:
    plain, other = parse_experiment(YAML).runs()[:2]
    assert (plain.parameters, other.parameters) == ({}, {"learning_rate": 1e-4})
    assert "epochs" not in to_data(parse_experiment(YAML))["tasks"][1]
    empty = parse_experiment(YAML.replace("naive: {learning_rate: 1e-4}", "joint: {learning_rate: }"))
    assert empty.runs()[1].parameters == {}
    assert empty.runs()[1].label == "joint"


def test_a_parameter_that_one_part_alone_has_may_be_written_with_its_part_and_is_in_the_label() -> None:
    run = parse_experiment(YAML.replace("{epochs: 4}", "{replay.replay_weight: 0.25, epochs: 4}")).runs()[-1]
    assert (run.parameters["replay_weight"], run.parameters["epochs"]) == (0.25, 4)
    assert run.label == "replay+ewc (replay_weight=0.25, epochs=4)"


def test_strategies_that_take_no_parameters_of_their_own_take_several_values() -> None:
    found = parse_experiment(YAML.replace("naive: {learning_rate: 1e-4}", "joint: {epochs: [1, 2]}"))
    assert [run.label for run in found.runs()[1:3]] == ["joint (epochs=1)", "joint (epochs=2)"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("epochs: 5", "epochs: 0"), "tasks.1.epochs: must be 1 or above (found 0)."),
        (("epochs: 5", "epochs: often"), "tasks.1.epochs: expected a whole number (found 'often')."),
        (("learning_rate: 1e-3", "learning_rate: 2"), "tasks.2.learning_rate: must be 1.0 or below (found 2)."),
        (("[1e-4, 2e-4]", "[1e-4, 2]"), "ewc.learning_rate: must be 1.0 or below (found 2)"),
        (("epochs: 2}", "epochs: 2.5}"), "ewc.epochs: expected a whole number (found 2.5)"),
        (("{epochs: 4}", "{epochs: 0}"), "replay+ewc.epochs: must be 1 or above (found 0)"),
        (
            ("{learning_rate: 1e-4}", "{learning_rat: 1}"),
            "naive.learning_rat: there is no such parameter; did you mean",
        ),
    ],
)
def test_what_is_out_of_bounds_is_named_by_its_place(change: tuple[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as found:
        parse_experiment(YAML.replace(*change))
    assert sentence in str(found.value)


def two_tasks(**of_first: Any) -> Experiment:
    tasks = [{"name": "a", "train": "a.txt"} | of_first, {"name": "b", "train": "b.txt"}]
    return experiment_from({"name": "x", "tasks": tasks, "strategies": ["naive"]})


def keys(name: str, parameters: dict[str, Any] | None = None, **of_first: Any) -> tuple[object, ...]:
    strategy, given = strategies.build(name, parameters or {}), strategies.overrides_of(name, parameters or {})
    of_tasks = [task.overrides for task in two_tasks(**of_first).tasks]
    settings = settings_of_stages(strategy, Training(epochs=3, learning_rate=5e-4), given, of_tasks)
    return stage_key_parts(strategy, [each.key_parts for each in settings])


def test_a_stage_s_key_holds_what_it_was_trained_with_and_not_who_said_so() -> None:
    assert keys("naive", {"learning_rate": 5e-4, "epochs": 3}) == keys("naive") == keys("naive", epochs=3)
    assert keys("naive", {"learning_rate": 1e-4})[0] != keys("naive")[0]
    assert keys("naive", {"epochs": 4})[0] != keys("naive")[0]
    assert keys("naive", {"epochs": 4}, epochs=3)[0] == keys("naive")[0]
    assert keys("ewc", {"ewc_lambda": 0, "epochs": 4}) == keys("naive", {"epochs": 4})


def test_a_stage_s_key_holds_the_settings_of_the_stages_before_it() -> None:
    assert keys("naive", epochs=9)[1] != keys("naive")[1]
    assert keys("joint", epochs=9)[1] != keys("joint")[1]
    assert keys("joint", epochs=9)[0] == keys("naive", epochs=9)[0]
