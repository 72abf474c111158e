"""What compared runs kept beside their tasks."""

from pathlib import Path

import pytest

from engine.driving.driver import drive
from engine.events.control import Control
from engine.store import Store
from tests.fake_runs import FakeRun, experiment
from ui.compare.beside import beside_view
from ui.compare.compared_runs import Comparison, compare, read
from ui.compare.sections import table_sections
from ui.compare.table_words import CHANGE, DRIFT, GENERAL, HOLD, NO_LONGER

GUARDS = [{"name": "first", "prompt": "p", "contains": "a"}, {"name": "second", "prompt": "q", "contains": "b"}]


def compared(
    store: Store, folder: Path, score: str = "nats_per_token", beside: bool = True, **changes: object
) -> Comparison:
    experiment_id = store.add_experiment(experiment(folder, **changes))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), FakeRun(beside=beside))
    every = read(store, [experiment_id], score)
    return compare(every, list(every.runs["run_id"]))


def view_of(found: Comparison) -> dict[str, list[str]]:
    return beside_view(found.runs, found.beside.general, found.beside.guards, found.score).to_dict("list")


def test_each_configuration_has_a_row_with_means_over_its_seeds(store: Store, tmp_path: Path) -> None:
    found = compared(store, tmp_path, guards=GUARDS, seeds=[0, 1])
    view = view_of(found)
    assert view["Strategy"] == ["naive", "replay (replay_weight=0.5)"]
    assert view[GENERAL] == ["3.000 nats per token"] * 2
    assert view[CHANGE] == ["+1.000"] * 2
    assert view[DRIFT] == ["0.500"] * 2
    assert view[HOLD] == ["2 of 4"] * 2
    assert view[NO_LONGER] == ["first (stage 2)"] * 2
    assert [section.title for section in table_sections(found)][1] == "Beside the tasks"


def test_runs_of_before_show_nothing(store: Store, tmp_path: Path) -> None:
    found = compared(store, tmp_path, beside=False, general="none")
    assert view_of(found) == {}
    assert "Beside the tasks" not in [section.title for section in table_sections(found)]


def test_without_guards_there_is_no_column_of_them(store: Store, tmp_path: Path) -> None:
    assert list(view_of(compared(store, tmp_path))) == ["Strategy", GENERAL, CHANGE, DRIFT]


def test_runs_are_compared_by_their_answers_over_the_tasks_that_have_questions(store: Store, tmp_path: Path) -> None:
    found = compared(store, tmp_path, score="exact_match")
    row = found.table.iloc[0]
    assert row["forgetting"] == pytest.approx(0.5)  # 16 of 20, then 6
    assert row["earlier_tasks"] == pytest.approx(0.3)
    assert row["average"] == pytest.approx(0.3), "of the one task that has questions"
    assert row["stability_gap"] is None
    assert found.verdict.sentences
