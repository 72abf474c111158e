"""Real files, where they are at hand: separators, official splits and a table that a line reader gets wrong."""

from pathlib import Path

import pytest

from engine.tasks import load_task
from engine.tasks.spec import TaskSpec

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "tasks"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the real texts are not in {FOLDER}")


@pytest.mark.parametrize(
    ("name", "train", "held_out"),
    [
        ("shakespeare", 4858, 506),
        ("customer_service_banking77", 9943, 744),
        ("chinese_poetry", 2522, 210),
        ("medical_pubmedqa", 460, 40),
        ("cooking_recipes", 307, 43),  # one of the 306 recipes has two blank lines inside
    ],
)
def test_documents_are_found_without_being_told_the_separator(name: str, train: int, held_out: int) -> None:
    folder = FOLDER / name
    task = load_task(TaskSpec(name=name, train=str(folder / "train.txt"), test=str(folder / "test.txt")))
    assert (len(task.train), len(task.held_out)) == (train, held_out)


def test_the_original_banking_table_is_read_whole() -> None:
    folder = FOLDER / "customer_service_banking77" / "original"
    task = load_task(TaskSpec(name="b", train=str(folder / "train.csv"), test=str(folder / "test.csv")))
    assert len(task.train) > 9_900
    assert len(task.held_out) > 3_000
    assert any("\n" in document.text for document in task.train)
    assert not any("\r" in d.text or d.text.endswith(",card_arrival") for d in task.train)


def test_markdown_recipes_make_one_task_of_many_files() -> None:
    paths = sorted(map(str, (FOLDER / "cooking_recipes" / "original").glob("*.md")))
    task = load_task(TaskSpec(name="r", train=tuple(paths)))
    assert len(task.train) + len(task.held_out) == len(paths) == 44
    assert not any("title:" in document.text for document in task.train)
