"""Tokens that are kept: found by content, checked, made again when damaged, limited in size."""

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import TaskError
from engine.execution import task_tokens as module
from engine.execution.task_tokens import TaskTokens, task_tokens
from engine.models.loading import LoadedModel, load_base
from engine.persistence.shared_results import SharedResults
from engine.tasks import load_task
from engine.tasks.documents import Document, Task, TaskReading
from engine.tasks.library import Library
from engine.tasks.spec import TaskSpec
from engine.tokens.blocks import EncodedDocument


@pytest.fixture(scope="module")
def base() -> LoadedModel:
    return load_base("tiny-gpt2")


@pytest.fixture
def spec(tmp_path: Path) -> TaskSpec:
    path = tmp_path / "notes.txt"
    path.write_text("\n\n".join(f"Note {n}: <|endoftext|> {n * n} cups." for n in range(60)), encoding="utf-8")
    return TaskSpec(name="notes", train=(str(path),))


def plainly(spec: TaskSpec, base: LoadedModel, train: bool) -> list[tuple[list[int], int, int]]:
    """One document at a time by the tokenizer."""
    task, found = load_task(spec), []
    for d in task.train if train else task.held_out:
        prompt, text = (
            base.tokenizer(t, add_special_tokens=False, split_special_tokens=True)["input_ids"] if t else []
            for t in (d.prompt, d.text)
        )
        found.append(([base.bos, *prompt, *text, base.eos], 1 + len(prompt), len(d.text.encode())))
    return found


def tokens_of(documents: Sequence[EncodedDocument]) -> list[tuple[list[int], int, int]]:
    return [(d.token_ids.tolist(), d.first_target, d.text_bytes) for d in documents]


