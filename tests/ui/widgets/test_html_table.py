"""A table as HTML."""

import re

from ui.widgets.html_table import STYLE, Cell, Heading, table_html

NASTY = "</td><script>alert(1)</script>&\"'"


def table() -> str:
    headings = [Heading("Strategy", is_number=False), Heading("Kept", NASTY), Heading("Time", narrowest=640)]
    rows = [[Cell(NASTY, mark="#112233"), Cell("91 %", "± 2", is_best=True), Cell("8 s")]]
    return table_html(headings, rows, NASTY).removeprefix(STYLE)


def test_whatever_is_in_a_table_is_text() -> None:
    assert "<script" not in table()
    assert table().count("&lt;/td&gt;&lt;script&gt;") == 3, "in the label, in a help text and in a cell"


def test_numbers_are_on_the_right_the_best_is_bold_and_what_is_wide_goes_first() -> None:
    assert '<td class="number best">91 %<span class="from-400"> ± 2</span></td>' in table()
    assert '<td class="number from-640">8 s</td>' in table()
    assert re.search(r'<th scope="row"><span class="mark" style="background: #112233"></span>', table())
