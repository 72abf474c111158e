"""A task read as a stream is the task that is read whole."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.errors import TaskError
from engine.tasks import Document, Task, load_task, open_task
from engine.tasks.documents import Fingerprint
from engine.tasks.library import Library
from engine.tasks.spec import TaskSpec
from engine.tasks.streamed import StoredTask

WORDS = st.lists(st.sampled_from(["a", "b ", "  b", "\n", "\r\n", "é", "\u2028", "\ud83d", "中"]), max_size=4).map(
    "".join
)


def spec_of(folder: Path, train: list[Any], test: list[Any], pairs: bool, mode: str = "w") -> TaskSpec:
    for name, rows in (("train", train), ("test", test)):
        text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8", newline="\n")
    columns = {"prompt_column": "prompt", "completion_column": "completion"} if pairs else {"text_column": "text"}
    return TaskSpec(name="t", train=(str(folder / "train.jsonl"),), test=(str(folder / "test.jsonl"),), **columns)


def same(spec: TaskSpec) -> bool:
    """Compares both ways of reading; returns whether the task was read as a stream."""
    try:
        whole = load_task(spec)
    except TaskError as error:
        with pytest.raises(TaskError, match=re.escape(str(error))):
            open_task(spec)
        return False
    found = open_task(spec)
    for _ in range(2):
        assert (tuple(found.train), tuple(found.held_out)) == (whole.train, whole.held_out)
    assert (len(found.train), len(found.held_out)) == (len(whole.train), len(whole.held_out))
    assert Fingerprint().of(found.train) == whole.train_fingerprint
    return isinstance(found, StoredTask)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), max_size=8), st.lists(st.tuples(WORDS, WORDS), max_size=3), st.booleans())
def test_rows_repeated_empty_or_odd(tmp_path_factory, train, test, pairs) -> None:  # type: ignore[no-untyped-def]
    def rows(drawn: list[tuple[str, str]]) -> list[dict[str, str]]:
        return [{"prompt": p, "completion": c} if pairs else {"text": p + c} for p, c in drawn]

    same(spec_of(tmp_path_factory.mktemp("t"), rows(train), rows(test), pairs))


@pytest.mark.parametrize(
    "odd", ['{"text": 1}', '{"text": "x", "more": "y"}', "not json", "", '"x"', '{"text": ""}', '\ufeff{"text": "x"}']
)
def test_rows_that_the_library_would_not_write_are_left_to_the_general_reader(odd: str, tmp_path: Path) -> None:
    assert not same(spec_of(tmp_path, [odd, {"text": "one"}, {"text": "two"}], [{"text": "three"}], pairs=False))


def test_kept_tasks_are_streamed(tmp_path: Path) -> None:
    documents = tuple(Document(f"answer {n}", prompt=f"question {n}") for n in range(9))
    library = Library(tmp_path)
    assert same(library.add(Task("pairs", documents[2:], documents[:2])).spec())
    texts = tuple(Document(document.text) for document in documents)
    assert same(library.add(Task("texts", texts[2:], texts[:2])).spec())
