"""The runs that the report tells of, and the tasks that models are asked about."""

from pathlib import Path
from typing import Any

import pytest

from engine.insight.requests import Source, Span
from engine.store import Store
from tests.ui.report.forgetting import LOST, Forgetting, compared, trained
from ui.report.told_runs import MOST_TASKS, ToldRuns, told_runs


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path / "data"))


def told(store: Store, folder: Path, run: Forgetting | None = None, **changes: Any) -> ToldRuns:
    found = told_runs(store, compared(store, trained(store, folder, run, **changes)))
    assert found is not None
    return found


def names(found: ToldRuns) -> list[str]:
    return [run.name for run in found.runs]


def test_naive_comes_first_and_what_kept_most_beside_it_in_the_first_seed(store: Store, tmp_path: Path) -> None:
    strategies = ["joint", "ewc", "replay", "naive"]
    found = told(store, tmp_path, strategies=strategies, seeds=[3, 1])
    assert (names(found), found.seed) == (["Naive", "Replay"], 1)
    first, second = (run.run_id for run in found.runs)
    assert found.request is not None
    (task,) = found.request.tasks
    assert task.task == "bread"
    assert task.spans == (Span(Source(first, 1), Source(first, 2)), Span(Source(second, 1), Source(second, 2)))
    assert not task.has_answers


def test_both_trained_the_tasks_in_the_same_order_where_it_varies(store: Store, tmp_path: Path) -> None:
    experiment_id = trained(
        store, tmp_path, strategies=["naive", "replay"], orders=[["tea", "bread"], ["bread", "tea"]]
    )
    found = told_runs(store, compared(store, experiment_id))
    assert found is not None
    orders = [store.run_spec(run.run_id)[1].order for run in found.runs]
    assert orders == [("tea", "bread")] * 2
    assert [task.name for task in found.experiment.tasks] == ["tea", "bread"]


def test_without_naive_the_one_that_kept_least_comes_first_and_joint_is_no_rival(store: Store, tmp_path: Path) -> None:
    assert names(told(store, tmp_path, strategies=["replay", "ewc", "joint"])) == ["EWC", "Replay"]


def test_where_naive_kept_most_the_one_that_kept_least_comes_first(store: Store, tmp_path: Path) -> None:
    run = Forgetting(LOST | {"naive": 0.2})
    assert names(told(store, tmp_path, run, strategies=["naive", "replay", "ewc"])) == ["EWC", "Naive"]


def test_accuracy_that_is_higher_is_better(store: Store, tmp_path: Path) -> None:
    experiment_id = trained(store, tmp_path)
    found = told_runs(store, compared(store, experiment_id, score="accuracy"))
    assert found is not None
    assert found.request is None  # the fake runs' accuracy never falls


def test_one_strategy_is_told_of_alone(store: Store, tmp_path: Path) -> None:
    found = told(store, tmp_path, strategies=["replay"])
    assert names(found) == ["Replay"]
    assert found.request is not None
    assert len(found.request.tasks[0].spans) == 1


def test_of_many_tasks_those_that_lost_most_are_asked_about_in_the_order_of_training(
    store: Store, tmp_path: Path
) -> None:
    found = told(store, tmp_path, tasks=("a", "b", "c", "d", "e", "f"), strategies=["naive"])
    # lost: later stages times number, so 1·5, 2·4, 3·3, 4·2, 5·1
    assert found.request is not None
    assert [task.task for task in found.request.tasks] == ["b", "c", "d"]
    assert len(found.request.tasks) == MOST_TASKS
    assert [each.lost > 0 for each in found.runs[0].losses] == [True] * 5 + [False]


def test_pairs_and_conversations_have_answers(store: Store, tmp_path: Path) -> None:
    found = told(store, tmp_path, Forgetting(kind="pairs"))
    assert found.request is not None
    assert found.request.tasks[0].has_answers


def test_where_nothing_was_lost_nothing_is_asked(store: Store, tmp_path: Path) -> None:
    assert told(store, tmp_path, Forgetting(LOST | {"naive": 0.0, "replay": -0.1})).request is None
    assert told(store, tmp_path, name="one", tasks=("bread",)).request is None


def test_runs_that_share_no_seed_are_not_held_against_each_other(store: Store, tmp_path: Path) -> None:
    run = Forgetting(failing=[("naive", 0), ("replay", 1)])
    experiment_id = trained(store, tmp_path, run, seeds=[0, 1])
    found = told_runs(store, compared(store, experiment_id, judge_all=True))
    assert found is not None
    assert (names(found), found.seed) == (["Naive"], 1)
    found = told_runs(store, compared(store, experiment_id))  # which leaves out what has another seed
    assert found is not None
    assert names(found) == ["Replay λ 0.5"]


def test_before_a_run_is_complete_there_is_nothing_to_tell(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(store.experiment(trained(store, tmp_path)))
    assert told_runs(store, compared(store, experiment_id)) is None
