"""Results of lm-evaluation-harness that are kept with a run."""

from pathlib import Path

import pytest

from engine.common.errors import StoreError
from engine.harness import kept_results
from engine.harness.kept_results import delete, keep, kept, latest, plain
from engine.harness.results_file import HarnessResults, HarnessValue


def results(value: float | None, metric: str = "acc") -> HarnessResults:
    return HarnessResults(
        (HarnessValue(task="arc", metric=metric, value=value, stderr=0.1),), "0.4.13", "/m", ("a: b",)
    )


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(kept_results.time, "time", lambda: float(next(ticks)))


def test_nothing_is_kept_of_a_run_without_any(tmp_path: Path) -> None:
    assert (kept(tmp_path), latest(tmp_path), plain(tmp_path)) == ([], {}, [])
    delete(tmp_path, "stage-1-000000000000")


def test_what_is_kept_is_found_again_and_deleted(tmp_path: Path) -> None:
    one = keep(tmp_path, 0, "base.json", results(0.25))
    two = keep(tmp_path, 2, "<b>\u202e.json", results(0.5))
    assert kept(tmp_path) == [one, two]
    assert (two.results.stage, two.results.file, two.results.left_out) == (2, "<b>.json", ("a: b",))
    assert [(row["stage"], row["value"]) for row in plain(tmp_path)] == [(0, 0.25), (2, 0.5)]
    delete(tmp_path, one.kept_id)
    delete(tmp_path, f"../{two.kept_id}")
    assert kept(tmp_path) == [two]


def test_the_same_file_is_kept_once_and_of_several_the_latest_counts(tmp_path: Path) -> None:
    keep(tmp_path, 1, "a.json", results(0.25))
    keep(tmp_path, 1, "b.json", results(0.5))
    keep(tmp_path, 1, "c.json", results(0.75, "f1"))
    assert {key: value.value for key, value in latest(tmp_path)[1].items()} == {
        ("arc", "acc", ""): 0.5, ("arc", "f1", ""): 0.75
    }  # fmt: skip
    keep(tmp_path, 1, "a.json", results(0.25))
    assert len(kept(tmp_path)) == 3
    assert latest(tmp_path)[1]["arc", "acc", ""].value == 0.25


def test_a_number_that_is_none_stays_none(tmp_path: Path) -> None:
    keep(tmp_path, 1, "a.json", results(None))
    assert plain(tmp_path)[0]["value"] is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "harness" / f"{keep(tmp_path, 1, 'a.json', results(0.5)).kept_id}.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"acc"', "7"), encoding="utf-8")
    with pytest.raises(StoreError, match="is damaged; delete it"):
        kept(tmp_path)


def test_there_is_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_results, "MOST_FILES", 1)
    keep(tmp_path, 1, "a.json", results(0.5))
    keep(tmp_path, 1, "a.json", results(0.5))
    with pytest.raises(StoreError, match="1 files of results are kept"):
        keep(tmp_path, 2, "a.json", results(0.5))
