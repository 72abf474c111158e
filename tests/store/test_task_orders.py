"""Runs of one experiment that train its tasks in different orders: a task's index is its place in the run's own."""

from pathlib import Path

import sqlalchemy

from engine.events.control import Control
from engine.results.comparison import matrices
from engine.store import Store, schema
from tests.fake_runs import FakeRun, experiment

BOTH = [["bread", "tea"], ["tea", "bread"]]


def add(store: Store, tmp_path: Path, play: bool = True) -> tuple[str, list[str]]:
    experiment_id = store.add_experiment(experiment(tmp_path, orders=BOTH, strategies=["naive"]))
    run_ids = store.runs(experiment_id)["run_id"].tolist()
    for run_id in run_ids if play else ():
        _, spec = store.run_spec(run_id)
        for event in FakeRun()(store.experiment(experiment_id), spec, store.run_folder(run_id), Control()):
            store.record(run_id, event)
    return experiment_id, run_ids


def test_a_run_keeps_its_order_and_one_of_an_experiment_without_orders_has_none(store: Store, tmp_path: Path) -> None:
    experiment_id, run_ids = add(store, tmp_path, play=False)
    assert store.runs(experiment_id)["task_order"].tolist() == [("bread", "tea"), ("tea", "bread")]
    assert [store.run_spec(run_id)[1].order for run_id in run_ids] == [("bread", "tea"), ("tea", "bread")]
    assert [run.order for run in store.experiment(experiment_id).runs()] == [("bread", "tea"), ("tea", "bread")]
    plain = store.add_experiment(experiment(tmp_path, strategies=["naive"]))
    assert store.runs(plain)["task_order"].tolist() == [None]
    assert store.runs()["task_order"].tolist() == [("bread", "tea"), ("tea", "bread"), None]
    with store._reading() as connection:
        kept = connection.execute(sqlalchemy.text("SELECT task_order FROM runs ORDER BY rowid")).scalars().all()
    assert kept == ['["bread", "tea"]', '["tea", "bread"]', None], "no JSON that says nothing"


def test_the_diagonal_of_every_matrix_is_the_score_of_the_task_of_its_stage(store: Store, tmp_path: Path) -> None:
    _, run_ids = add(store, tmp_path)
    found = store.matrix(run_ids)
    for run_id, order in zip(run_ids, BOTH, strict=True):
        own = found[found["run_id"] == run_id].drop_duplicates("task_index").sort_values("task_index")
        assert own["task"].tolist() == order
        # the fake run scores 2 nats after a task's own stage, 3 once it is a past one, and 4 before
        assert matrices(found, "nats_per_token")[run_id] == [[4.0, 4.0], [2.0, 4.0], [3.0, 2.0]]


def test_what_got_worse_is_measured_from_the_end_of_the_own_stage_in_the_own_order(
    store: Store, tmp_path: Path
) -> None:
    _, run_ids = add(store, tmp_path)
    curve = store.curve(run_ids)
    last = curve[(curve["stage"] == 2) & (curve["step"] == 8)].set_index(["run_id", "task"])
    for run_id, (first, second) in zip(run_ids, BOTH, strict=True):
        assert (last.loc[(run_id, first), "task_index"], last.loc[(run_id, second), "task_index"]) == (1, 2)
        assert last.loc[(run_id, first), "worse_by"] > 0.9
        assert last.loc[(run_id, second), "worse_by"] != last.loc[(run_id, second), "worse_by"], "its own stage goes on"


def test_the_facts_of_the_tasks_are_in_the_experiment_s_order_and_those_of_a_run_in_its_own(
    store: Store, tmp_path: Path
) -> None:
    experiment_id, (_, second) = add(store, tmp_path)
    with store._writing() as connection:  # the latest that began
        connection.execute(
            sqlalchemy.update(schema.runs).where(schema.runs.c.run_id == second).values(started_at=schema.now() + 60)
        )
    assert [fact["name"] for fact in store.run_task_facts(second)] == ["tea", "bread"]
    assert store.task_facts(experiment_id)["name"].tolist() == ["bread", "tea"]


def test_waiting_runs_of_one_beginning_are_expected_to_take_over_its_stages(store: Store, tmp_path: Path) -> None:
    made = experiment(tmp_path, strategies=["naive"])
    bread, tea = made.tasks
    soup = bread.model_copy(update={"name": "soup"})
    orders = (("bread", "tea", "soup"), ("bread", "soup", "tea"), ("soup", "tea", "bread"))
    varied = made.model_copy(update={"tasks": (bread, tea, soup), "orders": orders})
    experiment_id = store.add_experiment(varied)
    first, second, third = store.runs(experiment_id)["run_id"]
    store.claim(first)
    with store._writing() as connection:
        ended = {"status": "finished", "seconds": 30.0}
        connection.execute(sqlalchemy.update(schema.runs).where(schema.runs.c.run_id == first).values(**ended))
    left = store.runs(experiment_id).set_index("run_id")["seconds_left"]
    assert left[second] == 20.0, "the first stage is there"
    assert left[third] == 30.0
