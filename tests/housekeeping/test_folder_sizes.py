"""Sizes of runs are never those of before, and are not read again for nothing."""

import os
from pathlib import Path

import pytest

from engine.housekeeping import folder_sizes
from engine.housekeeping.folder_sizes import FolderSizes
from engine.store import Store
from tests.fake_runs import wait_until
from tests.persistence.test_disk_use import on_disk

RUNS = ("a", "b")


@pytest.fixture
def sizes(store: Store) -> FolderSizes:
    for run_id in RUNS:
        stage = store.run_folder(run_id) / "stage-1"
        stage.mkdir(parents=True)
        (stage / "model.safetensors").write_bytes(b"x" * 1000)
    os.link(store.run_folder("a") / "stage-1" / "model.safetensors", store.run_folder("b") / "linked")
    return FolderSizes(store)


def test_a_file_of_several_runs_counts_once_for_all_and_whole_for_each(store: Store, sizes: FolderSizes) -> None:
    assert sizes.taken(RUNS) is None
    sizes.begin_look(RUNS, ())
    wait_until(lambda: not sizes.looking)
    assert [sizes.taken([run_id]) for run_id in RUNS] == [1000, 2000]
    assert sizes.taken(RUNS) == 2000 == on_disk(store.folder / "runs")
    assert sizes.taken([]) == 0
    assert sizes.taken(["a", "unknown"]) is None


@pytest.mark.parametrize("change", ["added", "removed", "a deeper one", "the log", "the folder"])
def test_a_change_is_seen_at_the_next_look(store: Store, sizes: FolderSizes, change: str) -> None:
    sizes.look(RUNS, ())
    folder = store.run_folder("b")
    if change == "added":
        (folder / "more").write_bytes(b"x" * 5)
    elif change == "removed":
        (folder / "stage-1" / "model.safetensors").unlink()
    elif change == "a deeper one":
        (folder / "stage-1" / "deep").mkdir()
        (folder / "stage-1" / "deep" / "more").write_bytes(b"x" * 5)
    elif change == "the log":
        store.log_path("b").parent.mkdir(exist_ok=True)
        store.log_path("b").write_bytes(b"x" * 5)
    else:
        store.run_folder("b").rename(store.folder / "elsewhere")
    before = sizes.changes
    sizes.look(RUNS, ())
    assert sizes.taken(["b"]) == on_disk(store.folder / "runs" / "b", store.folder / "logs")
    assert sizes.changes == before + 1


def test_what_has_not_changed_is_not_read_again_but_what_may_grow_is(
    store: Store, sizes: FolderSizes, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes.look(RUNS, ())
    read: list[Path] = []
    original = folder_sizes.names_under
    monkeypatch.setattr(folder_sizes, "names_under", lambda *places: read.append(places[0]) or original(*places))
    sizes.look(RUNS, ())
    assert (read, sizes.changes) == ([], 1)
    with (store.run_folder("b") / "linked").open("ab") as file:
        file.write(b"x" * 7)
    sizes.look(RUNS, ("b",))
    assert read == [store.run_folder("b")]
    assert sizes.taken(["b"]) == 2007
