"""Tables: dialects, quoting, broken rows by line, JSON of every shape, Parquet, and which columns are learnt."""

import io

import pandas as pd
import pytest

from engine.common.errors import TaskError
from engine.tasks.files.contents import Table, explain_left_out
from engine.tasks.readers import read_source


def table(name: str, data: str | bytes) -> Table:
    (content,) = read_source(name, data.encode() if isinstance(data, str) else data)
    assert isinstance(content, Table)
    return content


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised(delimiter: str) -> None:
    rows = [["text", "label"], ["Hello there.", "a"], ["How are you?", "b"]]
    read = table("a.csv", "\r\n".join(delimiter.join(row) for row in rows) + "\r\n")
    assert read.delimiter == delimiter
    assert read.frame.to_dict("list") == {"text": ["Hello there.", "How are you?"], "label": ["a", "b"]}


def test_semicolons_between_and_commas_within_cells_are_kept_apart() -> None:
    read = table("a.csv", "text;price\nWell, well, well;1,50\nYes, sir;2,00\n")
    assert read.frame["text"].tolist() == ["Well, well, well", "Yes, sir"]


def test_quoted_line_breaks_quotes_and_crlf_are_read_and_rows_keep_their_line_numbers() -> None:
    read = table("a.csv", 'text,label\r\n"two\r\nlines, ""quoted""",x\r\nnext,y\r\n')
    assert read.frame["text"].tolist() == ['two\nlines, "quoted"', "next"]
    assert read.frame.index.tolist() == [2, 4]


def test_a_cell_of_200_kb_is_read_whole() -> None:
    long = "word " * 40_000
    assert table("a.csv", f'text,n\n"{long}",1\n').frame["text"].tolist() == [long]


def test_rows_with_other_numbers_of_cells_are_left_out_and_counted_by_reason_and_line() -> None:
    read = table("a.csv", "text,label\ngood,1\nbad\nworse,1,2\ngood too,2\nbad again\n")
    assert read.frame["text"].tolist() == ["good", "good too"]
    assert explain_left_out(read.left_out) == (
        "3 rows were left out: 1 cell where the header has 2 (line 3, line 6); 3 cells where the header has 2 (line 4)."
    )


def test_a_quotation_mark_that_never_closes_is_reported_with_its_line() -> None:
    read = table("a.csv", 'text,n\nfine,1\n"open, wide,2\nlost,3\n')
    assert read.frame["text"].tolist() == ["fine"]
    assert explain_left_out(read.left_out) == (
        "1 row was left out: a quotation mark opens and never closes (from line 3)."
    )


def test_quotation_marks_are_plain_characters_in_a_table_that_never_quotes() -> None:
    read = table("a.tsv", 'text\tn\n"Open the door\t1\nHe said yes\t2\n')
    assert read.frame["text"].tolist() == ['"Open the door', "He said yes"]


def test_a_single_column_with_commas_in_its_sentences_stays_whole() -> None:
    read = table("a.csv", "text\nHello, world\nYes, no, maybe\nFine\n")
    assert read.frame["text"].tolist() == ["Hello, world", "Yes, no, maybe", "Fine"]


def test_leading_blanks_of_cells_are_kept() -> None:
    assert table("a.csv", "prompt,completion\nWhy?, Because.\n").frame["completion"].tolist() == [" Because."]


def test_a_first_row_of_data_is_not_taken_for_a_header() -> None:
    read = table("a.csv", '"I am waiting, still!",1\n"Where is it?",2\n')
    assert list(read.frame.columns) == ["column 1", "column 2"]
    assert len(read.frame) == 2


def test_nameless_and_repeated_columns_get_names_of_their_own() -> None:
    assert list(table("a.csv", ",text,text\n0,a,b\n").frame.columns) == ["column 1", "text", "text (2)"]


def test_jsonl_reports_broken_lines_by_number_and_keeps_the_rest() -> None:
    read = table("a.jsonl", '{"text": "one"}\n\n{"text": "two"\n"three"\n[1]\n{"text": "line\u2028separator"}\n')
    assert read.frame["text"].tolist() == ["one", "three", "line\u2028separator"]
    assert read.frame.index.tolist() == [1, 4, 6]
    assert [left.where for left in read.left_out] == ["line 3", "line 5"]


def test_json_lists_of_objects_and_of_texts_are_read() -> None:
    assert table("a.json", '[{"text": "a", "n": 1}, {"text": "b"}]').frame.to_dict("list") == {
        "text": ["a", "b"], "n": ["1", ""],
    }  # fmt: skip
    assert table("a.json", '["a", "b"]').frame["text"].tolist() == ["a", "b"]
    assert table("a.json", '{"version": 2, "data": [{"text": "a"}]}').frame["text"].tolist() == ["a"]
    assert table("a.json", '{"text": "a"}\n{"text": "b"}\n').frame["text"].tolist() == ["a", "b"]


def test_parquet_is_read_with_every_cell_as_text() -> None:
    file = io.BytesIO()
    pd.DataFrame({"text": ["a", None], "n": [1, 2], "tags": [["x"], []]}).to_parquet(file)
    read = table("a.parquet", file.getvalue())
    assert read.frame.to_dict("list") == {"text": ["a", ""], "n": ["1", "2"], "tags": ['["x"]', "[]"]}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", "text,label\n", r"^a\.csv, line 1: there is a header \(text, label\) but no row below it; add"),
        ("a.csv", "text,label\nx\n", r"^a\.csv, line 2: no row can be used.*1 cell where the header has 2"),
        ("a.csv", '"open\n', r"^a\.csv, line 1: a quotation mark opens and never closes"),
        ("a.jsonl", "{broken\n", r"^a\.jsonl, line 1: .*each line must be a JSON object"),
        ("a.jsonl", "\n\n[1, 2]x\n", r"^a\.jsonl, line 3, column 7: this is not valid JSON"),
        ("a.json", '[\n{"text": "a",}\n]', r"^a\.json, line 2, column \d+: this is not valid JSON"),
        ("a.json", "[]", r"^a\.json: the list is empty"),
        ("a.json", "3", r"^a\.json: expected a list"),
        ("a.json", "[1, 2]", r"^a\.json, item 1: a number where an object or a text is expected"),
        ("a.json", "[" * 100_000, r"^a\.json, line 1.*: this is not valid JSON"),
        ("a.parquet", "no parquet", r"^a\.parquet: this is not a whole Parquet file"),
        ("a.parquet", "", r"^a\.parquet: the file is empty"),
        ("a.docx", "x", r"^a\.docx: this is a Word document \(\.docx\), which can't be read; open it and save it as"),
    ],
)  # fmt: skip
def test_a_bad_table_gets_one_sentence_with_file_and_place(name: str, data: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        read_source(name, data.encode())


def test_a_parquet_table_without_rows_says_so() -> None:
    file = io.BytesIO()
    pd.DataFrame({"text": pd.Series([], dtype=str)}).to_parquet(file)
    with pytest.raises(TaskError, match=r"a\.parquet: the table has 1 column but no row"):
        read_source("a.parquet", file.getvalue())
