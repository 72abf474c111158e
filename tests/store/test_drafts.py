"""Drafts of pages: one for each visitor and page, kept over restarts, the last change whole."""

import threading
from pathlib import Path

import pytest

from engine.store import Store
from engine.store import drafts as store_drafts


def test_a_draft_is_kept_for_one_visitor_and_page_and_outlives_the_server(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.draft("ada", "experiment") is None
    content = {"seeds": "0, 1", "rate": 5e-4, "none": None, "text": "“–”", "list": [1, [2.5, True]]}
    changed_at = store.keep_draft("ada", "experiment", content)
    store.keep_draft("bob", "experiment", {"seeds": "7"})
    store.keep_draft("ada", "tasks", {"name": "tea"})
    store.close()

    again = Store(tmp_path)
    found = again.draft("ada", "experiment")
    assert found is not None
    assert (found.content, found.changed_at) == (content, changed_at)
    again.forget_draft("ada", "experiment")
    again.forget_draft("ada", "experiment")
    assert again.draft("ada", "experiment") is None
    assert [again.draft(*key) is not None for key in (("bob", "experiment"), ("ada", "tasks"))] == [True, True]
    again.close()


def test_every_change_is_later_than_the_one_before_even_if_the_clock_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    clock = iter([100.0, 100.0, 50.0, 200.0])
    monkeypatch.setattr(store_drafts, "now", lambda: next(clock))
    times = [store.keep_draft("", "experiment", {"n": n}) for n in range(4)]
    assert times == sorted(set(times))
    assert times[-1] == 200.0
    found = store.draft("", "experiment")
    assert found is not None
    assert (found.content, found.changed_at) == ({"n": 3}, 200.0)
    store.close()


def test_of_changes_at_once_one_wins_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    contents = [{"a": n, "b": n} for n in range(8)]
    threads = [threading.Thread(target=store.keep_draft, args=("", "experiment", each)) for each in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.draft("", "experiment")
    assert found is not None
    assert found.content in contents
    store.close()
