"""Guards: how an answer is compared with what it must be."""

from hypothesis import given
from hypothesis import strategies as st

from engine.guards.guard import Guard, normalised


def test_answers_are_compared_in_one_stated_form() -> None:
    guard = Guard(prompt="a", equals="The  Answer\n is x²")
    assert guard.accepts(" the answer is X2 ")
    assert not guard.accepts("the answer is x2.")
    assert Guard(prompt="a", contains="IS").accepts("this")
    assert Guard(prompt="a", matches="^[0-9]+$").accepts("42")
    assert Guard(prompt="a", matches="[0-9]+").accepts("it is 42.")
    assert not Guard(prompt="a", matches="^[0-9]+$").accepts("42\n43 x")


@given(st.text())
def test_the_form_is_one_that_stays(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_a_pattern_that_would_hang_a_backtracking_search_does_not() -> None:
    assert not Guard(prompt="a", matches="(a*)*b").accepts("a" * 50_000)
