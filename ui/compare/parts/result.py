"""The result at a glance: four figures, one sentence, learning against keeping, and the strategies beside it."""

from collections.abc import Callable, Sequence
from html import escape

import streamlit as st

from figures.theme import SCORES, brief_labels
from ui.compare import table_words, words
from ui.compare.beside import beside_view
from ui.compare.compared_runs import Comparison
from ui.compare.drawn import styles_of
from ui.compare.headline import Figure, four_figures, headline, in_full
from ui.compare.parts.shared import drawn_sections
from ui.compare.sections import front, keeping_section
from ui.compare.strategy_table import strategy_headings, strategy_rows
from ui.compare.tables import MEASURE_COLUMNS, column_helps, summary_helps, summary_view
from ui.widgets.html_table import table_html
from ui.widgets.live_chart import live_chart
from ui.widgets.tables import name_width, row_height
from ui.widgets.text import plain

_LOW_PIXELS = 200
"""A figure that has nothing to show but a sentence is no higher."""
_STYLE = """<style>
.compare-figures { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 0.6rem; }
.compare-figures > div { border: 1px solid rgba(128, 128, 128, 0.3); border-radius: 0.5rem; padding: 0.5rem 0.8rem;
  font-size: 0.875rem; line-height: 1.35; overflow-wrap: anywhere; }
.compare-figures .name, .compare-figures .note { opacity: 0.8; }
.compare-figures .value { font-size: 1.75rem; line-height: 1.3; font-weight: 600; font-variant-numeric: tabular-nums; }
.compare-figures .unit { font-size: 0.875rem; font-weight: 400; opacity: 0.8; }
.st-key-compare_verdict h2 { font-size: 1.2rem; padding: 0.2rem 0; }
.st-key-compare_verdict [data-testid=stMarkdownContainer] { margin-bottom: 0; }
.st-key-compare_tabs h3 { font-size: 1rem; padding: 0.2rem 0; }
@media (max-width: 900px) {
  .compare-figures { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .compare-figures > div { padding: 0.4rem 0.6rem; }
  .compare-figures .value { font-size: 1.3rem; }
}
@media (max-width: 640px) {
  .st-key-page_head:has(.st-key-compare_head) { flex-direction: column; align-items: stretch; }
  .st-key-compare_head { justify-content: flex-start !important; }
}
</style>"""


def show_headline(comparison: Comparison, link: Callable[[], None]) -> None:
    """Draw the four figures and the sentence; `link` leads to the models."""
    figures = four_figures(comparison)
    st.html(figures_html(figures))
    with st.container(key="compare_verdict", horizontal=True, vertical_alignment="center", gap="medium"):
        st.markdown(f"## {plain(headline(comparison))}", width="stretch")
        if figures:
            with st.popover(words.IN_FULL, icon=":material/notes:", type="tertiary"):
                for sentence in in_full(comparison):
                    st.markdown(plain(sentence))
        link()


def figures_html(figures: Sequence[Figure]) -> str:
    """The four figures side by side, two by two on a phone."""
    return f'{_STYLE}<div class="compare-figures" role="list">{"".join(map(_figure_html, figures))}</div>'


def _figure_html(figure: Figure) -> str:
    unit = f' <span class="unit">{escape(figure.unit)}</span>' if figure.unit else ""
    notes = "".join(f'<div class="note">{escape(note)}</div>' for note in figure.notes)
    return (
        f'<div role="listitem" title="{escape(figure.help)}"><div class="name">{escape(figure.name)}</div>'
        f'<div class="value">{escape(figure.value)}{unit}</div>{notes}</div>'
    )


def show_result(key: str, comparison: Comparison, drawn: Sequence[str]) -> None:
    """Draw the figure with the table of strategies beside it, and under both all measures, folded."""
    left, right = st.columns(2, gap="medium")
    with left, st.container(key="compare_figures"):
        what = f"keeping {sorted(drawn)}"
        for section in drawn_sections(key, what, lambda: [keeping_section(comparison, drawn)]):
            st.markdown(f"### {plain(section.title)}", help=section.text)
            tall = section.height * 3 // 2 if section.height > _LOW_PIXELS else None
            live_chart(section.figure, "compare_chart_keeping", section.height, tall_height=tall)
    with right:
        styles = styles_of(comparison, drawn)
        headings, rows = strategy_headings(comparison.score), strategy_rows(comparison, styles)
        st.html(table_html(headings, rows, words.TABLE_ALT))
        style = SCORES[comparison.score]
        st.caption(words.about_the_table(style.unit, style.lower_is_better))
    measures = st.expander(words.ALL_MEASURES, key="compare_all_measures", on_change="rerun")
    if measures.open:
        with measures:
            _show_measures(comparison)


def _show_measures(comparison: Comparison) -> None:
    measures, score = tuple(MEASURE_COLUMNS), comparison.score
    st.caption(words.means(SCORES[score].title))
    brief = brief_labels(comparison.table["configuration"])
    view = summary_view(comparison.table, front(comparison), score, measures, comparison.verdict)
    view[table_words.STRATEGY] = view[table_words.STRATEGY].map(brief)
    helps = {table_words.FRONT: words.FRONT_HELP, table_words.SEEDS: words.SEEDS_HELP}
    helps |= column_helps(comparison.table, score, measures) | summary_helps()
    _show_table(view, helps, "compare_summary", words.MEASURES_ALT)
    kept = beside_view(comparison.runs, comparison.beside.general, comparison.beside.guards, score)
    if len(kept):
        st.markdown(f"### {table_words.BESIDE}", help=words.BESIDE_HELP)
        kept[table_words.STRATEGY] = kept[table_words.STRATEGY].map(brief)
        _show_table(kept, table_words.BESIDE_HELPS, "compare_beside", words.BESIDE_ALT)


def _show_table(view: "object", helps: dict[str, str], key: str, alt: str) -> None:
    names = view[table_words.STRATEGY]  # type: ignore[index]
    strategy = st.column_config.TextColumn(pinned=True, width=name_width(names), help=words.STRATEGY_HELP)
    columns = {title: st.column_config.TextColumn(help=text, alignment="right") for title, text in helps.items()}
    st.dataframe(
        view, key=key, row_height=row_height(names), height="content", hide_index=True, alt=alt,
        column_config={table_words.STRATEGY: strategy, **columns},
    )  # fmt: skip
