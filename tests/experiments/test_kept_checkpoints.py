"""The checkpoints that stay are a setting that changes no number, so that files without it mean what they meant."""

from pathlib import Path

import pytest

from engine.common.errors import ConfigError
from engine.experiments.experiment import to_data
from engine.experiments.kept_checkpoints import KEEPS, LABELS, MEANINGS
from engine.experiments.yaml_file import parse_experiment, to_yaml
from engine.running.results_folder import begin
from engine.store import Store
from tests.fake_runs import experiment


def test_all_stay_unless_a_file_says_otherwise_and_a_default_is_not_written(tmp_path: Path) -> None:
    plain = experiment(tmp_path)
    assert plain.checkpoints == "all"
    assert "checkpoints" not in to_data(plain)
    for keep in KEEPS:
        described = parse_experiment(f"{to_yaml(plain)}\ncheckpoints: {keep}\n")
        assert described.checkpoints == keep
        assert parse_experiment(to_yaml(described)) == described
    assert parse_experiment(f"{to_yaml(plain)}\ncheckpoints:\n").checkpoints == "all"


def test_another_word_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"checkpoints: choose all, last, best or none"):
        parse_experiment(f"{to_yaml(experiment(tmp_path))}\ncheckpoints: some\n")


def test_every_choice_has_a_name_and_a_meaning() -> None:
    assert set(KEEPS) == LABELS.keys() == MEANINGS.keys()


def test_a_folder_goes_on_with_fewer_checkpoints_to_keep(store: Store, tmp_path: Path) -> None:
    kept = store.add_experiment(experiment(tmp_path))
    assert begin(store, experiment(tmp_path, checkpoints="none"), resume=True) == kept
    assert store.experiment(kept).checkpoints == "none"
    assert begin(store, experiment(tmp_path), resume=True) == kept
    assert store.experiment(kept) == experiment(tmp_path)
