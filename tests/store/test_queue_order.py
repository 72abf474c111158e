"""Users put waiting runs into another order: nothing is lost, and no other run changes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from engine.common.errors import StoreError
from engine.store import Store
from engine.store.schema import runs
from tests.fake_runs import experiment

RUNS = 6


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three experiments of two runs each."""
    folder = tmp_path_factory.mktemp("queue")
    store = Store(folder / "data")
    for name in ("one", "two", "three"):
        store.add_experiment(experiment(folder, name=name))
    return store


def rows(store: Store) -> dict[str, dict[str, Any]]:
    with store._reading() as connection:
        return {row.run_id: dict(row._mapping) for row in connection.execute(select(runs))}


def order(store: Store) -> list[str]:
    return [run.run_id for run in store.runs_in_play() if run.status == "queued"]


def set_statuses(store: Store, statuses: list[str]) -> None:
    for run_id, status in zip(sorted(rows(store)), statuses, strict=True):
        store.set_status(run_id, status)


moves = st.lists(st.tuples(st.integers(0, RUNS - 1), st.one_of(st.none(), st.integers(-RUNS, RUNS))), max_size=8)
statuses = st.lists(st.sampled_from(["queued", "queued", "running", "finished"]), min_size=RUNS, max_size=RUNS)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statuses, moves)
def test_any_moves_permute_what_waits_as_a_list_would_and_touch_nothing_else(
    queue: Store, statuses: list[str], moves: list[tuple[int, int | None]]
) -> None:
    set_statuses(queue, statuses)
    before, ids, expected = rows(queue), sorted(rows(queue)), order(queue)
    for number, by in moves:
        run_id = ids[number]
        if run_id not in expected:
            with pytest.raises(StoreError):
                queue.run_next(run_id) if by is None else queue.move_in_queue(run_id, by)
            continue
        place = expected.index(run_id)
        if by is None:
            queue.run_next(run_id)
            expected.insert(0, expected.pop(place))
        else:
            queue.move_in_queue(run_id, by)
            expected.insert(min(max(0, place + by), len(expected) - 1), expected.pop(place))
        assert order(queue) == expected
    positions = queue.runs().set_index("run_id")["position"].dropna().sort_values()
    assert positions.index.tolist() == expected
    assert positions.tolist() == list(range(1, len(expected) + 1))
    for run_id, row in rows(queue).items():
        changed = {name for name in row if row[name] != before[run_id][name]}
        assert changed <= ({"queued_at", "goes_next"} if run_id in expected else set())


def test_what_is_queued_later_comes_last_whatever_was_moved(store: Store, tmp_path: Path) -> None:
    first = store.add_experiment(experiment(tmp_path))
    for _ in range(20):
        store.move_in_queue(f"{first}-000", 1)
        store.run_next(f"{first}-000")
    last = store.add_experiment(experiment(tmp_path))
    assert order(store) == [f"{first}-000", f"{first}-001", f"{last}-000", f"{last}-001"]


def test_a_resumed_run_goes_to_the_front_of_its_experiment_and_of_no_other(store: Store, tmp_path: Path) -> None:
    first, second = (store.add_experiment(experiment(tmp_path, seeds=[0, 1])) for _ in range(2))
    resumed = f"{second}-002"
    store.request(resumed, "stop")
    waiting = order(store)
    store.requeue(resumed)
    assert order(store) == [*waiting[:4], resumed, *waiting[4:]]
    store.request(resumed, "stop")
    for run_id in waiting[4:]:
        store.request(run_id, "stop")
    store.requeue(resumed)
    assert order(store) == [*waiting[:4], resumed], "none of its own waits, so that it comes last"
    assert waiting[:4] == [f"{first}-{n:03d}" for n in range(4)]


def test_a_run_that_is_wanted_next_is_so_until_it_begins_or_is_moved(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    second = f"{experiment_id}-001"
    store.run_next(second)
    assert next((run.run_id, run.goes_next) for run in store.runs_in_play()) == (second, True)
    store.move_in_queue(second, 1)
    assert not any(run.goes_next for run in store.runs_in_play())
    store.run_next(second)
    assert store.claim_next() == second
    assert not any(run.goes_next for run in store.runs_in_play())