def check(found: TaskTokens, spec: TaskSpec, base: LoadedModel) -> None:
    task = load_task(spec)
    assert tokens_of(found.train) == plainly(spec, base, train=True)
    assert tokens_of(found.held_out) == plainly(spec, base, train=False)
    assert found.texts == (task.name, task.train_fingerprint, task.held_out_fingerprint)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of every task whose texts were read."""
    read: list[str] = []
    real = module.open_task
    monkeypatch.setattr(module, "open_task", lambda spec: read.append(spec.name) or real(spec))
    return read


def test_texts_are_read_and_encoded_once_whatever_the_tasks_name(
    base: LoadedModel, spec: TaskSpec, tmp_path: Path, counted: list[str]
) -> None:
    shared = SharedResults(tmp_path / "shared")
    check(task_tokens(spec, base, None, 256), spec, base)
    check(task_tokens(spec, base, shared, 256), spec, base)
    renamed = spec.model_copy(update={"name": "other"})
    check(task_tokens(renamed, base, shared, 256), renamed, base)
    trained_otherwise = spec.model_copy(update={"epochs": 7, "learning_rate": 1e-4})
    check(task_tokens(trained_otherwise, base, shared, 256), spec, base)
    assert counted == ["notes", "notes"]


def test_other_texts_another_reading_or_another_tokenizer_are_other_tokens(
    base: LoadedModel, spec: TaskSpec, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedResults(tmp_path / "shared")
    task_tokens(spec, base, shared, 256)
    check(task_tokens(by_line := spec.model_copy(update={"split": "line"}), base, shared, 256), by_line, base)
    Path(spec.train[0]).write_text("\n\n".join(f"Line {n}." for n in range(9)), encoding="utf-8")
    check(task_tokens(spec, base, shared, 256), spec, base)
    monkeypatch.setattr(module, "tokenizer_hash", lambda folder: "another")
    task_tokens(spec, base, shared, 256)
    assert len(counted) == 4


@pytest.mark.parametrize("damage", ["a bit", "cut off", "a file is gone", "no sums"])
def test_damaged_or_half_written_tokens_are_made_again(
    damage: str, base: LoadedModel, spec: TaskSpec, tmp_path: Path, counted: list[str]
) -> None:
    shared = SharedResults(tmp_path / "shared")
    task_tokens(spec, base, shared, 256)
    (folder,) = shared.folder.iterdir()
    file = folder / "train" / "tokens.i32"
    content = bytearray(file.read_bytes())
    if damage == "a bit":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "cut off":
        file.write_bytes(content[:-4])
    elif damage == "a file is gone":
        file.unlink()
    else:
        (folder / "sums.sha256").unlink()
    check(task_tokens(spec, base, shared, 256), spec, base)
    check(task_tokens(spec, base, shared, 256), spec, base)
    assert len(counted) == 2


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_task_scored_on_its_training_text_is_encoded_and_counted_once(
    on_disk: bool, base: LoadedModel, tmp_path: Path
) -> None:
    path = tmp_path / "talks.jsonl"
    talks = [
        {"messages": [{"role": "user", "content": f"{n} " * 60}, {"role": "assistant", "content": "yes " * 60}]}
        for n in range(3)
    ]
    path.write_text("\n".join(map(json.dumps, talks)), encoding="utf-8")
    spec = TaskSpec(name="talks", train=(str(path),), held_out="train")
    shared = SharedResults(tmp_path / "shared") if on_disk else None
    for _ in range(2):
        found = task_tokens(spec, base, shared, 140)
        assert "3 answers are longer than the block allows; their ends are left out." in found.reading.remarks
        assert tokens_of(found.train) == tokens_of(found.held_out)
        assert found.train_fingerprint == found.held_out_fingerprint


def test_equal_files_of_another_task_bring_that_tasks_own_remarks(base: LoadedModel, tmp_path: Path) -> None:
    library, shared = Library(tmp_path / "data"), SharedResults(tmp_path / "shared")
    documents = tuple(Document(f"note number {n}") for n in range(8))
    for remark, name in (("3 rows were left out.", "first"), ("The encoding is a guess.", "second")):
        kept = library.add(Task(name, documents[:6], documents[6:], TaskReading(remarks=(remark,))))
        assert task_tokens(kept.spec(), base, shared, 64).reading.remarks == (remark,)


def test_what_a_killed_process_left_is_no_hindrance_and_goes_after_a_day(
    base: LoadedModel, spec: TaskSpec, tmp_path: Path
) -> None:
    shared = SharedResults(tmp_path / "shared")
    old, new = shared.folder / "a.1.partial", shared.folder / "b.2.partial"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 100_000,) * 2)
    check(task_tokens(spec, base, shared, 256), spec, base)
    assert (old.exists(), new.exists()) == (False, True)


def test_tokens_count_into_the_limit_and_are_cleared_with_the_rest(
    base: LoadedModel, spec: TaskSpec, tmp_path: Path
) -> None:
    shared = SharedResults(tmp_path / "shared")
    kept = task_tokens(spec, base, shared, 256)
    assert shared.total_bytes() > 4 * kept.train.lengths.sum()
    shared.clear()
    assert tokens_of(kept.train) == plainly(spec, base, train=True)  # who has them open keeps them
    small = SharedResults(tmp_path / "small", limit_bytes=1000)
    check(task_tokens(spec, base, small, 256), spec, base)
    assert small.total_bytes() <= 1000


def test_a_folder_that_cannot_be_written_costs_nobody_a_run(base: LoadedModel, spec: TaskSpec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    check(task_tokens(spec, base, SharedResults(tmp_path / "file"), 256), spec, base)


def test_a_missing_file_is_named(base: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"nowhere\.txt: there is no such file"):
        task_tokens(
            TaskSpec(name="a", train=(str(tmp_path / "nowhere.txt"),)), base, SharedResults(tmp_path / "shared"), 256
        )


def _encode_in_another_process(spec: dict[str, Any], folder: Path, start: Any, answers: Any) -> None:
    base = load_base("tiny-gpt2")
    start.wait()
    answers.put([tokens_of(task_tokens(TaskSpec(**spec), base, SharedResults(folder), 256).train) for _ in range(3)])


def test_two_processes_at_once_find_the_same_whole_tokens(base: LoadedModel, spec: TaskSpec, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(2), context.Queue()
    arguments = (spec.model_dump(), tmp_path / "shared", start, answers)
    processes = [context.Process(target=_encode_in_another_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    found = [answers.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    assert found == [[plainly(spec, base, train=True)] * 3] * 2
    assert [folder.suffix for folder in (tmp_path / "shared").iterdir()] == [""]
