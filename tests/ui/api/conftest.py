"""A store with one run that has come to its second stage, behind the routes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from engine import events
from engine.events.control import Control
from engine.store import Store
from engine.store.schema import experiments, runs
from tests.fake_runs import FakeRun, experiment
from ui.api import shared_answers
from ui.api.routes import api
from ui.api.sources import Sources
from ui.live import feed as feed_module
from ui.live.feed import Feed
from ui.server.access import Role, Visitor


@dataclass
class Served:
    """The routes, what is behind them, and who asks."""

    store: Store
    client: TestClient
    experiment_id: str
    run_id: str
    run: Iterator[events.Event]
    visitor: list[Visitor] = field(default_factory=lambda: [Visitor("ada", Role.SEE)])

    def says(self, kind: type[events.Event], number: int = 1) -> None:
        """The run's events up to and with the next one of that kind, or the next few."""
        for recorded in self.run:
            self.store.record(self.run_id, recorded)
            number -= isinstance(recorded, kind)
            if not number:
                return

    def throw_away(self, run: bool = False) -> None:
        """Into the bin with the run, or with its experiment."""
        table, key, name = (
            (runs, runs.c.run_id, self.run_id)
            if run
            else (experiments, experiments.c.experiment_id, self.experiment_id)
        )
        with self.store._writing() as connection:
            connection.execute(update(table).where(key == name).values(deleted_at=1.0))


@pytest.fixture
def served(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    for name in ("MOMENT_SECONDS", "FIRST_SECONDS", "LONGEST_SECONDS"):
        monkeypatch.setattr(shared_answers, name, 0.0)
    monkeypatch.setattr(feed_module, "KEEP_SECONDS", 0.0)
    experiment_id = store.add_experiment(experiment(tmp_path))
    run_id = store.claim_next() or ""
    _, spec = store.run_spec(run_id)
    recorded = FakeRun(beside=True)(store.experiment(experiment_id), spec, store.run_folder(run_id), Control(), 0)
    sources = Sources(store, Feed(store))
    made = Served(store, TestClient(api(lambda: sources, lambda _: made.visitor[0])), experiment_id, run_id, recorded)
    made.says(events.StageStarted, 2)
    made.says(events.StepDone, 2)
    return made
