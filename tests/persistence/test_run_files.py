"""Files of a run in another folder: weights under two names, all else twice."""

from pathlib import Path

import pytest

from engine.persistence.checkpoints import complete
from engine.persistence.run_files import copied_bytes, take_files
from tests.fake_runs import save


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    save(folder / "stage-1")
    (folder / "stage-1/README.md").write_text("card", encoding="utf-8")
    save(folder / "stage-2.0123.partial")
    (folder / "journal-2.jsonl").write_text("{}\n", encoding="utf-8")
    (folder / "row-0.partial").write_text("half", encoding="utf-8")
    (folder / "loose.safetensors").write_bytes(b"of no checkpoint")
    return folder


def test_what_is_never_changed_in_place_is_linked_and_all_else_copied(run_folder: Path, tmp_path: Path) -> None:
    take_files(run_folder, tmp_path / "new")
    found = {str(file.relative_to(tmp_path / "new")): file for file in tmp_path.glob("new/**/*") if file.is_file()}
    assert set(found) == {
        "journal-2.jsonl", "loose.safetensors", "stage-1/README.md", "stage-1/model.safetensors",
        "stage-1/palimpsest-state.pt", "stage-1/sums.sha256",
    }  # fmt: skip
    linked = {name for name, file in found.items() if file.samefile(run_folder / name)}
    assert linked == {"stage-1/model.safetensors", "stage-1/palimpsest-state.pt"}
    assert all(file.read_bytes() == (run_folder / name).read_bytes() for name, file in found.items())


def test_only_what_is_not_linked_takes_space(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = ["journal-2.jsonl", "loose.safetensors", "stage-1/README.md", "stage-1/sums.sha256"]
    linked = ["stage-1/model.safetensors", "stage-1/palimpsest-state.pt"]
    copied = sum((run_folder / name).stat().st_size for name in small)
    assert copied_bytes(run_folder, tmp_path / "not/there/yet") == copied
    if Path("/dev/shm").is_dir() and Path("/dev/shm").stat().st_dev != run_folder.stat().st_dev:
        everything = copied + sum((run_folder / name).stat().st_size for name in linked)
        assert copied_bytes(run_folder, Path("/dev/shm/none")) == everything


def test_a_stage_that_is_made_again_changes_no_file_under_another_name(run_folder: Path, tmp_path: Path) -> None:
    take_files(run_folder, tmp_path / "new")
    complete(tmp_path / "new/stage-1", {"strategy": None})
    assert (run_folder / "stage-1/palimpsest-state.pt").read_bytes() == b"state"
    assert (tmp_path / "new/stage-1/palimpsest-state.pt").read_bytes() != b"state"
