import math
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy

from engine import events
from engine.common.errors import StoreError
from engine.events.control import Control
from engine.events.scores import DocumentSums, Score
from engine.store import Store, schema
from tests.fake_runs import STEPS, FakeRun, experiment


def add(store: Store, tmp_path: Path, **changes: object) -> tuple[str, list[str]]:
    experiment_id = store.add_experiment(experiment(tmp_path, **changes))
    return experiment_id, store.runs(experiment_id)["run_id"].tolist()


def play(store: Store, run_id: str, until: type | None = None, finished_stages: int = 0) -> None:
    """Record a fake run's events, up to and with the first of type `until`."""
    experiment_id, spec = store.run_spec(run_id)
    for event in FakeRun()(store.experiment(experiment_id), spec, store.run_folder(run_id), Control(), finished_stages):
        store.record(run_id, event)
        if until is not None and isinstance(event, until):
            return


def set_heartbeat(store: Store, run_id: str, seconds_ago: float) -> None:
    with store._writing() as connection:
        connection.execute(
            sqlalchemy.update(schema.runs)
            .where(schema.runs.c.run_id == run_id)
            .values(heartbeat_at=schema.now() - seconds_ago)
        )


def status(store: Store, run_id: str) -> str:
    return str(store.runs(run_ids=run_id)["status"].item())


def test_an_experiment_comes_back_equal_and_its_runs_wait_in_order(store: Store, tmp_path: Path) -> None:
    added = experiment(tmp_path, seeds=[0, 1])
    experiment_id = store.add_experiment(added)
    runs = store.runs(experiment_id)
    assert store.experiment(experiment_id) == added
    assert runs["label"].tolist() == [run.label for run in added.runs()]
    assert runs["status"].tolist() == ["queued"] * 4
    assert runs["position"].tolist() == [1, 2, 3, 4]
    assert runs["parameters"].tolist() == [run.parameters for run in added.runs()]


def test_the_frames_hold_what_the_events_said(store: Store, tmp_path: Path) -> None:
    experiment_id, (run_id, _) = add(store, tmp_path)
    play(store, run_id)
    run = store.runs(experiment_id).iloc[0]
    assert (run["status"], run["stage"], run["step"], run["steps"]) == ("finished", 2, 2 * STEPS, 2 * STEPS)
    assert run["target_tokens"] == 100 * 2 * STEPS
    assert run["seconds"] == 1.0  # two stages of 0.5 s
    losses = store.losses(run_id)
    assert list(losses.columns) == ["run_id", "stage", "step", "term", "nats_per_token"]
    assert losses[losses["term"] == "new"]["nats_per_token"].tolist() == [
        3.0 / step for step in range(1, 2 * STEPS + 1)
    ]
    matrix = store.matrix([run_id])
    assert matrix["stage"].tolist() == [0, 0, 1, 1, 2, 2]
    assert matrix["task_index"].tolist() == [1, 2] * 3
    assert matrix["nats_per_token"].tolist() == [4, 4, 2, 4, 3, 2]
    assert matrix["bits_per_byte"].tolist()[0] == pytest.approx(4 * 50 / math.log(2) / 100)
    assert matrix["perplexity"].tolist()[2] == pytest.approx(math.exp(2))
    stages = store.stages([run_id])
    assert stages["first_step"].tolist() == [1, STEPS + 1]
    assert stages["finished"].tolist() == [True, True]
    assert stages["new_tokens"].tolist() == [100 * STEPS] * 2
    assert Path(stages["checkpoint"].iloc[1]) == store.run_folder(run_id) / "stage-2"
    assert store.curve(run_id)["step"].unique().tolist() == [0, 2, 4, 6, 8]
    assert store.environment(run_id) == {"device": "cpu"}
    assert store.task_facts(experiment_id)["task"].tolist() == ["bread", "tea"]


def looked(stage: int, step: int, each: float, whole: float | None = None, of: int = 20) -> events.Evaluated:
    """A look at both tasks: five sampled documents of ten tokens and `each` nats, and all with `whole` a token."""
    nats = tuple(each + shift * step for shift in (-0.2, -0.1, 0.0, 0.1, 0.2))
    sums = DocumentSums(nats, (10,) * 5, (20,) * 5, (1,) * 5, 5, of)
    sample = {name: Score(sum(nats), 50, 100, 5) for name in ("bread", "tea")}
    all_of_it = None if whole is None else {name: Score(200 * whole, 200, 400, 20) for name in sample}
    return events.Evaluated(stage, step, sample, all_of_it, documents=dict.fromkeys(sample, sums))


