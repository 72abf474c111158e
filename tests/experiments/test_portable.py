import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import TaskError
from engine.experiments.experiment import Experiment
from engine.experiments.portable import model_label, portable_yaml, write_with_data
from engine.experiments.yaml_file import load_experiment, parse_experiment
from engine.running.headless import run_experiment
from engine.store import Store
from engine.tasks import Document, Task, samples
from engine.tasks.library import Library
from engine.tasks.spec import TaskSpec
from engine.tasks.texts_beside import ReferenceSpec
from tests.fake_runs import FakeRun, experiment

TRAINING = {
    "epochs": 1, "stage_tokens": 200, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 1,
    "device": "cpu",
}  # fmt: skip


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder with the library."""
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def kept(data: Path) -> TaskSpec:
    """A task of pairs in the library."""
    pairs = tuple(Document(f"Answer {n}: {n * n}.\n", f"Question {n}?\r\n") for n in range(12))
    return Library(data).add(Task("a/b: *tea*", pairs[:9], pairs[9:])).spec()


@pytest.fixture
def own(tmp_path: Path) -> TaskSpec:
    """A task of the user's files, two of one name, of which a part is held out."""
    paths = []
    for number, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "Notes.txt")
        paths[-1].write_text("\n\n".join(f"Note {n * (number + 3)} is here." for n in range(15)), encoding="utf-8")
    return TaskSpec(name="A-b- -tea-", train=tuple(map(str, paths)), split_seed=3)


def described(tmp_path: Path, *tasks: TaskSpec, **changes: Any) -> Experiment:
    made = experiment(tmp_path, strategies=["naive"], training=TRAINING, name="My <first>: try", **changes)
    return made.model_copy(update={"tasks": tasks})


def unpacked(described: Experiment, folder: Path) -> Path:
    """Where the YAML of the zip lies."""
    file = io.BytesIO()
    write_with_data(described, file)
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    (path,) = folder.rglob("*.yaml")
    return path


def facts(folder: Path) -> list[tuple[str, str, str]]:
    store = Store(folder)
    (of_run,) = store.task_facts_by_run(store.runs()["run_id"].tolist()).values()
    store.close()
    return [(fact["name"], fact["fingerprint"], fact["held_out_fingerprint"]) for fact in of_run]


def test_an_experiment_with_its_data_runs_elsewhere_to_the_same_numbers(
    kept: TaskSpec, own: TaskSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = described(tmp_path, kept, own, samples()[0].spec)
    path = unpacked(here, tmp_path / "there")
    assert path.relative_to(tmp_path / "there").as_posix() == "My first try/experiment.yaml"
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path / "another machine"))
    there = load_experiment(path)
    assert not {*map(Path, _paths(there))} & {*map(Path, _paths(here))}
    assert all(Path(name).is_relative_to(path.parent / "data") for name in _paths(there))
    first, second = (run_experiment(each, tmp_path / f"out {i}") for i, each in enumerate((here, there)))
    assert facts(tmp_path / "out 0") == facts(tmp_path / "out 1")
    assert first["runs"][0]["scores"] == second["runs"][0]["scores"]
    assert first["runs"][0]["status"] == "finished"


def test_the_reference_text_goes_along_and_is_found_again(kept: TaskSpec, own: TaskSpec, tmp_path: Path) -> None:
    for reference in (ReferenceSpec.of(kept), ReferenceSpec(train=own.train, split="line")):
        here = described(tmp_path, own).model_copy(update={"reference": reference})
        path = tmp_path / "saved.yaml"
        path.write_text(portable_yaml(here), encoding="utf-8")
        assert str(tmp_path) not in path.read_text(encoding="utf-8")
        if reference.name != "reference":  # texts of the library are found from wherever the file lies
            assert load_experiment(path).reference == reference
        there = load_experiment(unpacked(here, tmp_path / f"with {reference.split}")).reference
        assert there is not None
        assert there.model_copy(update={"train": reference.train}) == reference
        assert all(Path(name).is_relative_to(tmp_path / f"with {reference.split}") for name in there.train)
        assert [Path(name).read_bytes() for name in there.train] == [Path(n).read_bytes() for n in reference.train]


def test_the_zip_s_names_can_be_read_and_differ_in_every_file_system(
    kept: TaskSpec, own: TaskSpec, tmp_path: Path
) -> None:
    file = io.BytesIO()
    write_with_data(described(tmp_path, kept, own), file)
    assert zipfile.ZipFile(file).namelist() == [
        "My first try/experiment.yaml",
        "My first try/data/a-b tea/train.jsonl",
        "My first try/data/a-b tea/test.jsonl",
        "My first try/data/A-b- -tea/Notes.txt",
        "My first try/data/A-b- -tea/Notes-2.txt",
    ]


