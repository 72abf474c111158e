"""One more task for an experiment that has ended: the numbers of one that had it from the start, and refusals."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from engine.cli import app
from engine.common.errors import ConfigError
from engine.events import StageStarted
from engine.experiments.experiment import Experiment, experiment_from, to_data
from engine.experiments.yaml_file import to_yaml
from engine.running.continuing import Earlier, begin_continuation, plan_continuation
from engine.running.headless import run_experiment
from engine.running.queue import get_runner
from engine.store import Store
from tests.fake_runs import FakeRun, experiment, wait_until

TRAINING = {
    "epochs": 1, "stage_tokens": 300, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 2,
    "device": "cpu",
}  # fmt: skip
BOTH = {"replay+ewc": {"replay_weight": 0.5, "ewc_strength": 10.0, "fisher_documents": 4}}


def with_soup(folder: Path, two: Experiment, **changes: Any) -> Experiment:
    """The experiment with a third task."""
    path = folder / "soup.txt"
    path.write_text("\n\n".join(f"Soup {n}: {n} carrots and a leek." for n in range(20)), encoding="utf-8")
    data = to_data(two)
    return experiment_from(data | {"tasks": [*data["tasks"], {"name": "soup", "train": [str(path)]}]} | changes)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


@pytest.fixture(scope="module")
def two(texts: Path) -> Experiment:
    return experiment(texts, training=TRAINING, strategies=["naive", BOTH])


@pytest.fixture(scope="module")
def earlier(two: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the experiment with two tasks, without what runs had in common."""
    folder = tmp_path_factory.mktemp("earlier") / "out"
    run_experiment(two, folder)
    shutil.rmtree(folder / "shared")
    return folder


