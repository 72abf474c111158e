"""Whatever users type is shown by a reader of Markdown as these characters, and is nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from engine.cards.markdown import LONGEST, listed, literal, table

NASTY = (
    "](http://evil)", "<script>alert(1)</script>", "a|b", "|", "a\\|b", "\\", "---", "line\nbreak", "`", "``a`", "a`",
    "# title", "**bold**", "![x](y)", "http://evil.example", "me@evil.example", "&lt;b&gt;", "$x$", ":smile:", "",
    "- item", "\u202eabc", "中文 名", "{{ x }}", "| --- |", "a\\\\|b", "\n\n---\nlicense: mit", "\t",
)  # fmt: skip
WORD_JOINER = "\u2060"
typed = st.text(st.sampled_from("`|\\<>[]()*_#-:&$ \n\tab中\u202e"), max_size=30) | st.sampled_from(NASTY)


def inline(markdown: str) -> list[list[Token]]:
    """The inline parts of every block, in order."""
    blocks = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [block.children or [] for block in blocks if block.type == "inline"]


def seen(text: str) -> str:
    """The characters that a reader may see of a text: one line, and nothing that turns it round."""
    return " ".join(text.replace("\u202e", "\ufffd").split()) or " "


@given(typed)
def test_a_text_is_one_code_span_of_its_own_characters(text: str) -> None:
    for before, after in (("# ", ""), ("- ", ": more"), ("of ", " and `b`.")):
        (parts,) = inline(f"{before}{literal(text)}{after}\n")
        spans = [part.content for part in parts if part.type != "text"]
        assert all(part.type in ("text", "code_inline") for part in parts)
        assert (spans[0].strip() or " ") == (seen(text).strip() or " ")


@given(st.lists(typed, min_size=2, max_size=2))
def test_a_cell_holds_its_text_and_a_row_its_cells_whatever_they_hold(texts: list[str]) -> None:
    parts = inline(table(("Name", "Other"), [[literal(text) for text in texts]] * 2) + "\n")
    assert len(parts) == 2 + 4
    for part, text in zip(parts[2:], texts * 2, strict=True):
        (span,) = (each for each in part if each.type != "text")
        assert span.type == "code_inline"
        assert (span.content.replace(WORD_JOINER, "").strip() or " ") == (seen(text).strip() or " ")


def test_columns_of_numbers_stand_on_the_right_and_bold_cells_stay_cells() -> None:
    made = table(("After", "`a`"), [["**stage 1 (`a`)**", "**1.2345**"]])
    assert made.splitlines()[1] == "| --- | ---: |"
    cells = [[part.type for part in cell if part.type != "text"] for cell in inline(made)[2:]]
    assert cells == [["strong_open", "code_inline", "strong_close"], ["strong_open", "strong_close"]]


@pytest.mark.parametrize(("text", "span"), [("a", "`a`"), ("`", "`` ` ``"), ("a`b", "``a`b``"), ("a``", "``` a`` ```")])
def test_the_fence_is_longer_than_any_run_of_backticks(text: str, span: str) -> None:
    assert literal(text) == span


def test_a_long_text_loses_its_middle() -> None:
    assert len(literal("x" * 10 * LONGEST)) < LONGEST + 10


def test_several_texts_stand_with_commas_between_them() -> None:
    assert listed(["a", "b|"]) == "`a`, `b|`"