@pytest.mark.parametrize("strategy", ["naive", "joint"])
def test_a_curve_leads_from_each_row_of_the_matrix_and_ends_on_the_next(
    store: Store, tmp_path: Path, strategy: str
) -> None:
    run_id = store.runs(store.add_experiment(experiment(tmp_path, strategies=[strategy])))["run_id"].item()
    looks = (
        looked(0, 0, 40, 4.5), looked(1, 1, 35), looked(1, 2, 25, 2.9), looked(2, 3, 25.1), looked(2, 4, 40),
        looked(2, 5, 45, 4.6),
    )  # fmt: skip
    store.record(run_id, *looks)
    curve = store.curve(run_id)
    bread = curve[curve["task"] == "bread"].set_index("step")
    assert bread["nats_per_token"].tolist() == pytest.approx([4.5, 4.0, 2.9, 2.91, 4.4, 4.6])
    matrix = store.matrix(run_id).query("task == 'bread'")
    for name in ("nats_per_token", "perplexity", "bits_per_byte", "accuracy"):
        assert bread.loc[[0, 2, 5], name].tolist() == matrix[name].tolist()  # to the last digit
        assert (bread[f"{name}_low"] <= bread[name]).all()
        assert (bread[f"{name}_low"] < bread[f"{name}_high"]).tolist() == (
            [False] * 6 if name == "accuracy" else [False, True, False, True, True, False]
        )
    assert bread["is_worse"].tolist() == [False] * 4 + [strategy == "naive"] * 2
    assert not curve.loc[curve["task"] == "tea", "is_worse"].any()
    later = store.curve(run_id, after_step=3)
    assert later.equals(curve[curve["step"] > 3].reset_index(drop=True))


def test_the_sums_of_documents_go_with_what_they_belong_to(store: Store, tmp_path: Path) -> None:
    experiment_id, (run_id, _) = add(store, tmp_path)
    play(store, run_id)
    with store._reading() as connection:
        count = "SELECT COUNT(*) FROM document_sums"
        assert connection.exec_driver_sql(count).scalar() == 2 * 5
        store.drop_after_stage(run_id, 1)
    with store._reading() as connection:
        assert connection.exec_driver_sql(count).scalar() == 2 * 3
    store.set_status(run_id, "stopped")
    store.delete_experiment(experiment_id)
    with store._reading() as connection:
        assert connection.exec_driver_sql(count).scalar() == 0