@pytest.fixture(scope="module")
def whole(texts: Path, two: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder and results of the experiment that had three tasks from the start."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    return folder, run_experiment(with_soup(texts, two), folder)


def numbers(run: dict[str, Any]) -> dict[str, Any]:
    """What a run found, without its curve, times and names."""
    kept = ("label", "seed", "status", "scores", "summary", "tokens", "general", "guards", "remarks")
    return {name: run[name] for name in kept}


def weights(folder: Path, run: dict[str, Any]) -> list[dict[str, Any]]:
    return [load_file(folder / path / "model.safetensors") for path in run["checkpoints"]]


def check_equal(folder: Path, found: dict[str, Any], whole: tuple[Path, dict[str, Any]]) -> None:
    for run, other in zip(found["runs"], whole[1]["runs"], strict=True):
        assert numbers(run) == numbers(other)
        for one, same in zip(weights(folder, run), weights(whole[0], other), strict=True):
            assert all(bool((one[name] == same[name]).all()) for name in same)
        mine, theirs = points(run), points(other)
        assert {at: row for at, row in theirs.items() if at in mine} == mine
        missing = [at for at in theirs if at not in mine]
        assert missing
        assert all(stage < 3 and task == "soup" for stage, _, task in missing)


def points(run: dict[str, Any]) -> dict[tuple[int, int, str], tuple[Any, ...]]:
    """A run's curves, by stage, step and task: what the text scored, and how sure that is."""
    curve = run["curve"]
    names = [name for name in curve if name not in ("stage", "step", "task", "worse_by", "worse_by_half", "is_worse")]
    at = zip(curve["stage"], curve["step"], curve["task"], strict=True)
    return dict(zip(at, zip(*(curve[name] for name in names), strict=True), strict=True))


def test_a_folder_that_was_taken_home_is_continued_to_the_numbers_of_one_that_had_the_task_from_the_start(
    texts: Path, two: Experiment, earlier: Path, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    home, stages = tmp_path / "home", list[int]()
    shutil.copytree(earlier, home)
    before = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}

    def watch(run: Any, event: Any) -> None:
        if isinstance(event, StageStarted):
            stages.append(event.stage)

    found = run_experiment(with_soup(texts, two), tmp_path / "out", continue_from=home, watch=watch)
    check_equal(tmp_path / "out", found, whole)
    assert stages == [3, 3], "nothing but the new stage is trained"
    assert {file: file.read_bytes() for file in home.rglob("*") if file.is_file()} == before
    for run, other in zip(found["runs"], run_experiment(two, earlier, resume=True)["runs"], strict=True):
        assert run["continued_from"]["run_id"] == other["run_id"]
        assert (run["continued_from"]["stages"], run["continued_from"]["unlike"]) == (2, [])


def test_the_same_store_continues_an_experiment_after_a_restart(
    texts: Path, two: Experiment, earlier: Path, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    from engine.results.export import results

    folder = tmp_path / "data"
    shutil.copytree(earlier, folder)
    with closing(Store(folder)) as store:
        (first,) = store.experiments()["experiment_id"]
        plan = plan_continuation(Earlier(store, first, folder), with_soup(texts, two, name="kitchen and soup"))
        assert plan.words == ()
        experiment_id, damaged = begin_continuation(store, plan)
        assert damaged == ()
        assert store.runs(experiment_id)[["status", "stage"]].values.tolist() == [["queued", 2]] * 2
        runner = get_runner(folder)
        try:
            ended = lambda: store.runs(experiment_id)["status"].isin(["finished", "failed"]).all()  # noqa: E731
            wait_until(ended, seconds=600)
        finally:
            runner.close()
        check_equal(folder, results(store, experiment_id), whole)
        origin = store.experiment_origin(experiment_id)
        assert origin is not None
        assert (origin.kind, origin.experiment_id, origin.stages) == ("continued", first, 2)


def test_stages_of_another_machine_are_continued_and_said_to_be(
    texts: Path, two: Experiment, earlier: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(earlier, home)
    with closing(Store(home)) as store, store._writing() as connection:
        connection.exec_driver_sql("UPDATE runs SET environment = json_set(environment, '$.instructions', 'other')")
    asked = with_soup(texts, two, strategies=["naive"])
    found = run_experiment(asked, tmp_path / "out", continue_from=home)
    assert [(run["status"], run["continued_from"]["unlike"]) for run in found["runs"]] == [
        ("finished", ["instructions"])
    ]


@contextmanager
def ended_runs(described: Experiment, folder: Path) -> Iterator[tuple[Store, Earlier]]:
    """A store with an experiment whose runs seem to have ended, without a model."""
    run_experiment(described, folder, execute=FakeRun())
    with closing(Store(folder)) as store:
        yield store, Earlier(store, str(store.experiments()["experiment_id"].item()), folder)


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[tuple[Store, str, Experiment]]:
    """The same of an experiment of two tasks."""
    described = experiment(tmp_path)
    with ended_runs(described, tmp_path / "data") as (store, earlier):
        yield store, earlier.experiment_id, described


def earlier_of(ended: tuple[Store, str, Experiment]) -> Earlier:
    store, experiment_id, _ = ended
    return Earlier(store, experiment_id, store.folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training": {"learning_rate": 0.1}}, "training.learning_rate"),
        ({"general": "none"}, "general"),
        ({"guards": [{"prompt": "a", "contains": "b"}]}, "guards"),
        ({"model": "gpt2"}, "model"),
    ],
)
def test_what_stages_are_trained_with_must_be_as_it_was(
    changes: dict[str, Any], words: str, ended: tuple[Store, str, Experiment], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"whose {words} differ"):
        plan_continuation(earlier_of(ended), with_soup(tmp_path, ended[2], **changes))


def test_the_tasks_so_far_must_stand_first_in_their_order(ended: tuple[Store, str, Experiment], tmp_path: Path) -> None:
    data = to_data(with_soup(tmp_path, ended[2]))
    for order in ([1, 0, 2], [2, 0, 1], [0, 2, 1]):
        mixed = experiment_from(data | {"tasks": [data["tasks"][place] for place in order]})
        with pytest.raises(ConfigError, match="whose tasks differ"):
            plan_continuation(earlier_of(ended), mixed)
    with pytest.raises(ConfigError, match="has no task that"):
        plan_continuation(earlier_of(ended), ended[2])


def test_runs_without_a_like_or_without_checkpoints_are_trained_from_the_start_and_named(
    ended: tuple[Store, str, Experiment], tmp_path: Path
) -> None:
    store, experiment_id, described = ended
    naive, replay = store.runs(experiment_id)["run_id"]
    shutil.rmtree(store.run_folder(replay) / "stage-1")
    asked = with_soup(tmp_path, described, strategies=["naive", {"replay": {"replay_weight": 0.5}}, "joint"])
    plan = plan_continuation(earlier_of(ended), asked)
    assert plan.beginnings[0].run_id == naive
    assert [plan.beginnings[number].stages for number in (0, 1)] == [2, 0]
    first, second = plan.words
    assert first.startswith("replay (replay_weight=0.5), seed 0, is trained from the start: its earlier checkpoints")
    assert second.startswith("joint, seed 0, is trained from the start: no earlier run")
    added, _ = begin_continuation(store, plan)
    runs = store.runs(added)
    assert runs["stage"].tolist() == [2, 0, 0]
    assert store.matrix(runs["run_id"].tolist())["run_id"].unique().tolist() == [runs["run_id"][0]]


def test_each_order_gets_the_new_task_at_its_end_and_begins_with_the_runs_of_its_own(tmp_path: Path) -> None:
    both = [["bread", "tea"], ["tea", "bread"]]
    with ended_runs(experiment(tmp_path, orders=both, strategies=["naive"]), tmp_path / "data") as (store, earlier):
        runs = earlier.store.runs()["run_id"].tolist()
        later = [[*order, "soup"] for order in reversed(both)]
        plan = plan_continuation(earlier, with_soup(tmp_path, earlier.experiment, orders=later))
        assert {number: (each.run_id, each.stages) for number, each in plan.beginnings.items()} == {
            0: (runs[1], 2), 1: (runs[0], 2),
        }  # fmt: skip
        inside = with_soup(tmp_path, earlier.experiment, orders=[["bread", "soup", "tea"], later[0]])
        assert list(plan_continuation(earlier, inside).beginnings) == [1], "one of them is trained from the start"
        added, _ = begin_continuation(store, plan)
        assert [tuple(order) for order in store.runs(added)["task_order"]] == [tuple(order) for order in later]
        assert store.task_facts(added).empty
        written = with_soup(tmp_path, earlier.experiment, orders=None)
        assert plan_continuation(earlier, written).beginnings[0].run_id == runs[0]


def test_orders_that_are_counted_would_be_drawn_anew_and_are_to_be_written_out(tmp_path: Path) -> None:
    with ended_runs(experiment(tmp_path, orders=2, strategies=["naive"]), tmp_path / "data") as (_, earlier):
        with pytest.raises(ConfigError, match="`orders: 2` stands for other orders") as refused:
            plan_continuation(earlier, with_soup(tmp_path, earlier.experiment))
        assert '`orders: [["bread", "tea", "soup"], ["tea", "bread", "soup"]]`' in str(refused.value)


def test_nothing_is_left_to_continue_without_checkpoints(ended: tuple[Store, str, Experiment], tmp_path: Path) -> None:
    shutil.rmtree(ended[0].folder / "runs")
    with pytest.raises(ConfigError, match="holds no checkpoint"):
        plan_continuation(earlier_of(ended), with_soup(tmp_path, ended[2]))


def test_a_damaged_checkpoint_is_found_when_it_is_taken(ended: tuple[Store, str, Experiment], tmp_path: Path) -> None:
    store, experiment_id, described = ended
    plan = plan_continuation(earlier_of(ended), with_soup(tmp_path, described))
    (store.run_folder(store.runs(experiment_id)["run_id"][0]) / "stage-1" / "model.safetensors").write_bytes(b"torn")
    added, damaged = begin_continuation(store, plan)
    assert damaged == ("naive, seed 0, is trained from the start: an earlier checkpoint is damaged.",)
    assert store.runs(added)["stage"].tolist() == [0, 2]


def test_an_experiment_that_still_runs_is_waited_for(ended: tuple[Store, str, Experiment], tmp_path: Path) -> None:
    store, experiment_id, described = ended
    store.set_status(store.runs(experiment_id)["run_id"][0], "paused")
    with pytest.raises(ConfigError, match="have not ended"):
        plan_continuation(earlier_of(ended), with_soup(tmp_path, described))


def test_bad_folders_are_refused_on_the_command_line_before_anything_is_written(
    ended: tuple[Store, str, Experiment], tmp_path: Path
) -> None:
    store, _, described = ended
    (tmp_path / "soup.yaml").write_text(to_yaml(with_soup(tmp_path, described)), encoding="utf-8")
    for folder, words in ((tmp_path, "this is no folder of results"), (store.folder, "holds no checkpoint")):
        shutil.rmtree(store.folder / "runs", ignore_errors=True)
        given = ["run", tmp_path / "soup.yaml", "--out", tmp_path / "new", "--continue-from", folder]
        done = CliRunner().invoke(app, [str(each) for each in given])
        assert (done.exit_code, words in done.stderr) == (1, True), done.stderr
        assert not (tmp_path / "new").exists()
