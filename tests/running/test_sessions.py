"""Several sessions stop, pause, resume, rename, delete and add at random while the runner works: nothing is orphaned.

`PALIMPSEST_STATEFUL_SECONDS=600 pytest tests/running/test_sessions.py` does so for ten minutes.
"""

import os
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as given_by
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from engine.common.errors import StoreError, TaskError
from engine.running.queue import Runner
from engine.store import Store
from engine.tasks import Document, Task
from engine.tasks.library import Library
from tests.fake_runs import STEPS, FakeRun, experiment, wait_until

STATUSES = {"queued", "running", "paused", "interrupted", "stopped", "failed", "finished"}
STAGES = 2
picks = given_by.integers(0, 10**6)
sessions = given_by.integers(0, 1)


class Sessions(RuleBasedStateMachine):
    """Two sessions, each with a store of its own, beside one runner."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stores = [Store(self.folder / "data") for _ in range(2)]
        self.threads = set(threading.enumerate())
        self.runner = Runner(Store(self.folder / "data"), FakeRun(step_seconds=0.002)).start()
        self.libraries = [Library(self.folder / "data") for _ in range(2)]

    def a_run(self, session: int, pick: int) -> str | None:
        ids: list[str] = self.stores[session].runs()["run_id"].tolist()
        return ids[pick % len(ids)] if ids else None

    def an_experiment(self, session: int, pick: int) -> str | None:
        ids: list[str] = self.stores[session].experiments()["experiment_id"].tolist()
        return ids[pick % len(ids)] if ids else None

    @rule(session=sessions)
    @precondition(lambda self: len(self.stores[0].experiment_rows()) < 6)
    def add(self, session: int) -> None:
        self.stores[session].add_experiment(experiment(self.folder))
        self.runner.wake()

    @rule(session=sessions, pick=picks, what=given_by.sampled_from(["pause", "resume", "stop"]))
    def ask(self, session: int, pick: int, what: str) -> None:
        run_id = self.a_run(session, pick)
        if run_id is not None:
            with suppress(StoreError):
                self.stores[session].request(run_id, what)  # type: ignore[arg-type]

    @rule(session=sessions, pick=picks)
    def go_on(self, session: int, pick: int) -> None:
        run_id = self.a_run(session, pick)
        if run_id is not None:
            with suppress(StoreError):
                self.runner.resume(run_id)

    @rule(session=sessions, pick=picks, name=given_by.text(max_size=20))
    def rename(self, session: int, pick: int, name: str) -> None:
        experiment_id = self.an_experiment(session, pick)
        if experiment_id is not None:
            with suppress(StoreError):
                self.stores[session].rename(experiment_id, name)

    @rule(session=sessions, pick=picks)
    def delete(self, session: int, pick: int) -> None:
        experiment_id = self.an_experiment(session, pick)
        if experiment_id is not None:
            with suppress(StoreError):
                self.stores[session].delete_experiment(experiment_id)

    @rule(session=sessions, name=given_by.text(min_size=1, max_size=20))
    def upload(self, session: int, name: str) -> None:
        documents = tuple(Document(f"{name} {n}") for n in range(4))
        with suppress(TaskError):  # a name of nothing that can be seen
            self.libraries[session].add(Task(name, documents[:3], documents[3:]))

    @rule(session=sessions, pick=picks)
    def forget_upload(self, session: int, pick: int) -> None:
        tasks = self.libraries[session].tasks()
        if tasks:
            self.libraries[session].delete(tasks[pick % len(tasks)].task_id)

    @rule(milliseconds=given_by.integers(1, 60))
    def wait(self, milliseconds: int) -> None:
        time.sleep(milliseconds / 1000)

    @invariant()
    def the_store_holds_together(self) -> None:
        one, other = (store.runs() for store in self.stores)
        assert set(one["status"]) | set(other["status"]) <= STATUSES
        assert self.runner.alive
        assert (one["status"].isin(["running", "paused"])).sum() <= 1
        for run in one[one["status"] == "finished"].itertuples():
            steps = self.stores[1].steps(run.run_id)["step"].tolist()
            assert steps in (list(range(1, STAGES * STEPS + 1)), [])  # or deleted since

    @invariant()
    def every_session_sees_the_same_tasks(self) -> None:
        names = [[task.name for task in library.tasks()] for library in self.libraries]
        assert names[0] == names[1]
        assert len(set(names[0])) == len(names[0])

    def teardown(self) -> None:
        try:
            for run_id in self.stores[0].runs()["run_id"]:
                with suppress(StoreError):
                    self.stores[0].request(run_id, "stop")
            wait_until(lambda: not set(self.stores[0].runs()["status"]) & {"queued", "running", "paused"})
            kept = set(self.stores[0].runs()["run_id"])
            runs, logs = self.folder / "data" / "runs", self.folder / "data" / "logs"
            wait_until(lambda: {each.name for each in runs.glob("*")} <= kept)
            wait_until(lambda: {each.stem for each in logs.glob("*.log")} <= kept)
        finally:
            self.runner.close()
            for store in (*self.stores, self.runner.store):
                store.close()
            shutil.rmtree(self.folder)
        wait_until(lambda: not [each for each in threading.enumerate() if self.is_of_a_run(each)])

    def is_of_a_run(self, thread: threading.Thread) -> bool:
        """Whether it was begun since, and not by a library that keeps threads of its own."""
        return thread not in self.threads and "palimpsest" in thread.name


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_sessions_that_do_as_they_please_leave_nothing_behind() -> None:
    seconds = float(os.environ.get("PALIMPSEST_STATEFUL_SECONDS", "0"))
    ends = time.monotonic() + seconds
    few = settings(
        max_examples=6, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.reuse, Phase.generate), database=None,
    )  # fmt: skip
    while True:
        run_state_machine_as_test(Sessions, settings=few)
        if time.monotonic() >= ends:
            return
