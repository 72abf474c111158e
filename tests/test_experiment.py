from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.experiment import experiment_from
from engine.experiment_file import load_experiment, parse_experiment, to_yaml
from engine.presets import PRESETS

YAML = """
name: support-then-recipes
model: tiny-gpt2
tasks:
  - {name: support, train: [support.txt], test: support-test.txt}
  - {name: tickets, train: [tickets.csv], text_column: text}
training: {epochs: 3, learning_rate: 5e-4, block_size: 256, tokens_per_step: 2048, precision: auto}
strategies:
  - naive
  - replay: {replay_weight: 0.5, memory_size: 200}
  - ewc: {ewc_lambda: [10, 100.0]}
  - joint
seeds: [0, 1]
"""


def test_the_documented_form_is_read_and_survives_a_round_trip() -> None:
    experiment = parse_experiment(YAML)
    assert experiment.tasks[0].test == ("support-test.txt",)
    assert experiment.training.learning_rate == 5e-4
    assert parse_experiment(to_yaml(experiment)) == experiment


def test_runs_are_every_strategy_value_and_seed_seed_by_seed() -> None:
    runs = parse_experiment(YAML).runs()
    labels = [
        "naive",
        "replay (replay_weight=0.5)",
        "ewc (ewc_lambda=10)",
        "ewc (ewc_lambda=100)",
        "joint",
    ]
    assert [(r.label, r.seed) for r in runs] == [(label, seed) for seed in (0, 1) for label in labels]
    assert runs[2].parameters["ewc_lambda"] == 10.0
    assert runs[2].parameters["accumulation"] == "exact"


def test_relative_paths_are_taken_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(YAML)
    assert load_experiment(tmp_path / "x.yaml").tasks[0].train == (str(tmp_path / "support.txt"),)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"epoch": 2}}, "training.epoch: there is no such field"),
        ({"training": {"precision": "int4"}}, "training.precision"),
        ({"tasks": []}, "tasks"),
        ({"strategies": ["naiv"]}, "naiv"),
        ({"strategies": [{"ewc": {"ewc_lambda": "strong"}}]}, "ewc.ewc_lambda"),
        ({"strategies": ["naive", "naive"]}, "same strategy"),
        ({"seeds": [1, 1]}, "seed"),
        ({"seeds": [-1]}, "0 or above"),
        ({"name": ""}, "name"),
        ({"modell": "gpt2"}, "modell: there is no such field"),
        ({"tasks": [{"name": "a", "train": "a.txt"}, {"name": "a", "train": "b.txt"}]}, "each task"),
        ({"tasks": [{"name": "a", "train": "a.csv", "prompt_column": "q"}]}, "completion_column"),
        ({"tasks": [{"name": "a", "train": "a.txt", "held_out_share": 1.5}]}, "held_out_share"),
    ],
)
def test_a_wrong_field_is_named(change: dict, words: str) -> None:
    good = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"]}
    experiment_from(good)
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        experiment_from(good | change)


def test_what_is_not_yaml_is_said_with_its_line() -> None:
    with pytest.raises(ConfigError, match="line 2"):
        parse_experiment("name: x\ntasks: [")
    with pytest.raises(ConfigError, match="expected fields"):
        parse_experiment("just text")


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_experiment(tmp_path / "none.yaml")


def test_presets_differ_and_are_valid() -> None:
    assert list(PRESETS) == ["quick", "standard", "thorough"]
    assert len({repr(p) for p in PRESETS.values()}) == 3
