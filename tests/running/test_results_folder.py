"""Which experiment a folder of results goes on with."""

from pathlib import Path

import pytest
import yaml

from engine.common.errors import ConfigError
from engine.experiments.experiment import Experiment, to_data
from engine.experiments.yaml_file import load_experiment
from engine.running.results_folder import begin
from engine.store import Store
from tests.fake_runs import experiment


def from_file(folder: Path, described: Experiment, **changes: object) -> Experiment:
    """The experiment as a file gives it that says nothing of a general text or of answers but `changes`."""
    plain = to_data(described) | changes
    if "general" not in changes:
        del plain["general"]
    (folder / "experiment.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    return load_experiment(folder / "experiment.yaml")


def test_results_of_before_go_on_without_a_general_text_and_answers(store: Store, tmp_path: Path) -> None:
    described = from_file(tmp_path, experiment(tmp_path))
    training = described.training.__class__(answer_questions=0)
    before = described.model_copy(update={"general": None, "training": training})
    kept = store.add_experiment(before)
    assert begin(store, described, resume=True) == kept
    assert store.experiment(kept).general is None, "and its other runs are scored as its first ones"


def test_a_file_that_asks_for_another_general_text_is_another_experiment(store: Store, tmp_path: Path) -> None:
    described = from_file(tmp_path, experiment(tmp_path))
    store.add_experiment(described.model_copy(update={"general": None}))
    with pytest.raises(ConfigError, match=r"another experiment \(other general\)"):
        begin(store, from_file(tmp_path, described, general="shipped"), resume=True)


def test_results_of_before_go_on_with_the_machine_s_own_choice_and_not_with_another_number(
    store: Store, tmp_path: Path
) -> None:
    described = experiment(tmp_path)
    kept = store.add_experiment(described)
    given = from_file(tmp_path, described, general="shipped", resources={"cpus": None, "like_nodes": True})
    assert begin(store, given, resume=True) == kept
    with pytest.raises(ConfigError, match=r"another experiment \(other resources\)"):
        begin(store, from_file(tmp_path, described, general="shipped", resources={"cpus": 1}), resume=True)
