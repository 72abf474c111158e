"""The reference text in the check, in a run and in its results."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from benchmarks.toy_stream import SMOKE, toy_experiment
from engine import events
from engine.cli import app
from engine.common.errors import TaskError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.execution.ignored_settings import ignored_parameters
from engine.experiments.experiment import Experiment
from engine.experiments.yaml_file import load_experiment
from engine.running.experiment_check import check
from engine.running.headless import run_experiment
from engine.store import Store
from engine.tasks.texts_beside import GeneralSpec
from tests.fake_runs import STEPS, FakeRun

TRAINING = {
    "epochs": 1, "stage_tokens": 200, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 1,
    "device": "cpu",
}  # fmt: skip
ON_A_FILE = {"kl": {"reference_text": "file"}}


def described(folder: Path, reference: Any = "general.txt", strategies: Any = ("naive", ON_A_FILE)) -> Path:
    """An experiment file of two tasks and a reference text."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(("bread", "tea", "general"), start=1):
        text = "\n\n".join(f"Note {n} of {name}: {n * number} cups." for n in range(20))
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    tasks = [{"name": name, "train": f"{name}.txt"} for name in ("bread", "tea")]
    about = {"name": "x", "tasks": tasks, "training": TRAINING, "strategies": list(strategies)}
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(about | ({"reference": reference} if reference else {})), encoding="utf-8")
    return path


def loaded(folder: Path, **changes: Any) -> Experiment:
    return load_experiment(described(folder, **changes))


