"""What files take and what removing some frees, against the disk itself."""

import os
import shutil
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.persistence.disk_use import freed_bytes, names_under, taken_bytes

FOLDERS = 4


def on_disk(*folders: Path) -> int:
    """The bytes of all files below, each inode once: what the disk holds."""
    files = {}
    for path in (each for folder in folders for each in folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            about = path.stat()
            files[about.st_ino] = about.st_size
    return sum(files.values())


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    names=st.lists(st.tuples(st.integers(0, 5), st.integers(0, FOLDERS - 1)), max_size=25),
    removed=st.sets(st.integers(0, FOLDERS - 1)),
)
def test_what_removing_folders_frees_is_what_the_disk_has_less_afterwards(
    tmp_path: Path, names: list[tuple[int, int]], removed: set[int]
) -> None:
    shutil.rmtree(tmp_path)
    folders = [tmp_path / "runs" / str(number) for number in range(FOLDERS)]
    for folder in folders:
        (folder / "stage-1").mkdir(parents=True)
    first: dict[int, Path] = {}
    for number, (file, place) in enumerate(names):
        path = folders[place] / ("stage-1" if number % 2 else ".") / f"{number}.bin"
        if file in first:
            os.link(first[file], path)
        else:
            path.write_bytes(b"x" * (100 + 7**file))
            first[file] = path
    chosen = [folders[number] for number in removed]
    below = list(names_under(*chosen))
    told = freed_bytes(below)
    assert taken_bytes(names_under(*folders)) == on_disk(tmp_path)
    assert told <= taken_bytes(below)
    before = on_disk(tmp_path)
    for folder in chosen:
        shutil.rmtree(folder)
    assert before - on_disk(tmp_path) == told


def test_links_to_other_places_and_what_is_gone_count_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weights").write_bytes(b"x" * 1000)
    run = tmp_path / "run"
    run.mkdir()
    (run / "link").symlink_to(tmp_path / "elsewhere" / "weights")
    (run / "folder").symlink_to(tmp_path / "elsewhere")
    (run / "own").write_bytes(b"x" * 10)
    assert taken_bytes(names_under(run, tmp_path / "never")) == 10
    assert taken_bytes(names_under(run / "own")) == 10
