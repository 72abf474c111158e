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
    assert found.reading == whole.reading
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


MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "narrator"]),
         "content": st.one_of(WORDS, st.none(), st.just("Fine."))},
        optional={"weight": st.sampled_from([0, 1]), "mood": st.just("calm")},
    ),
    max_size=4,
)  # fmt: skip
CELLS = st.one_of(
    WORDS, MESSAGES, MESSAGES.map(json.dumps), st.lists(WORDS, max_size=3), st.just([["a?", "b."], ["c?", "d."]]),
    st.sampled_from([None, 1, True, "5", '"Paris"', '["a"]', {"text": "x"}, {"messages": [{"role": "bot"}]}]),
)  # fmt: skip
LIKELY = {
    "text": WORDS.map(lambda text: f"x{text}"),
    "pairs": WORDS.map(lambda text: f"y{text}"),
    "chat": st.sampled_from(["Yes.", "No."]).map(
        lambda text: [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": text}]
    ),
}
COLUMNS: dict[str, dict[str, Any]] = {
    "text": {"text_column": "one"},
    "pairs": {"prompt_column": "one", "completion_column": "two"},
    "chat": {"messages_column": "one"},
}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_tasks_of_every_kind_are_the_same_in_documents_and_remarks(tmp_path_factory, data) -> None:  # type: ignore[no-untyped-def]
    kind = data.draw(st.sampled_from(["text", "pairs", "chat"]))
    cells = st.one_of(LIKELY[kind], LIKELY[kind], LIKELY[kind], CELLS)
    row = st.fixed_dictionaries({"one": cells} | ({"two": cells} if kind == "pairs" else {}))
    folder = tmp_path_factory.mktemp("t")
    for name in ("train", "test"):
        lines = [json.dumps(drawn) + "\n" for drawn in data.draw(st.lists(row, min_size=1, max_size=4))]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8", newline="\n")
    files = {"train": (str(folder / "train.jsonl"),), "test": (str(folder / "test.jsonl"),)}
    same(TaskSpec(name="t", **files, **COLUMNS[kind]))


def test_conversations_that_are_json_in_strings_are_no_raw_text(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": "Yes."}]
    for name, answer in (("train", "Yes."), ("test", "No.")):
        cell = json.dumps([messages[0], messages[1] | {"content": answer}])
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"m": cell}) + "\n", encoding="utf-8")
    spec = TaskSpec(
        name="t", train=str(tmp_path / "train.jsonl"), test=str(tmp_path / "test.jsonl"), messages_column="m"
    )
    assert [turn.content for turn in next(iter(open_task(spec).train)).turns] == ["Well?", "Yes."]
    same(spec)