def test_tasks_whose_names_look_alike_as_files_keep_their_own_texts(kept: TaskSpec, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"prompt": "p", "completion": "another"}\n' * 2, encoding="utf-8")
    alike = kept.model_copy(update={"name": "A/B: *TEA*", "train": (str(other),)})
    there = load_experiment(unpacked(described(tmp_path, kept, alike), tmp_path / "there"))
    texts = [[Path(path).read_bytes() for path in (*task.train, *task.test)] for task in there.tasks]
    assert texts == [[Path(path).read_bytes() for path in (*task.train, *task.test)] for task in (kept, alike)]
    assert texts[0] != texts[1]


def test_the_plain_yaml_says_what_must_lie_beside_it_and_names_no_place_of_this_machine(
    kept: TaskSpec, own: TaskSpec, tmp_path: Path
) -> None:
    text = portable_yaml(described(tmp_path, kept, own, samples()[0].spec))
    assert str(tmp_path) not in text
    assert str(Path(samples()[0].spec.train[0]).parent) not in text
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert "Lay beside it: data/A-b- -tea/Notes.txt, data/A-b- -tea/Notes-2.txt." in "\n".join(comments)
    assert any("palimpsest-tasks/ is found in the library" in line for line in comments)
    assert any("palimpsest-samples/ is found in every Palimpsest" in line for line in comments)
    assert parse_experiment(text).tasks[0].train[0].startswith("palimpsest-tasks/a-b-tea-")


def test_texts_of_the_library_and_the_samples_are_found_from_wherever_the_yaml_lies(
    kept: TaskSpec, tmp_path: Path
) -> None:
    here = described(tmp_path, kept, samples()[0].spec)
    path = tmp_path / "saved.yaml"
    path.write_text(portable_yaml(here), encoding="utf-8")
    assert load_experiment(path) == here


def test_texts_beside_the_file_go_before_those_of_the_library(kept: TaskSpec, tmp_path: Path) -> None:
    path = tmp_path / "saved.yaml"
    path.write_text(portable_yaml(described(tmp_path, kept)), encoding="utf-8")
    beside = tmp_path / parse_experiment(path.read_text(encoding="utf-8")).tasks[0].train[0]
    beside.parent.mkdir(parents=True)
    beside.write_text('{"prompt": "p", "completion": "beside"}\n', encoding="utf-8")
    assert load_experiment(path).tasks[0].train == (str(beside),)


@pytest.mark.parametrize("name", ["palimpsest-tasks/../secret.txt", "palimpsest-others/x", "palimpsest-tasks"])
def test_a_path_that_leads_out_of_the_library_is_not_followed(data: Path, tmp_path: Path, name: str) -> None:
    Library(data)
    (data / "secret.txt").write_text("secret", encoding="utf-8")
    path = tmp_path / "x.yaml"
    path.write_text(f"name: x\ntasks: [{{name: a, train: [{name}]}}]\nstrategies: [naive]\n", encoding="utf-8")
    assert not Path(load_experiment(path).tasks[0].train[0]).is_file()


def test_a_model_folder_is_named_without_the_way_to_it_and_found_beside_the_file(
    kept: TaskSpec, tmp_path: Path
) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    here = described(tmp_path, kept, model=str(tmp_path / "models" / "mine"))
    path = unpacked(here, tmp_path / "there")
    text = path.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "# The model ./mine is a folder that is not saved along: lay it beside this file" in text
    assert load_experiment(path).model == "./mine"  # which the models' reader refuses in words
    (path.parent / "mine").mkdir()
    assert load_experiment(path).model == str(path.parent / "mine")


def test_models_of_the_hub_keep_their_names() -> None:
    assert [model_label(name) for name in ("tiny-gpt2", "gpt2", "EleutherAI/pythia-70m", "/models/mine/")] == [
        "tiny-gpt2", "gpt2", "EleutherAI/pythia-70m", "mine",
    ]  # fmt: skip


def test_a_name_can_not_end_the_comment_that_it_stands_in(kept: TaskSpec, tmp_path: Path) -> None:
    strange = tmp_path / "a\nname: other\x85seeds: [9]\u2028b.txt"
    strange.write_text("text", encoding="utf-8")
    task = TaskSpec(name="t", train=(str(strange),))
    assert parse_experiment(portable_yaml(described(tmp_path, task))).seeds == (0,)


def test_a_text_that_is_gone_is_refused_in_words(own: TaskSpec, tmp_path: Path) -> None:
    Path(own.train[0]).unlink()
    with pytest.raises(TaskError, match=r"Notes\.txt: this text can't be read any more"):
        write_with_data(described(tmp_path, own), io.BytesIO())


def test_what_the_command_line_resumes_is_the_same_experiment_wherever_its_file_lies(
    kept: TaskSpec, tmp_path: Path
) -> None:
    path = tmp_path / "saved.yaml"
    path.write_text(portable_yaml(described(tmp_path, kept)), encoding="utf-8")
    run_experiment(described(tmp_path, kept), tmp_path / "out", execute=FakeRun())
    found = run_experiment(load_experiment(path), tmp_path / "out", resume=True, execute=FakeRun())
    assert [run["status"] for run in found["runs"]] == ["finished"]


def _paths(described: Experiment) -> list[str]:
    return [path for task in described.tasks for path in (*task.train, *task.test)]
