"""What pages share."""

from pathlib import Path

import pytest

from engine.housekeeping import Chosen, labels
from engine.store import Store
from tests.fake_runs import experiment
from ui.server import session


def test_archived_experiments_are_offered_where_the_address_names_them_or_all_are_archived(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (store.add_experiment(experiment(tmp_path, name=name)) for name in ("old", "new"))
    named: list[str] = []
    monkeypatch.setattr(session, "store", lambda: store)
    monkeypatch.setattr(session, "experiments_in_url", lambda: named)

    def offered() -> list[str]:
        return session.experiments_to_choose()["experiment_id"].tolist()

    assert offered() == [new, old]
    labels.set_archived(store, Chosen((old,)), archived=True)
    assert offered() == [new]
    named.append(old)
    assert offered() == [new, old]
    named.clear()
    labels.set_archived(store, Chosen((new,)), archived=True)
    assert offered() == [new, old]
    store.delete_experiment(old)
    store.delete_experiment(new)
    assert offered() == []
