"""JSON as it comes: both sides of a task, lists as rows, every form in which pandas writes a frame, nested cells."""

import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.errors import TaskError
from engine.tasks.files.contents import Table
from engine.tasks.readers import read_source


def tables(name: str, data: Any) -> list[Table]:
    text = data if isinstance(data, str) else json.dumps(data)
    contents = read_source(name, text.encode())
    assert all(isinstance(content, Table) for content in contents)
    return contents  # type: ignore[return-value]


def one(name: str, data: Any) -> Table:
    (table,) = tables(name, data)
    return table


@pytest.mark.parametrize("held_out", ["test", "validation", "valid", "dev", "Test"])
def test_lists_named_as_the_sides_of_a_task_are_its_sides(held_out: str) -> None:
    train, test = tables("a.json", {"train": [{"text": "a"}, {"text": "b"}], held_out: [{"text": "c"}]})
    assert (train.name, train.side, train.frame["text"].tolist()) == ("a.json/train", "train", ["a", "b"])
    assert (test.name, test.side, test.frame["text"].tolist()) == (f"a.json/{held_out}", "held_out", ["c"])
    assert train.remarks == (f"Of the file's lists, 'train' is to train on and '{held_out}' to hold out.",)


def test_what_is_neither_side_is_named() -> None:
    train, test = tables("a.json", {"train": ["a"], "test": ["b"], "validation": ["c", "d"], "extra": ["e"]})
    assert (train.frame["text"].tolist(), test.frame["text"].tolist()) == (["a"], ["b"])
    assert train.remarks[0].endswith("these were left out: validation (2), extra (1).")


def test_lists_whose_part_is_not_clear_are_named() -> None:
    with pytest.raises(TaskError, match=r"^a\.json: holds the lists spam \(2\), ham \(1\), and which .* save one"):
        tables("a.json", {"spam": ["a", "b"], "ham": ["c"]})


def test_pairs_are_rows() -> None:
    train, test = tables("a.json", {"train": [["hello", "x"], ["bye", "y"]], "test": [["hi", "x"]]})
    assert train.frame.to_dict("list") == {"column 1": ["hello", "bye"], "column 2": ["x", "y"]}
    assert test.frame.to_dict("list") == {"column 1": ["hi"], "column 2": ["x"]}
    lines = one("a.jsonl", '["a", 1]\n["b"]\n["c", null]\n')
    assert lines.frame.to_dict("list") == {"column 1": ["a", "c"], "column 2": ["1", ""]}
    assert [(left.where, left.reason) for left in lines.left_out] == [
        ("line 2", "1 value where most lists have 2")
    ]  # fmt: skip


def test_a_first_list_of_usual_names_is_a_header() -> None:
    assert one("a.json", [["text", "label"], ["a", "b"]]).frame.to_dict("list") == {"text": ["a"], "label": ["b"]}


def test_a_list_of_conversations_is_a_column_of_them() -> None:
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    for table in (one("a.json", [talk, talk[:1]]), one("a.jsonl", "\n".join(map(json.dumps, [talk, talk[:1]])))):
        assert table.nested == {"messages"}
        assert [json.loads(cell) for cell in table.frame["messages"]] == [talk, talk[:1]]


CELLS = st.one_of(st.none(), st.integers(-9, 9), st.text('ab é"\\[{,', max_size=6))
NAMES = st.lists(st.sampled_from(["text", "label", "a", "b c", "é"]), min_size=1, max_size=4, unique=True)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    names = draw(NAMES)
    rows = draw(st.lists(st.lists(CELLS, min_size=len(names), max_size=len(names)), min_size=2, max_size=5))
    return pd.DataFrame(rows, columns=names, dtype=object)


@settings(max_examples=150, deadline=None)
@given(frames(), st.sampled_from(["records", "split", "index", "columns", "values", "table"]))
def test_every_form_in_which_pandas_writes_a_frame_reads_back(frame: pd.DataFrame, orient: Any) -> None:
    text = frame.astype(object).to_json(orient=orient)
    for read in [one("a.json", text)]:
        expected = [["" if pd.isna(cell) else str(cell) for cell in row] for row in frame.to_numpy().tolist()]
        assert read.frame.to_numpy().tolist() == expected
        names = [f"column {i}" for i in range(1, 1 + len(frame.columns))] if orient == "values" else list(frame.columns)
        assert list(read.frame.columns) == names


