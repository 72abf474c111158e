import json
import re

import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from figures.report import Section, report_html

NASTY = "</script><img src=x onerror=alert(1)>&\"'"


def nasty_report() -> str:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name=NASTY, text=[NASTY, NASTY]), {"title": {"text": NASTY}})
    table = pd.DataFrame({NASTY: [NASTY]})
    return report_html(NASTY, [NASTY], [Section(NASTY, NASTY, figure, NASTY, table, NASTY)], NASTY)


def without_plotly_js(report: str) -> str:
    return report.replace(get_plotlyjs(), "")


def test_everything_a_user_typed_is_escaped() -> None:
    report = without_plotly_js(nasty_report())
    assert "<img" not in report
    assert report.count("</script>") == report.count("<script") == 3
    assert "&lt;img src=x onerror=alert(1)&gt;" in report


def test_plotly_is_inlined_once_whatever_the_number_of_figures() -> None:
    figure = go.Figure(go.Bar(y=[1]))
    report = report_html("t", [], [Section("a", figure=figure, alt="a"), Section("b", figure=figure, alt="b")])
    assert report.count(get_plotlyjs()) == 1


def test_nothing_is_fetched_from_the_network() -> None:
    report = without_plotly_js(nasty_report())
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", report)
    assert "default-src 'none'" in report


def test_a_figure_survives_the_way_into_the_report_and_has_an_alt_text() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name=NASTY))
    report = report_html("t", [], [Section("a", figure=figure, alt="Two points & a line")])
    found = re.search(r'<script type="application/json" id="figure-0">(.*?)</script>', report, re.DOTALL)
    assert found is not None
    assert json.loads(found.group(1))["data"][0]["name"] == NASTY
    assert 'role="figure" aria-label="Two points &amp; a line"' in report


def test_a_report_without_a_verdict_or_sections_is_a_whole_document() -> None:
    report = report_html("Nothing yet", [], [])
    assert report.startswith("<!doctype html>")
    assert report.rstrip().endswith("</html>")
    assert 'class="verdict"' not in report
