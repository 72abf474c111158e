"""What runs compute with, as people write it."""

from typing import Any

import pytest
import yaml

from engine.common.errors import ConfigError
from engine.experiments.experiment import experiment_from, to_data
from engine.experiments.resources import Resources
from engine.experiments.yaml_file import parse_experiment, to_yaml

PLAIN: dict[str, Any] = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"]}


@pytest.mark.parametrize(
    "given",
    [{"cpus": 2}, {"gpus": 0.5}, {"gpus": 0}, {"gpus": 2}, {"like_nodes": False}, {"cpus": 4, "gpus": 0.25}],
)
def test_what_is_set_goes_through_yaml_and_the_store_and_nothing_else_is_written(given: dict[str, Any]) -> None:
    made = experiment_from(PLAIN | {"resources": given})
    assert to_data(made)["resources"] == given
    assert yaml.safe_load(to_yaml(made))["resources"] == given
    assert parse_experiment(to_yaml(made)) == made
    assert experiment_from(to_data(made)) == made


@pytest.mark.parametrize("given", [None, {}, {"cpus": None}, {"like_nodes": True, "gpus": None}])
def test_an_experiment_at_the_defaults_is_written_as_one_of_before(given: Any) -> None:
    made = experiment_from(PLAIN | {"resources": given})
    assert made.resources == Resources()
    assert to_data(made) == to_data(experiment_from(PLAIN))
    assert "resources" not in to_data(made)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"cpus": 0}, "resources.cpus: must be 1 or above (found 0)."),
        ({"cpus": 1.5}, "resources.cpus: expected a whole number (found 1.5)."),
        ({"cpus": True}, "resources.cpus: expected a value, not true or false (found True)."),
        ({"cpus": 5000}, "resources.cpus: must be 1024 or below (found 5000)."),
        ({"cpus": "many"}, "resources.cpus: expected a whole number (found 'many')."),
        ({"gpus": 1.5},
         "resources.gpus: a run takes a part of one GPU, such as 0.5, or a whole number of them (found 1.5)."),
        ({"gpus": -1}, "resources.gpus: must be 0.0 or above (found -1)."),
        ({"gpus": float("nan")}, "resources.gpus: must be 64.0 or below (found nan)."),
        ({"gpus": float("inf")}, "resources.gpus: must be 64.0 or below (found inf)."),
        ({"gpus": False}, "resources.gpus: expected a value, not true or false (found False)."),
        ({"like_nodes": "perhaps"}, "resources.like_nodes: expected true or false (found 'perhaps')."),
        ({"cpu": 2}, "resources.cpu: there is no such field; did you mean cpus?."),
        ({"memory": 2}, "resources.memory: there is no such field; there are cpus, gpus, like_nodes."),
        (2, "resources: expected what a run computes with, such as {cpus: 2}."),
    ],
)  # fmt: skip
def test_each_mistake_is_one_plain_sentence(given: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as found:
        experiment_from(PLAIN | {"resources": given}, "x.yaml")
    assert str(found.value) == f"x.yaml: {sentence}"