def test_the_check_says_what_the_text_comes_to_and_names_no_held_out_side(tmp_path: Path) -> None:
    path = str(described(tmp_path, {"name": "wiki", "train": "general.txt"}))
    done = CliRunner().invoke(app, ["check", path, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["reference"]
    assert (found["name"], found["documents"], found["kind"], found["remarks"]) == ("wiki", 20, "text", [])
    assert found["first"][0]["learnt"] == "Note 0 of general: 0 cups."
    assert not {name for name in found if "held_out" in name or "scored" in name}
    printed = CliRunner().invoke(app, ["check", path]).stdout
    assert f"reference wiki: 20 documents to compare on; {found['target_tokens']:,} target tokens" in printed


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_text_without_a_document_is_refused_by_the_check_and_the_run(content: str, tmp_path: Path) -> None:
    experiment = loaded(tmp_path)
    (tmp_path / "general.txt").write_text(content)
    (sentence,) = check(experiment).refused
    assert sentence.startswith("reference: ")
    run = next(run for run in experiment.runs() if run.strategy == "kl")
    with pytest.raises(TaskError, match=r"^reference: "):
        list(execute_run(experiment, run, tmp_path / "out", Control()))


def test_a_text_that_leaves_nothing_to_learn_is_refused_and_so_is_a_missing_file(tmp_path: Path) -> None:
    path = described(tmp_path, {"train": "chats.jsonl", "messages_column": "messages"})
    chats = [{"messages": [{"role": "user", "content": "hi " * 200}, {"role": "user", "content": "you"}]}]
    (tmp_path / "chats.jsonl").write_text("\n".join(map(json.dumps, chats)))
    (sentence,) = check(load_experiment(path)).refused
    assert sentence.startswith("reference: ")
    (tmp_path / "chats.jsonl").unlink()
    (sentence,) = check(load_experiment(path)).refused
    assert sentence.startswith("reference: ")
    assert "no such file" in sentence


def test_a_text_that_no_strategy_reads_is_said_and_not_read(tmp_path: Path) -> None:
    experiment = loaded(tmp_path, strategies=["naive", "kl"])
    (tmp_path / "general.txt").unlink()
    report = check(experiment)
    assert report.refused == ()
    assert report.reference is None
    (remark,) = report.remarks
    assert remark.startswith("reference: has no effect")
    assert ignored_parameters(loaded(tmp_path)) == ()


def test_runs_that_read_the_text_record_it_and_the_results_show_it(tmp_path: Path) -> None:
    found = run_experiment(loaded(tmp_path), tmp_path / "out")
    assert [run["status"] for run in found["runs"]] == ["finished", "finished"]
    assert found["experiment"]["reference"] == {"train": [str(tmp_path / "general.txt")]}
    assert found["reference"] == json.loads((tmp_path / "out" / "results.json").read_text())["reference"]
    assert found["reference"]["documents"] == 20
    store = Store(tmp_path / "out")
    by_run = store.reference_facts_by_run(store.runs()["run_id"].tolist())
    store.close()
    naive, kl = (by_run[run["run_id"]] for run in found["runs"])
    assert naive == {}
    assert kl["fingerprint"] == found["reference"]["fingerprint"]


def taken_over(experiment: Experiment, folder: Path, shared: Path) -> list[bool]:
    run = next(run for run in experiment.runs() if run.strategy == "kl")
    happened = execute_run(experiment, run, folder, Control(), shared_folder=shared)
    return [event.shared for event in happened if type(event).__name__ == "StageStarted"]


def test_another_place_of_the_text_is_the_same_result_and_another_content_is_not(tmp_path: Path) -> None:
    experiment, shared = loaded(tmp_path), tmp_path / "shared"
    assert taken_over(experiment, tmp_path / "1", shared) == [False, False]
    (tmp_path / "general.txt").rename(tmp_path / "moved.md")
    moved = load_experiment(described(tmp_path, "moved.md"))
    assert taken_over(moved, tmp_path / "2", shared) == [True, True]
    (tmp_path / "moved.md").write_text("Something else.\n\nAnd more of it.")
    assert taken_over(moved, tmp_path / "3", shared) == [True, False]


class Reading(FakeRun):
    """A run that reads a reference text."""

    text = "one"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for event in super().__call__(*args, **kwargs):
            if type(event).__name__ == "RunStarted":
                object.__setattr__(event, "reference", {"name": "reference", "fingerprint": self.text})
            yield event


def test_a_run_does_not_go_on_or_begin_beside_others_on_another_text(tmp_path: Path) -> None:
    store, execute = Store(tmp_path / "data"), Reading()
    store.add_experiment(loaded(tmp_path / "texts", strategies=[ON_A_FILE, {"kl": ON_A_FILE["kl"] | {"kl_weight": 2}}]))
    reasons = []
    for text, until in (("one", STEPS + 2), ("other", None), ("one", None)):
        execute.text, control = text, Control()
        run_id = store.claim_next()
        assert run_id is not None
        execute.before_step = lambda step, until=until, control=control: control.stop() if step == until else None  # type: ignore[misc]
        drive(store, run_id, control, execute)
        reasons.append(store.runs(run_ids=run_id)["reason"].item())
        if len(reasons) == 1:
            store.requeue(run_id)
    assert "reference text is not what the experiment's runs read before" in reasons[1]
    assert reasons[2] == ""
    store.close()


def test_another_text_in_a_folder_of_results_is_another_experiment(tmp_path: Path) -> None:
    run_experiment(loaded(tmp_path / "a", strategies=["naive"]), tmp_path / "out", execute=FakeRun())
    described(tmp_path / "a", None, ["naive"])
    with pytest.raises(Exception, match="another experiment \\(other reference\\)"):
        run_experiment(load_experiment(tmp_path / "a" / "experiment.yaml"), tmp_path / "out", execute=FakeRun())


def test_a_text_of_a_few_words_is_remarked_on(tmp_path: Path) -> None:
    path = described(tmp_path)
    (tmp_path / "word.txt").write_text("a word", encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("reference: general.txt", "reference: word.txt"))
    found = check(load_experiment(path))
    assert found.reference is not None
    assert found.reference.remarks == ("3 tokens are few to tell anything by; take a longer text.",)
    assert found.general is not None
    assert found.general.remarks == ()


def test_a_model_that_knows_no_english_is_scored_without_the_text_that_comes_along(tmp_path: Path) -> None:
    toy = toy_experiment(tmp_path, ["naive"], SMOKE, seed=0)
    toy = toy.model_copy(update={"general": GeneralSpec.shipped()})
    found = check(toy)
    assert (found.refused, found.general) == ((), None)
    assert "general: the text that comes along is English" in found.remarks[-1]
    started = next(
        event
        for event in execute_run(toy, toy.runs()[0], tmp_path / "run", Control())
        if isinstance(event, events.RunStarted)
    )
    assert started.general is None
    own = tmp_path / "own.txt"
    own.write_text("Words that it does not know.\n\nAnd more of them.", encoding="utf-8")
    asked = toy.model_copy(update={"general": GeneralSpec(train=(str(own),))})
    assert "general: " in check(asked).refused[0], "what was asked for is refused, not left out"


def test_a_copy_of_a_task_s_text_as_the_general_one_is_said(tmp_path: Path) -> None:
    path = described(tmp_path)
    copied = [*(tmp_path / "tea.txt").read_text(encoding="utf-8").split("\n\n"), "A document of its own."]
    (tmp_path / "copy.txt").write_text("\n\n".join(copied), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8") + "general: copy.txt\n", encoding="utf-8")
    found = check(load_experiment(path))
    assert found.refused == ()
    (said,) = [remark for remark in found.remarks if remark.startswith("general: ")]
    assert said.startswith("general: 18 of its documents are trained on by 'tea' as well"), "2 of 20 are held out"
