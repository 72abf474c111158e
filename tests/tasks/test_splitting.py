"""Where documents end, and which side of a task each one falls on."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from engine.common.errors import TaskError
from engine.tasks import splitting
from engine.tasks.documents import Document, Turn
from engine.tasks.files.contents import Text
from engine.tasks.splitting import divide, document_key, resolve_split, split_text


def text(content: str, format: str = "txt", name: str = "a.txt") -> Text:
    return Text(name, content, "utf-8", "valid UTF-8", format=format)


def documents(*texts: str) -> list[Document]:
    return [Document(t) for t in texts]


def test_each_split_cuts_at_its_own_separator() -> None:
    content = "one\ntwo\n\nthree\n\n\n  four\n \n\nfive\n"
    assert split_text(content, "line") == ["one", "two", "three", "  four", "five"]
    assert split_text(content, "blank line") == ["one\ntwo", "three", "  four", "five"]
    assert split_text(content, "two blank lines") == ["one\ntwo\n\nthree", "  four", "five"]
    assert split_text(content, "file") == [content.rstrip()]


def test_only_line_feeds_end_lines() -> None:
    assert split_text("a\x0bb\x0cc\u2028d\x85e", "line") == ["a\x0bb\x0cc\u2028d\x85e"]


@pytest.mark.parametrize(
    ("content", "split"),
    [
        ("a\nb\nc\n", "line"),
        ("a\nb\n\nc\nd\n\ne\n", "blank line"),
        ("# one\n\nstep\n\nstep\n\n\n# two\n\nstep\n\n\n# three\n\nstep\n", "two blank lines"),
        ("".join(f"speech {i}\n\n" for i in range(1000)) + "\n\n" + "act two\n\n\n\nend", "blank line"),
        ("".join(f"line {i}\n" for i in range(5000)) + "\nstray gap\n", "line"),
    ],
)
def test_auto_takes_the_widest_separator_that_runs_through_the_text(content: str, split: str) -> None:
    assert resolve_split([text(content)], "auto").text == split


def test_several_markdown_files_are_a_document_each_and_a_lone_one_is_cut() -> None:
    one = text("---\ntitle: x\n---\n\nfirst\n\nsecond", "md")
    assert resolve_split([one, one], "auto").of(one) == "file"
    assert resolve_split([one], "auto").of(one) == "blank line"
    assert split_text(one.text, "file")[0].startswith("---\ntitle: x\n---")


def test_a_text_can_not_be_cut_into_rows() -> None:
    with pytest.raises(TaskError, match=r"a\.txt: a text has no table rows"):
        resolve_split([text("a")], "row")


def test_the_held_out_side_is_the_same_for_the_same_seed_whatever_the_order() -> None:
    many = documents(*(f"document {i}" for i in range(50)))
    first, reversed_ = divide("t", many, None, 0.1, 0), divide("t", many[::-1], None, 0.1, 0)
    assert len(first.held_out) == 5
    assert len(first.train) == 45
    assert set(first.held_out) == set(reversed_.held_out)
    assert set(first.held_out) != set(divide("t", many, None, 0.1, 1).held_out)
    assert list(first.train) == [d for d in many if d in set(first.train)]


def test_a_share_is_rounded_and_leaves_a_document_on_each_side() -> None:
    wanted = [(10, 0.2, 2), (10, 0.24, 2), (10, 0.26, 3), (10, 0.01, 1), (10, 0.99, 9), (2, 0.9, 1)]
    for count, share, held_out in wanted:
        division = divide("t", documents(*(f"document {i}" for i in range(count))), None, share, 0)
        assert (len(division.train), len(division.held_out)) == (count - held_out, held_out)


def test_repeated_documents_stand_on_one_side_once() -> None:
    division = divide("t", documents("a", "b", "a", " a\n", "c"), None, 0.5, 0)
    both = [d.text for d in division.train + division.held_out]
    assert sorted(both) == ["a", "b", "c"]
    assert division.repeated == 2


def test_what_the_held_out_files_hold_is_not_trained_on() -> None:
    division = divide("t", documents("a", "b", "c"), documents("b ", "d", "d"), 0.1, 0)
    assert [d.text for d in division.train] == ["a", "c"]
    assert [d.text for d in division.held_out] == ["b ", "d"]
    assert (division.repeated, division.on_both_sides) == (1, 1)


def test_the_same_text_after_another_prompt_is_another_document() -> None:
    division = divide("t", [Document("yes", "a?"), Document("yes", "b?")], None, 0.5, 0)
    assert len(division.train) == len(division.held_out) == 1


@pytest.mark.parametrize(
    ("train", "held_out", "message"),
    [
        ([], None, "there is no text to train on"),
        (["a"], None, "all of the text is one document, so nothing can be held out"),
        (["a", "a", " a"], None, "all 3 documents are the same text, so nothing can be held out"),
        (["a"], [], "the held-out files hold no text"),
        (["a", "b"], ["b", "a"], "every training document also stands in the held-out files"),
    ],
)
def test_a_side_that_would_be_empty_is_refused(train: list[str], held_out: list[str] | None, message: str) -> None:
    with pytest.raises(TaskError, match=f"^t: {message}"):
        divide("t", documents(*train), None if held_out is None else documents(*held_out), 0.1, 0)


@given(some.lists(some.text(min_size=1), min_size=2, max_size=30), some.floats(0.01, 0.99), some.integers(0, 5))
def test_no_document_is_lost_or_stands_on_both_sides(texts: list[str], share: float, seed: int) -> None:
    distinct = {" ".join(t.split()) for t in texts}
    if len(distinct) < 2:
        return
    division = divide("t", documents(*texts), None, share, seed)
    keys = [" ".join(d.text.split()) for d in division.train + division.held_out]
    assert sorted(keys) == sorted(distinct)
    assert division.train
    assert division.held_out


def test_a_long_document_counts_as_the_same_in_every_white_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_STRETCH", 7)
    for text in (
        "one two  three\nfour five six seven",
        "x" * 50,
        " " * 40 + "a" + "\u3000\x1f" * 20,
        "a b " * 30 + "c",
    ):
        assert document_key(Document(text, text)) == (" ".join(text.split()),) * 2


def test_a_pair_and_the_same_pair_as_a_conversation_are_one_document() -> None:
    pair = Document("Rain.", "What is it?")
    chat = Document.conversation((Turn("user", "What  is it?"), Turn("assistant", "Rain.")))
    other = Document("Snow.", "And now?")
    for one, two in ((pair, chat), (chat, pair)):
        division = divide("a", [one, other], [two], 0.1, 0)
        assert (division.train, division.held_out, division.on_both_sides) == ((other,), (two,), 1)
    for seed in range(9):
        assert divide("a", [pair, chat, other], None, 0.5, seed).repeated == 1
