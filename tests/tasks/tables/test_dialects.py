"""Delimited tables as they come: titles, headers or none, quotation marks that are text, columns without content."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.errors import TaskError
from engine.tasks.files.contents import ReadingOptions, Table, TableReading
from engine.tasks.readers import read_source

TOPICS = ("lamp", "kettle", "bicycle", "scarf", "router", "notebook", "chair", "tent")
SENTENCES = [f"my {TOPICS[i % 8]} from order {1000 + i} has not arrived in Lyon yet" for i in range(40)]


def table(name: str, data: str | bytes, **options: object) -> Table:
    encoded = data.encode() if isinstance(data, str) else data
    (content,) = read_source(name, encoded, ReadingOptions(**options))  # type: ignore[arg-type]
    assert isinstance(content, Table)
    return content


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def test_delimiters_at_the_ends_of_rows_are_cut_off() -> None:
    read = table("a.csv", lines("text,label", *(f"{sentence},delivery," for sentence in SENTENCES)))
    assert read.frame.to_dict("list") == {"text": SENTENCES, "label": ["delivery"] * 40}
    assert read.left_out == read.remarks == ()


def test_a_tsv_file_with_commas_is_read_at_its_commas() -> None:
    read = table("a.tsv", lines("text,label", *(f'"{sentence}",delivery' for sentence in SENTENCES)))
    assert (read.delimiter, read.frame["text"].tolist()) == (",", SENTENCES)


def test_tabs_come_first_in_a_tsv_file() -> None:
    read = table("a.tsv", lines("text\tlabel", "one, two\ta", "three, four\tb"))
    assert read.frame["text"].tolist() == ["one, two", "three, four"]


def test_an_index_without_a_name_leaves_the_header_a_header() -> None:
    rows = (f'{i},"{sentence}, please help"' for i, sentence in enumerate(SENTENCES))
    read = table("a.csv", lines(",text", *rows))
    assert list(read.frame.columns) == ["column 1", "text"]
    assert read.frame["text"].tolist() == [f"{sentence}, please help" for sentence in SENTENCES]


def test_an_index_that_the_header_leaves_out_gets_a_column() -> None:
    read = table("a.tsv", lines("text\tlabel", "1\tone\ta", "2\ttwo\tb", "3\tthree\ta"))
    assert read.frame.to_dict("list") == {"column 1": ["1", "2", "3"], "text": ["one", "two", "three"],
                                          "label": ["a", "b", "a"]}  # fmt: skip


def test_columns_that_are_empty_from_top_to_bottom_are_gone() -> None:
    read = table("a.csv", lines("v1,v2,,,", *(f'ham,"{sentence}, please",,,' for sentence in SENTENCES)))
    assert list(read.frame.columns) == ["v1", "v2"]
    assert len(read.frame) == 40


def test_a_column_with_a_name_or_a_cell_stays() -> None:
    read = table("a.csv", lines("text,note,,", "one,,,", "two,,,x"))
    assert list(read.frame.columns) == ["text", "note", "column 3"]
    assert read.frame["column 3"].tolist() == ["", "x"]


@pytest.mark.parametrize("name", ["Is it spam?", "Q&A", "text (English)", "How satisfied are you with our service?"])
def test_a_header_may_hold_punctuation(name: str) -> None:
    rows = [f"{1 + i % 5},{sentence}" for i, sentence in enumerate(SENTENCES)]
    assert list(table("a.csv", lines(f"{name},text", *rows)).frame.columns) == [name, "text"]


def test_columns_that_pandas_numbered_are_a_header() -> None:
    read = table("a.csv", lines(",0,1", "0,one,a", "1,two,b"))
    assert list(read.frame.columns) == ["column 1", "0", "1"]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
def test_a_line_that_names_the_delimiter_is_no_row(line: str) -> None:
    read = table("a.csv", lines(line, "text;n", "a, b;1", "c, d;2"))
    assert read.frame.to_dict("list") == {"text": ["a, b", "c, d"], "n": ["1", "2"]}
    assert read.frame.index.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("above", "said"),
    [
        (["Report of May"], 'The first line stands above the table and was left out: "Report of May".'),
        (["Report of May,,"], 'The first line stands above the table and was left out: "Report of May".'),
        (["Report, May"], 'The first line stands above the table and was left out: "Report May".'),
        (["Report", "for all"], 'The first 2 lines stand above the table and were left out: "Report"; "for all".'),
    ],
)
def test_titles_above_a_table_are_left_out_and_named(above: list[str], said: str) -> None:
    read = table("a.csv", lines(*above, "", "id,text,label", *(f"{i},{s},x" for i, s in enumerate(SENTENCES))))
    assert list(read.frame.columns) == ["id", "text", "label"]
    assert read.remarks == (said,)
    assert len(read.frame) == 40


def test_the_name_of_a_single_column_is_no_title() -> None:
    read = table("a.csv", lines("text", "Hello, world", "Fine, thanks", "Oh, well"))
    assert read.frame.to_dict("list") == {"text": ["Hello, world", "Fine, thanks", "Oh, well"]}


def test_a_first_line_that_is_one_more_message_is_a_row() -> None:
    read = table("a.csv", lines(*SENTENCES))
    assert read.frame.iloc[:, 0].tolist() == SENTENCES
    assert [one.header for one in read.alternatives] == [True]


@pytest.mark.parametrize("label", ["delivery", "question"])
def test_a_first_row_whose_label_returns_below_is_a_row(label: str) -> None:
    rows = [f"{label if i % 2 == 0 else 'payment'},{sentence}" for i, sentence in enumerate(SENTENCES)]
    assert len(table("a.csv", lines(*rows)).frame) == 40


def test_a_header_over_sentences_is_seen_without_a_usual_name() -> None:
    read = table("a.csv", lines("what they wrote", *SENTENCES))
    assert read.frame.to_dict("list") == {"what they wrote": SENTENCES}
    assert read.remarks == ()


def test_a_header_that_is_not_certain_is_said_and_can_be_decided() -> None:
    data = lines("apple,pear", "plum,cherry", "fig,grape")
    read = table("a.csv", data)
    assert read.reading == TableReading(",", True, True, 2, 2)
    assert read.remarks == (
        "The first row (apple, pear) was taken for the names of the columns; if it is a row, choose no header "
        "(header: false).",
    )
    assert TableReading(",", True, False, 3, 2) in read.alternatives
    decided = table("a.csv", data, header=False)
    assert decided.frame["column 1"].tolist() == ["apple", "plum", "fig"]
    assert decided.remarks == ()
    assert list(table("a.csv", lines(*SENTENCES), header=True).frame.columns) == [SENTENCES[0]]


def stray(first: int, second: int) -> str:
    """Rows of which two begin with a quotation mark."""
    marked = ['"' + s if i in (first, second) else s for i, s in enumerate(SENTENCES)]
    return lines("label\ttext", *(f"delivery\t{sentence}" for sentence in marked))


@pytest.mark.parametrize(("first", "second"), [(10, 13), (0, 1), (0, 39), (7, 7)])
def test_stray_quotation_marks_join_no_rows_and_are_kept(first: int, second: int) -> None:
    read = table("a.tsv", stray(first, second))
    assert len(read.frame) == 40
    assert read.frame["text"][first + 2] == '"' + SENTENCES[first]
    assert read.reading == TableReading("\t", False, True, 40, 2)
    assert len(table("a.tsv", stray(first, second), quotes=True).frame) < 40


def test_a_stray_quotation_mark_that_one_at_the_end_of_a_later_row_closes_joins_no_rows() -> None:
    data = lines("label\ttext", 'a\t"my lamp', "b\tmy scarf", 'c\tmy screen of 50"', "d\tmy tent")
    assert table("a.tsv", data).frame["text"].tolist() == ['"my lamp', "my scarf", 'my screen of 50"', "my tent"]


def test_stray_quotation_marks_between_quoted_cells_join_no_rows() -> None:
    read = table("a.csv", lines("n,text", '1,"fine, quoted"', '2,"stray', "3,ok", '4,"stray too', '5,"good, one"'))
    assert read.frame["text"].tolist() == ["fine, quoted", '"stray', "ok", '"stray too', "good, one"]
    assert read.frame.index.tolist() == [2, 3, 4, 5, 6]


def test_rows_that_quotation_marks_may_have_joined_are_named() -> None:
    read = table("a.csv", lines("text,label", '"Dear Tom,', 'thank you",a', "fine,b", "good,b"))
    assert read.frame["text"].tolist() == ["Dear Tom,\nthank you", "fine", "good"]
    assert read.remarks[0].startswith("Quotation marks join the lines 2 to 3 into one row each; if these lines are")
    assert TableReading(",", False, True, 4, 2) in read.alternatives


def test_quotation_marks_within_a_sentence_are_kept() -> None:
    read = table("a.csv", lines("text,n", '"Hello" she said,1', "bye,2"))
    assert read.frame["text"].tolist() == ['"Hello" she said', "bye"]
    mixed = table("a.csv", lines("text,n", '"Hello" she said,1', '"bye, now",2'))
    assert any("if the marks are text, let them be (quotes: false)" in remark for remark in mixed.remarks)


def test_quotation_marks_escaped_by_backslashes_are_read() -> None:
    read = table("a.csv", lines("text,n", r'"he said \"hi, you\" to me",1', '"x, y",2'))
    assert read.frame["text"].tolist() == ['he said "hi, you" to me', "x, y"]


def test_backslashes_before_the_end_of_a_cell_are_text() -> None:
    read = table("a.csv", lines("path,text", r'"C:\data\",one', r'"D:\",two'))
    assert read.frame["path"].tolist() == ["C:\\data\\", "D:\\"]


def test_missing_numbers_are_empty_and_words_like_them_are_not() -> None:
    read = table("a.csv", lines("text,n", "NaN,1", "hello,nan", "NA,None", "null,Nan"))
    assert read.frame["text"].tolist() == ["", "hello", "NA", "null"]
    assert read.frame["n"].tolist() == ["1", "", "None", "Nan"]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv"])
def test_unicode_text_of_excel_is_a_table(name: str) -> None:
    read = table(name, lines("text\tlabel", "grüß dich\ta", "bye\tb").encode("utf-16"))
    assert read.frame.to_dict("list") == {"text": ["grüß dich", "bye"], "label": ["a", "b"]}


def test_unicode_text_with_a_line_end_in_a_cell_is_a_table_and_other_text_is_none() -> None:
    rows = lines("text\tlabel", '"two\nlines"\ta', "bye\tb").encode("utf-16")
    assert table("a.txt", rows).frame["text"].tolist() == ["two\nlines", "bye"]
    (prose,) = read_source("a.txt", "one\ttwo\nand then some\n".encode("utf-16"))
    assert not isinstance(prose, Table)


def test_more_cells_than_names_get_columns_and_a_remark() -> None:
    read = table("a.csv", lines("a,b", *(f"{s},x,{s}" for s in SENTENCES)))
    assert list(read.frame.columns) == ["a", "b", "column 3"]
    assert any("more cells than the first row has names" in remark for remark in read.remarks)


def test_a_table_of_empty_cells_is_refused() -> None:
    with pytest.raises(TaskError, match=r"^a\.csv, line 1: the table has no cell with text"):
        read_source("a.csv", b",,,\n,,,\n")


def test_a_delimiter_that_can_not_be_one_is_refused() -> None:
    with pytest.raises(TaskError, match="can't stand between cells"):
        read_source("a.csv", b"a,b\n1,2\n", ReadingOptions(delimiter='"'))


def test_every_reading_offered_gives_what_it_says() -> None:
    data = lines("text;label,x", '"one, two";a', "three;b,c", "four;d,e")
    first = table("a.csv", data)
    assert 1 <= len(first.alternatives) <= 4
    for one in (first.reading, *first.alternatives):
        assert one is not None
        read = table("a.csv", data, delimiter=one.delimiter, quotes=one.quotes, header=one.header)
        assert read.reading == one
        assert read.frame.shape == (one.rows, one.columns)


CELLS = st.text(st.sampled_from("ab é图,;|\t\"'\n\\x1"), max_size=12)
ROWS = st.integers(2, 4).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=8))


def written(rows: list[list[str]], delimiter: str, quoting: int) -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(rows)
    return file.getvalue()


@settings(max_examples=300, deadline=None)
@given(ROWS, st.sampled_from(",;\t|"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_any_rectangular_table_reads_back_to_its_cells(
    rows: list[tuple[str, ...]], delimiter: str, quoting: int
) -> None:
    header = [f"name {i}" for i in range(len(rows[0]))]
    whole = [[f"x{i}", *row[1:]] for i, row in enumerate(rows)]  # rows of blanks alone are no rows
    read = table("a.csv", written([header, *whole], delimiter, quoting), delimiter=delimiter, quotes=True, header=True)
    assert list(read.frame.columns) == header
    assert read.frame.to_numpy().tolist() == whole


WORDS = st.lists(st.sampled_from(["lamp", "order,", "it's", '"quoted"', "a;b", "x|y", "late\nreply", "né"]), min_size=4)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, min_size=3, max_size=8), st.sampled_from(",;\t|"), st.booleans())
def test_any_table_of_sentences_under_usual_names_is_recognised(
    texts: list[list[str]], delimiter: str, quote_all: bool
) -> None:
    rows = [[str(i), " ".join(words), "yes"] for i, words in enumerate(texts)]
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    read = table("a.csv", written([["id", "text", "label"], *rows], delimiter, quoting))
    assert list(read.frame.columns) == ["id", "text", "label"]
    assert read.frame.to_numpy().tolist() == rows
