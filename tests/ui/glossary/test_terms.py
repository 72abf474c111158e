import doctest
import re
from pathlib import Path

import pytest

from ui.glossary import terms as glossary
from ui.glossary.terms import SECTIONS, term
from ui.widgets import words

ROOT = Path(__file__).parents[3]


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(glossary).failed == doctest.testmod(words).failed == 0


def test_every_term_has_an_anchor_of_its_own_and_a_sentence() -> None:
    terms = [each for section in SECTIONS.values() for each in section]
    assert len({each.anchor for each in terms}) == len(terms)
    assert all(each.text.endswith(".") for each in terms)
    assert all(re.fullmatch(r"[a-z0-9-]+", each.anchor) for each in terms)


def test_every_word_that_a_page_links_to_stands_in_the_glossary() -> None:
    linked = [
        found
        for folder in ("ui", "pages")
        for path in (ROOT / folder).rglob("*.py")
        for found in re.findall(r'\bterm\("([^"]+)"', path.read_text(encoding="utf-8"))
    ]
    assert linked
    assert all(term(name) for name in linked)
    with pytest.raises(KeyError):
        term("a word of nobody")
