"""The table of all experiments and runs."""

import math
from pathlib import Path

import pytest
import sqlalchemy as sa

from engine.driving.driver import drive
from engine.events import Evaluated, RunFinished, RunStarted, StageFinished, StageStarted
from engine.events.control import Control
from engine.events.scores import GENERAL, Score
from engine.housekeeping import Chosen, overview, wastebin
from engine.results.summaries import summarize
from engine.store import Store
from tests.fake_runs import FakeRun, experiment

MATRIX = [[4.0, 4.5, 5.0], [2.0, 4.4, 4.9], [2.6, 1.9, 4.8], [2.4, 3.1, 2.2]]


def recorded(store: Store, run_id: str, matrix: list[list[float]], tmp_path: Path) -> None:
    """A finished run of three tasks with these losses, a row a stage, and a general text beside."""
    names = ["bread", "tea", "jam"]
    store.claim(run_id)
    store.record(run_id, RunStarted(12, 3, 0, {}, ()))
    for stage, row in enumerate(matrix):
        scores = {name: Score(nats * 50, 50, 100, 10) for name, nats in zip(names, row, strict=True)}
        scores[GENERAL] = Score(9e9, 50, 100, 10)
        if stage:
            store.record(run_id, StageStarted(stage, names[stage - 1], 4 * stage - 3, 4, 100))
        look = Evaluated(stage, 4 * stage, {name: Score(1.0, 50, 100, 10) for name in names}, scores)
        store.record(run_id, look)
        if stage:
            done = StageFinished(stage, names[stage - 1], 4 * stage, 0.5, 100, tmp_path / "nowhere")
            store.record(run_id, done)
    store.record(run_id, RunFinished(1.5))


def three_tasks(store: Store, tmp_path: Path) -> list[str]:
    described = experiment(tmp_path)
    (tmp_path / "jam.txt").write_text("Jam.\n\nMore jam.", encoding="utf-8")
    tasks = [*described.model_dump()["tasks"], {"name": "jam", "train": [str(tmp_path / "jam.txt")]}]
    store.add_experiment(experiment(tmp_path, tasks=tasks))
    return list(store.runs()["run_id"])


def test_average_and_forgetting_are_those_of_the_summaries(store: Store, tmp_path: Path) -> None:
    first, _ = three_tasks(store, tmp_path)
    recorded(store, first, MATRIX, tmp_path)
    rows = overview.read(store).runs
    expected = summarize(MATRIX, lower_is_better=True)
    assert rows["average"].iloc[0] == pytest.approx((2.4 + 3.1 + 2.2) / 3)
    assert rows["forgetting"].iloc[0] == pytest.approx(((2.4 - 2.0) + (3.1 - 1.9)) / 2)
    assert [-rows["average"].iloc[0], rows["forgetting"].iloc[0]] == pytest.approx(
        [expected.average, expected.forgetting]
    )
    assert rows[["average", "forgetting"]].iloc[1].isna().all()  # it waits
    (whole,) = overview.read(store).experiments.to_dict("records")
    assert (whole["average"], whole["forgetting"]) == pytest.approx((rows["average"].iloc[0], 0.8))
    assert (whole["status"], whole["runs"], whole["finished"], whole["seeds"]) == ("queued", 2, 1, (0,))


def test_neither_the_base_model_nor_the_end_is_the_best_that_is_forgotten_from(store: Store, tmp_path: Path) -> None:
    first, _ = three_tasks(store, tmp_path)
    matrix = [[1.0, 4.5, 5.0], [2.0, 4.4, 4.9], [2.6, 1.9, 4.8], [1.5, 1.8, 2.2]]
    recorded(store, first, matrix, tmp_path)
    found = overview.read(store).runs["forgetting"].iloc[0]
    assert found == pytest.approx(((1.5 - 2.0) + (1.8 - 1.9)) / 2)
    assert found == pytest.approx(summarize(matrix, lower_is_better=True).forgetting)


def test_a_score_that_is_not_a_number_leaves_the_summary_empty(store: Store, tmp_path: Path) -> None:
    first, second = three_tasks(store, tmp_path)
    recorded(store, first, [*MATRIX[:2], [math.nan, *MATRIX[2][1:]], MATRIX[3]], tmp_path)
    recorded(store, second, MATRIX, tmp_path)
    found = overview.read(store).runs
    assert found["average"].isna().tolist() == [True, False]
    assert found["forgetting"].isna().tolist() == [True, False]


def test_a_stream_of_one_task_has_an_average_and_nothing_to_forget(store: Store, tmp_path: Path) -> None:
    described = experiment(tmp_path)
    experiment_id = store.add_experiment(experiment(tmp_path, tasks=[described.model_dump()["tasks"][0]]))
    run_id = store.runs(experiment_id)["run_id"].iloc[0]
    store.claim(run_id)
    drive(store, run_id, Control(), FakeRun())
    row = overview.read(store).runs.iloc[0]
    assert row["average"] == 2.0
    assert math.isnan(row["forgetting"])


def test_the_number_of_queries_does_not_grow_with_the_runs(store: Store, tmp_path: Path) -> None:
    asked: list[str] = []
    sa.event.listen(store._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    def queries() -> int:
        asked.clear()
        overview.read(store)
        wastebin.contents(store)
        overview.outline(store)
        return len(asked)

    three_tasks(store, tmp_path)
    few = queries()
    seeds = list(range(1000))
    store.add_experiment(experiment(tmp_path, seeds=seeds))
    assert len(overview.read(store).runs) == 2002
    assert queries() == few


def test_what_is_in_the_bin_is_not_in_the_table(store: Store, tmp_path: Path) -> None:
    first, second = three_tasks(store, tmp_path)
    wastebin.put(store, Chosen(runs=(first,)))
    assert overview.read(store).runs["run_id"].tolist() == [second]
    wastebin.put(store, Chosen(runs=(second,)))
    assert overview.read(store).runs.empty
    assert overview.read(store).experiments.empty


def test_the_outline_changes_with_a_status_and_not_with_a_step(store: Store, tmp_path: Path) -> None:
    three_tasks(store, tmp_path)
    before = overview.outline(store)
    assert overview.outline(store) == before
    run_id = store.claim_next()
    assert run_id is not None
    claimed = overview.outline(store)
    assert claimed != before
    store.record(run_id, seconds_per_step=0.5, steps_measured=1)
    assert overview.outline(store) == claimed