def test_losses_after_a_step_are_those_that_a_live_page_lacks(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    play(store, run_id)
    assert store.losses(run_id, after_step=6)["step"].tolist() == [7, 7, 8, 8]
    assert store.losses(run_id, after_step=8).empty


def test_frames_of_a_store_without_anything_have_their_columns(store: Store) -> None:
    assert "status" in store.experiments().columns
    assert "seconds_left" in store.runs().columns
    for frame in (store.losses([]), store.curve([]), store.matrix([]), store.stages([])):
        assert frame.empty
        assert "run_id" in frame.columns


def test_running_without_a_recent_heartbeat_reads_as_interrupted_with_a_reason(store: Store, tmp_path: Path) -> None:
    experiment_id, (run_id, _) = add(store, tmp_path)
    assert store.claim_next() == run_id
    assert status(store, run_id) == "running"
    set_heartbeat(store, run_id, seconds_ago=11)
    assert status(store, run_id) == "interrupted"
    assert "resume" in store.runs(experiment_id)["reason"].iloc[0]
    assert store.experiments()["status"].tolist() == ["queued"]  # its other run still waits


def test_a_heartbeat_of_an_attempt_that_was_replaced_is_refused(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    store.claim_next()
    assert not store.beat([(run_id, 1)])
    set_heartbeat(store, run_id, seconds_ago=11)
    store.requeue(run_id)
    assert store.beat([(run_id, 1)]) == {(run_id, 1)}
    while store.claim_next():
        pass
    # A run that has just ended is not lost: its pulse may beat once more.
    store.record(run_id, events.RunFinished(1.0))
    assert not store.beat([(run_id, 2)])
    assert store.beat([(run_id, 1)]) == {(run_id, 1)}


def test_the_queue_is_taken_in_order_and_each_run_once(store: Store, tmp_path: Path) -> None:
    _, first = add(store, tmp_path)
    _, second = add(store, tmp_path)
    assert [store.claim_next() for _ in range(5)] == [*first, *second, None]


def test_any_waiting_run_can_be_claimed_once_and_all_in_play_are_listed_in_the_order_of_the_queue(
    store: Store, tmp_path: Path
) -> None:
    experiment_id, (first, second) = add(store, tmp_path)
    _, (third, fourth) = add(store, tmp_path)
    assert store.claim(second)
    assert not store.claim(second)
    assert not store.claim("nobody")
    for event in list(FakeRun()(store.experiment(experiment_id), store.run_spec(second)[1], tmp_path, Control()))[:-4]:
        store.record(second, event)
    store.set_pause(second, True)
    store.request(third, "stop")
    listed = [(each.run_id, each.status, each.finished_stages) for each in store.runs_in_play()]
    assert listed == [(first, "queued", 0), (second, "paused", 1), (fourth, "queued", 0)]
    assert [each.run_id for each in store.runs_in_play(experiment_id)] == [first, second]
    assert store.attempt(second) == 1
    assert store.machine(experiment_id) == {"device": "cpu"}
    assert store.machine("nothing") is None


def test_two_takers_at_once_never_get_the_same_run(store: Store, tmp_path: Path) -> None:
    _, run_ids = add(store, tmp_path, seeds=list(range(10)))
    taken: list[str] = []

    def take() -> None:
        own = Store(store.folder)
        while (run_id := own.claim_next()) is not None:
            taken.append(run_id)
        own.close()

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == run_ids


def test_a_stop_takes_a_waiting_run_out_of_the_queue(store: Store, tmp_path: Path) -> None:
    _, (first, second) = add(store, tmp_path)
    store.request(first, "stop")
    assert status(store, first) == "stopped"
    assert store.claim_next() == second


def test_a_request_is_taken_once_and_refused_for_a_run_that_ended(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    store.claim_next()
    store.request(run_id, "pause")
    assert store.take_requests([run_id]) == {run_id: "pause"}
    assert store.take_requests([run_id]) == {}
    play(store, run_id)
    with pytest.raises(StoreError, match="finished"):
        store.request(run_id, "stop")


def test_a_pause_that_comes_after_the_end_changes_nothing(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    play(store, run_id)
    store.set_pause(run_id, True)
    assert status(store, run_id) == "finished"


def test_a_stop_keeps_the_weights_reached_beside_the_unfinished_stage(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    play(store, run_id, until=events.StageFinished)
    store.record(run_id, events.StageStarted(2, "tea", STEPS + 1, STEPS, 400))
    store.record(run_id, events.RunStopped(2, STEPS + 2, store.run_folder(run_id) / "stopped", STEPS + 2))
    kept = store.stages(run_id)
    assert kept["finished"].tolist() == [True, False]
    assert Path(kept["checkpoint"].iloc[1]).name == "stopped"
    assert status(store, run_id) == "stopped"
    assert store.finished_stages(run_id) == 1


def test_records_after_the_last_finished_stage_can_be_dropped(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    play(store, run_id)
    store.drop_after_stage(run_id, 1)
    assert store.losses(run_id)["step"].max() == STEPS
    assert store.matrix(run_id)["stage"].tolist() == [0, 0, 1, 1]
    run = store.runs(run_ids=run_id).iloc[0]
    assert (run["stage"], run["step"], run["target_tokens"], run["seconds"]) == (1, STEPS, 100 * STEPS, 0.5)
    store.drop_after_stage(run_id, 0)
    assert store.matrix(run_id).empty


def test_a_run_can_go_on_from_the_last_finished_stage_that_still_has_its_checkpoint(
    store: Store, tmp_path: Path
) -> None:
    _, (run_id, _) = add(store, tmp_path)
    assert store.finished_stages(run_id) == 0
    play(store, run_id)
    assert store.finished_stages(run_id) == 2
    shutil.rmtree(store.run_folder(run_id) / "stage-2")
    assert store.finished_stages(run_id) == 1


def test_time_left_follows_the_measured_pace_and_waiting_runs_follow_their_likes(store: Store, tmp_path: Path) -> None:
    experiment_id, (first, _) = add(store, tmp_path)
    store.claim_next()
    play(store, first, until=events.StageFinished)
    store.record(first, events.Phase("training"), seconds_per_step=2.0)
    left = store.runs(experiment_id)["seconds_left"].tolist()
    # The second run takes over the first of its two stages.
    assert left == [pytest.approx(2.0 * STEPS), pytest.approx((0.5 + 2.0 * STEPS) / 2)]


def running(store: Store, tmp_path: Path, expected: float | None, steps: int = 100) -> str:
    """A run of so many steps that has begun."""
    spec = experiment(tmp_path, strategies=["naive"])
    label = spec.runs()[0].label
    experiment_id = store.add_experiment(spec, None if expected is None else {label: expected})
    run_id = store.claim_next(experiment_id)
    assert run_id is not None
    store.record(run_id, events.RunStarted(steps, 2, 0, {}, ()))
    return run_id


def took(store: Store, run_id: str, steps: int, seconds_per_step: float) -> float:
    """The time left once a run has taken its first steps."""
    done = [events.StepDone(1, step, {"new": 1.0}, 10, seconds_per_step, 1e-3, 1.0) for step in range(1, steps + 1)]
    store.record(run_id, *done, seconds_per_step=seconds_per_step, steps_measured=steps)
    return float(store.runs(run_ids=run_id)["seconds_left"].item())


def test_time_left_begins_with_the_estimate_and_goes_over_to_what_is_measured(store: Store, tmp_path: Path) -> None:
    run_id = running(store, tmp_path, expected=60.0)
    assert store.runs(run_ids=run_id)["seconds_left"].item() == 60.0
    # One slow step of a cold machine: 99 steps of 9 s would be 891 s.
    assert took(store, run_id, 1, 9.0) == pytest.approx(891 / 11 + (60 - 9) * 10 / 11)
    assert took(store, run_id, 10, 1.0) == pytest.approx((90 + 50) / 2)
    assert took(store, run_id, 90, 1.0) == pytest.approx(10 * 0.9)
    assert took(store, run_id, 100, 1.0) == 0.0


def test_without_an_estimate_the_first_steps_promise_nothing(store: Store, tmp_path: Path) -> None:
    run_id = running(store, tmp_path, expected=None)
    assert math.isnan(took(store, run_id, 1, 9.0))
    assert math.isnan(took(store, run_id, 4, 9.0))
    assert took(store, run_id, 5, 2.0) == pytest.approx(190.0)


def test_a_waiting_run_without_likes_takes_as_long_as_was_estimated(store: Store, tmp_path: Path) -> None:
    spec = experiment(tmp_path)
    experiment_id = store.add_experiment(spec, {run.label: 30.0 for run in spec.runs()})
    assert store.runs(experiment_id)["seconds_left"].tolist() == [30.0, 30.0]


def test_a_waiting_run_takes_as_many_times_its_estimate_as_its_likes_took_of_theirs(
    store: Store, tmp_path: Path
) -> None:
    """The estimate of the second run holds the writing of texts, of which the first run's pace knows nothing."""
    spec = experiment(tmp_path, strategies=["naive", "self-replay"])
    expected = dict(zip((run.label for run in spec.runs()), (1.0, 30.0), strict=True))
    experiment_id = store.add_experiment(spec, expected)
    first = store.claim_next(experiment_id)
    assert first is not None
    play(store, first)  # in two stages of half a second
    store.record(first, events.RunFinished(1.0))
    assert store.runs(experiment_id)["seconds_left"].tolist()[1] == pytest.approx(30.0)
    twice = store.add_experiment(spec, {label: seconds / 2 for label, seconds in expected.items()})
    first = store.claim_next(twice)
    assert first is not None
    play(store, first)
    store.record(first, events.RunFinished(1.0))
    assert store.runs(twice)["seconds_left"].tolist()[1] == pytest.approx(2 * 15.0)


def test_time_left_counts_every_task_that_a_stage_trains_on(store: Store, tmp_path: Path) -> None:
    experiment_id, (first, _) = add(store, tmp_path, strategies=["naive", "joint"])
    store.claim_next()
    play(store, first, until=events.StageFinished)
    store.record(first, events.Phase("training"), seconds_per_step=2.0)
    # Joint takes over its first stage, and its second trains on as much as both of the first run's.
    assert store.runs(experiment_id)["seconds_left"].iloc[1] == pytest.approx(0.5 + 2.0 * STEPS)


def test_time_left_counts_the_epochs_and_the_stages_that_an_override_makes_anew(store: Store, tmp_path: Path) -> None:
    strategies = ["naive", {"joint": {"epochs": 6}}, {"naive": {"learning_rate": 5e-4}}]
    experiment_id, (first, *_) = add(store, tmp_path, strategies=strategies, training={"epochs": 3})
    store.claim_next()
    play(store, first, until=events.StageFinished)
    store.record(first, events.Phase("training"), seconds_per_step=2.0)
    of_two_stages = 0.5 + 2.0 * STEPS
    # Joint reads three tasks in all, each twice as often, and can take over nothing; the last run's rate is the usual.
    assert store.runs(experiment_id)["seconds_left"].tolist()[1:] == [pytest.approx(3 * of_two_stages), 0.0]


def test_deleting_refuses_while_a_run_runs_and_else_removes_records_and_files(store: Store, tmp_path: Path) -> None:
    experiment_id, (run_id, _) = add(store, tmp_path)
    store.claim_next()
    with pytest.raises(StoreError, match="stop it first"):
        store.delete_experiment(experiment_id)
    play(store, run_id)
    store.delete_experiment(experiment_id)
    assert store.experiments().empty
    assert store.losses(run_id).empty
    assert not store.run_folder(run_id).exists()
    with pytest.raises(StoreError, match="deleted"):
        store.experiment(experiment_id)


def test_a_renamed_experiment_carries_its_name_into_its_configuration(store: Store, tmp_path: Path) -> None:
    experiment_id, _ = add(store, tmp_path)
    store.rename(experiment_id, "  pantry ")
    assert store.experiment(experiment_id).name == "pantry"
    assert store.runs(experiment_id)["experiment"].unique().tolist() == ["pantry"]
    with pytest.raises(StoreError, match="name"):
        store.rename(experiment_id, "  ")


def test_a_data_folder_that_moves_keeps_its_checkpoints(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    play(store, run_id)
    store.close()
    moved = Store(store.folder.rename(tmp_path / "elsewhere"))
    assert Path(moved.stages(run_id)["checkpoint"].iloc[0]).is_dir()
    assert moved.finished_stages(run_id) == 2
    moved.close()


def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "palimpsest.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="move it away"):
        Store(tmp_path)


def test_a_loss_that_is_not_a_number_does_not_break_reading(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    store.record(run_id, events.StepDone(1, 1, {"new": math.nan, "total": math.inf}, 10, 0.1, 1e-3, math.nan))
    assert store.losses(run_id)["nats_per_token"].isna().tolist()[0]


def test_the_version_is_another_one_after_every_change_from_whichever_side(store: Store, tmp_path: Path) -> None:
    versions = [store.version()]
    _, (run_id, _) = add(store, tmp_path)
    versions.append(store.version())
    store.beat([(run_id, 0)])
    other = Store(store.folder)
    other.request(run_id, "stop")
    versions.append(store.version())
    other.close()
    assert len(set(versions)) == 3
    assert store.version() == versions[-1]


def test_losses_as_arrays_are_those_of_the_frame(store: Store, tmp_path: Path) -> None:
    _, (run_id, _) = add(store, tmp_path)
    play(store, run_id)
    store.record(run_id, events.StepDone(2, 2 * STEPS + 1, {"total": math.nan}, 100, 0.01, 1e-3, 1.0))
    frame = store.losses(run_id, after_step=2)
    arrays = store.loss_arrays(run_id, after_step=2)
    assert set(arrays) == {"new", "total"}
    for term, part in frame.groupby("term"):
        for column, values in zip(("stage", "step", "nats_per_token"), arrays[term], strict=True):
            np.testing.assert_array_equal(values, part[column].to_numpy())
    assert math.isnan(arrays["total"][2][-1])
    assert store.loss_arrays(run_id, after_step=10**6) == {}


def test_the_facts_of_many_runs_are_those_of_each(store: Store, tmp_path: Path) -> None:
    _, run_ids = add(store, tmp_path)
    play(store, run_ids[0])
    assert store.task_facts_by_run(run_ids) == {run_id: store.run_task_facts(run_id) for run_id in run_ids}


def test_counts_of_what_a_run_recorded_change_with_all_of_it_but_its_steps(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    run_id = store.claim_next() or ""
    _, spec = store.run_spec(run_id)
    folder, seen = store.run_folder(run_id), [store.recorded_counts(run_id)]
    for event in FakeRun(beside=True)(store.experiment(experiment_id), spec, folder, Control(), 0):
        store.record(run_id, event)
        same = store.recorded_counts(run_id) == seen[-1]
        changes = events.Evaluated, events.StageStarted, events.StageFinished
        assert same != isinstance(event, changes), event
        seen.append(store.recorded_counts(run_id))


def test_the_state_of_a_run_is_that_of_its_row_and_none_in_the_bin(store: Store, tmp_path: Path) -> None:
    (first, second), (third, _) = (add(store, tmp_path)[1] for _ in range(2))
    play(store, store.claim_next() or "", events.StageFinished)
    row, state = store.runs(run_ids=first).iloc[0], store.run_state(first)
    assert state == {name: row[name] for name in state or {}}
    assert (state or {})["step"] == STEPS
    set_heartbeat(store, first, 60.0)
    assert (store.run_state(first) or {})["status"] == "interrupted"
    with store._writing() as connection:
        for table, key, value in ((schema.runs, "run_id", second), (schema.experiments, "experiment_id", third[:8])):
            connection.execute(sqlalchemy.update(table).where(table.c[key] == value).values(deleted_at=1.0))
    assert [store.run_state(run_id) for run_id in (second, third, "nobody")] == [None, None, None]