def test_frames_with_names_as_index_and_series_and_lists_by_column_are_read() -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]}, index=["x", "y"])
    for orient in ("index", "columns", "split"):
        read = one("a.json", frame.to_json(orient=orient))  # type: ignore[call-overload]
        assert read.frame.to_dict("list") == {"text": ["a", "b"], "n": ["1", "2"]}
    assert one("a.json", frame.to_dict("list")).frame["text"].tolist() == ["a", "b"]
    assert one("a.json", pd.Series(["a", "b"]).to_json()).frame.to_dict("list") == {"text": ["a", "b"]}


def test_a_frame_with_its_schema_has_no_column_of_its_index() -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "n": [1, 2]})
    read = one("a.json", frame.to_json(orient="table"))
    assert read.frame.to_dict("list") == {"text": ["a", "b"], "n": ["1", "2"]}
    named = one("a.json", frame.set_index("text").to_json(orient="table"))
    assert named.frame.to_dict("list") == {"text": ["a", "b"], "n": ["1", "2"]}


def test_what_is_no_number_is_empty() -> None:
    assert one("a.json", '[{"text": NaN, "n": 1}, {"text": "x", "n": NaN}]').frame.to_numpy().tolist() == [
        ["", "1"], ["x", ""],
    ]  # fmt: skip
    nested = one("a.jsonl", '{"m": [{"a": NaN}]}\n')
    assert nested.frame["m"].tolist() == ['[{"a": null}]']
    file = io.BytesIO()
    pd.DataFrame({"text": ["a", "b"], "n": [1.5, None], "m": [float("nan"), 2.0]}).to_parquet(file)
    (read,) = read_source("a.parquet", file.getvalue())
    assert isinstance(read, Table)
    assert read.frame.to_numpy().tolist() == [["a", "1.5", ""], ["b", "", "2.0"]]


def test_columns_of_lists_and_objects_are_told_from_texts_that_look_like_them() -> None:
    rows = [{"text": "[1]", "tags": ["a"], "meta": {"b": 1}, "n": 1}, {"text": "{}", "tags": None, "meta": {}, "n": 2}]
    assert one("a.json", rows).nested == {"tags", "meta"}
    assert one("a.jsonl", "\n".join(map(json.dumps, rows))).nested == {"tags", "meta"}
    file = io.BytesIO()
    columns = {"text": ["{1}", "[2]"], "tags": [["a"], None], "meta": [{"b": 1}, {"b": 2}]}
    pa.parquet.write_table(pa.table(columns), file)
    (read,) = read_source("a.parquet", file.getvalue())
    assert isinstance(read, Table)
    assert read.nested == {"tags", "meta"}
    assert json.loads(read.frame["meta"][1]) == {"b": 1}


TALK = [{"role": "user", "content": 'it\'s "so"\n[1} {2]'}, {"role": "assistant", "content": None, "score": -1.5e-07}]


@pytest.mark.parametrize("write", [json.dumps, repr, lambda talk: "[" + "\n ".join(map(repr, talk)) + "]"])
def test_cells_of_a_csv_that_are_lists_are_nested_whoever_wrote_them(write: Any) -> None:
    data = pd.DataFrame({"id": [1, 2], "messages": [write(TALK), write(TALK[:1])]}).to_csv(index=False)
    table = one("a.csv", data)
    assert table.nested == {"messages"}
    assert [json.loads(cell) for cell in table.frame["messages"]] == [TALK, TALK[:1]]


@pytest.mark.parametrize("cell", ["[1] as they say", "{name}, hello", "[sic]", "['a' + 'b']", "[f(1)]", "[1+1+1+1]"])
def test_cells_of_a_csv_that_only_begin_like_lists_are_texts(cell: str) -> None:
    table = one("a.csv", pd.DataFrame({"id": [1, 2], "text": [cell, cell]}).to_csv(index=False))
    assert table.nested == frozenset()
    assert table.frame["text"].tolist() == [cell, cell]


@pytest.mark.parametrize("cell", ["[" * 5000, "[" * 5000 + "]" * 5000, "[" + "-" * 50_000 + "1]", "{'a':" * 2000])
def test_cells_made_to_exhaust_a_parser_are_texts(cell: str) -> None:
    assert one("a.csv", pd.DataFrame({"id": [1], "text": [cell]}).to_csv(index=False)).frame["text"].tolist() == [cell]
