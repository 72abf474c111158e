"""Coloured documents: nothing in them is markup, and a stronger colour is a greater change."""

import re
from typing import Any

import pytest

from figures.theme import luminance
from ui.understand.token_colours import (
    GAINED,
    LOST,
    MOST_PIECES,
    STRONGEST,
    document_html,
    legend_html,
    most_lost_html,
    scale_of,
    shade,
)

BACKGROUNDS = {"light": ("#fdfcf9", "#26231e"), "dark": ("#171613", "#ece8de")}
"""Of .streamlit/config.toml, each with its text."""


def piece(text: str, change: float = -1.0, is_target: bool = True, instead: str = "") -> dict[str, Any]:
    return {
        "text": text, "change": change, "is_target": is_target, "before": 0.5, "after": 0.02, "instead": instead,
    }  # fmt: skip


def alpha(change: float, scale: float = 3.0) -> float:
    return float(shade(change, scale).rpartition(",")[2].rstrip(")"))


def test_a_document_of_scripts_and_quotes_stays_text() -> None:
    evil = '<script>alert("x")</script>\' onmouseover="y" &amp;'
    pieces = [piece(evil, is_target=False), piece(evil, instead=evil)]
    for html in (document_html(pieces, 3.0), most_lost_html(pieces, 3.0)):
        tags = set(re.findall(r"<(/?\w+)", html))
        assert tags <= {"div", "/div", "span", "/span", "p", "/p"}
        assert "&lt;script&gt;" in html
        for tag in re.findall(r"<[^>]*>", html):
            assert re.fullmatch(r'</?\w+(?: (?:style|title)="[^"<>]*")*>', tag), tag
    assert "&amp;amp;" in document_html(pieces, 3.0)


def test_white_space_is_shown_and_what_would_turn_the_text_around_is_not() -> None:
    html = document_html([piece("a\n\tb\u202ec")], 3.0)
    assert "a↵\n⇥\tb\ufffdc" in html
    assert "white-space:pre-wrap" in html


def test_chinese_and_emoji_are_whole() -> None:
    html = document_html([piece("图书馆"), piece("👩\u200d🚀")], 3.0)
    assert "图书馆" in html
    assert "👩\u200d🚀" in html


def test_a_stronger_colour_is_a_greater_change_up_to_the_scale() -> None:
    for sign in (-1, 1):
        found = [alpha(sign * change) for change in (0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 9.0)]
        assert found == sorted(found)
        assert len(set(found[:-1])) == 6
        assert found[-1] == found[-2] == STRONGEST
    assert shade(-1.0, 3.0).startswith(f"rgba({','.join(map(str, LOST))},")
    assert shade(1.0, 3.0).startswith(f"rgba({','.join(map(str, GAINED))},")


@pytest.mark.parametrize("theme", BACKGROUNDS)
@pytest.mark.parametrize("colour", [LOST, GAINED])
def test_text_on_the_strongest_colour_has_the_contrast_that_text_needs(
    theme: str, colour: tuple[int, int, int]
) -> None:
    ground, text = ([int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in BACKGROUNDS[theme])
    mixed = [STRONGEST * c + (1 - STRONGEST) * g for c, g in zip(colour, ground, strict=True)]
    lighter, darker = sorted((luminance(mixed), luminance(text)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_the_scale_holds_all_but_a_twentieth_of_the_scored_tokens() -> None:
    pieces = [piece("x", 0.4) for _ in range(99)] + [piece("x", 9.0), piece("x", 50.0, is_target=False)]
    assert scale_of(pieces) == 0.5
    assert scale_of([piece("x", -2.5)]) == 3.0
    assert scale_of([piece("x", 400.0)]) == 10.0
    assert scale_of([]) == 0.5


def test_the_legend_names_its_ends_and_has_the_colours_of_the_document() -> None:
    html = legend_html(3.0)
    assert "≤ −3" in html
    assert "≥ +3" in html
    assert shade(-3.0, 3.0) in html
    assert shade(3.0, 3.0) in html


def test_what_is_only_read_has_no_colour_and_numbers_stand_at_a_scored_token() -> None:
    read, scored = document_html([piece("Q", is_target=False)], 3.0), document_html([piece("A", instead=" the")], 3.0)
    assert "background" not in read
    assert 'title="−1.00 nats: 50\u202f% before, 2\u202f% after; the later model would say “the”"' in scored


def test_a_part_of_a_character_is_named_and_not_drawn() -> None:
    assert "a part of a character" in document_html([piece("A", instead="\ufffd")], 3.0)


def test_the_most_lost_tokens_come_first_with_what_stands_before_them() -> None:
    pieces = [piece("The ", -0.1), piece("oak", -3.0), piece(" is", 1.0)]
    html = most_lost_html(pieces, 3.0)
    assert html.index(">oak<") < html.index(">The <")
    assert "… The </span>" in html
    assert "> is<" not in html
    assert most_lost_html([piece("x", 1.0)], 3.0) == ""


def test_of_a_very_long_document_the_rest_is_counted() -> None:
    assert "and 7 more tokens" in document_html([piece("x")] * (MOST_PIECES + 7), 3.0)
