"""The general text and the guards of an experiment, as people write them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.common.errors import ConfigError
from engine.experiments.experiment import Experiment, experiment_from, to_data
from engine.experiments.portable import portable, portable_yaml
from engine.experiments.yaml_file import load_experiment, parse_experiment, to_yaml
from engine.store.migrations import as_before_9
from engine.tasks.texts_beside import GeneralSpec

PLAIN: dict[str, Any] = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"]}
GUARDS = "- {prompt: '2 + 2 =', equals: '4'}\n- {name: hot, prompt: Hot is not, likelier: ' cold', than: [' warm']}\n"


def test_the_general_text_is_the_shipped_one_unless_another_or_none_is_named(tmp_path: Path) -> None:
    assert experiment_from(PLAIN).general == GeneralSpec.shipped()
    assert experiment_from(PLAIN | {"general": "shipped"}).general == GeneralSpec.shipped()
    assert experiment_from(PLAIN | {"general": "none"}).general is None
    assert experiment_from(PLAIN | {"general": None}).general is None
    own = experiment_from(PLAIN | {"general": "g.txt"}).general
    assert own is not None
    assert own.train == ("g.txt",)
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(PLAIN | {"general": {"train": "g.txt"}}), encoding="utf-8")
    found = load_experiment(tmp_path / "e.yaml").general
    assert found is not None
    assert found.train == (str(tmp_path / "g.txt"),)


def test_the_shipped_text_is_there_and_has_many_documents() -> None:
    (path,) = map(Path, GeneralSpec.shipped().train)
    documents = path.read_text(encoding="utf-8").split("\n\n")
    assert len(documents) > 50
    assert all(20 < len(document.split()) < 80 for document in documents)


@pytest.mark.parametrize("general", ["shipped", "none", {"train": ["g.txt"], "split": "line"}])
def test_an_experiment_goes_through_yaml_and_the_store_unchanged(general: Any) -> None:
    made = experiment_from(PLAIN | {"general": general, "guards": yaml.safe_load(GUARDS)})
    assert to_data(made)["general"] == general
    assert parse_experiment(to_yaml(made)) == made
    assert experiment_from(to_data(made)) == made


def test_guards_stand_in_the_experiment_or_in_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "guards.yaml").write_text(GUARDS, encoding="utf-8")
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(PLAIN | {"guards": "guards.yaml"}), encoding="utf-8")
    found = load_experiment(tmp_path / "e.yaml")
    assert [guard.title for guard in found.guards] == ["2 + 2 =", "hot"]
    assert found.guards == experiment_from(PLAIN | {"guards": yaml.safe_load(GUARDS)}).guards
    with pytest.raises(ConfigError, match=r"guards: a file can't be named here; write its guards into this one"):
        parse_experiment((tmp_path / "e.yaml").read_text(encoding="utf-8"))
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(PLAIN | {"guards": "gone.yaml"}), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"e\.yaml: guards: .*gone\.yaml: it can't be read"):
        load_experiment(tmp_path / "e.yaml")


@pytest.mark.parametrize(
    ("guards", "sentence"),
    [
        ([{"prompt": "a"}], "guards.1: give one of contains"),
        ([{"prompt": "a", "equal": "b"}], "guards.1.equal: there is no such field; did you mean equals?"),
        ([{"prompt": "a", "equals": "b"}] * 2, "guards: two guards are called 'a'; give one of them another name"),
        (["a"], "guards.1: expected a guard with its fields"),
    ],
)
def test_a_guard_that_says_nothing_is_refused_by_its_place(guards: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as found:
        experiment_from(PLAIN | {"guards": guards}, "e")
    assert str(found.value).startswith(f"e: {sentence}")


def test_an_experiment_for_another_machine_takes_its_own_general_text_along(tmp_path: Path) -> None:
    for name in ("a.txt", "g.txt"):
        (tmp_path / name).write_text("text", encoding="utf-8")
    named = {"tasks": [{"name": "a", "train": str(tmp_path / "a.txt")}], "general": str(tmp_path / "g.txt")}
    found = portable(experiment_from(PLAIN | named), with_data=True)
    assert found.files["data/general/g.txt"] == tmp_path / "g.txt"
    assert found.experiment.general is not None
    assert found.experiment.general.train == ("data/general/g.txt",)
    shipped = experiment_from(PLAIN | {"tasks": named["tasks"]})
    assert "general: shipped" in portable_yaml(shipped)
    assert list(portable(shipped, with_data=True).files) == ["data/a/a.txt"]


def test_experiments_of_before_go_on_without_a_general_text_and_answers() -> None:
    before = to_data(experiment_from(PLAIN))
    del before["general"], before["training"]["answer_questions"]
    found: Experiment = experiment_from(as_before_9(before))
    assert (found.general, found.training.answer_questions, found.guards) == (None, 0, ())
