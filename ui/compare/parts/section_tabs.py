"""The further questions behind the result, a tab each; what stands in a tab is made once it is open."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from engine.results.clipping_words import clipping_sentences
from engine.results.comparison import configuration_differences, configuration_settings
from engine.store import Store
from figures.report import Section
from figures.theme import brief_labels
from ui.compare import table_words, words
from ui.compare.compared_runs import Comparison, Everything, run_name
from ui.compare.drawn import choose_drawn
from ui.compare.orders_view import show_orders
from ui.compare.parts.result import show_result
from ui.compare.parts.shared import drawn_sections
from ui.compare.sections import cost_sections, lost_sections, matrix_sections, varied_sections
from ui.compare.tables import (
    NOTHING,
    RUN_MEASURES,
    column_helps,
    runs_view,
    settings_view,
    written_runs,
)
from ui.widgets.live_chart import live_chart
from ui.widgets.tables import name_width, row_height
from ui.widgets.text import plain

_KEY = "compare_section"
# On a phone the wide figures are scrolled sideways instead of being squeezed until nothing can be read.
_WIDE = """<style>
@media (max-width: 640px) {
  .st-key-compare_wide { overflow-x: auto; }
  .st-key-compare_wide .palimpsest-chart { min-width: 820px; }
  .st-key-compare_wide::before {
    content: "SWIPE"; position: sticky; left: 0; font-size: 0.875rem;
  }
}
</style>""".replace("SWIPE", words.SWIPE)


@dataclass(frozen=True)
class Compared:
    """All that the tabs show."""

    store: Store
    key: str
    every: Everything
    comparison: Comparison
    show_downloads: Callable[[], None]
    """Draws what is to be taken home."""
    duplicate: Callable[[str, str], None]
    """Draws the link that duplicates a run, by the ids of its experiment and its own."""


@st.fragment
def show_tabs(shown: Compared) -> None:
    """Draw the row of tabs and what stands in the open one; another is opened without the rest of the page."""
    for name, tab in zip(words.TABS, st.tabs(list(words.TABS), key=_KEY, on_change="rerun"), strict=True):
        if tab.open:
            with tab:
                _show(name, shown)


def _show(name: str, shown: Compared) -> None:
    comparison = shown.comparison
    if name == words.VARIED:
        _show_varied(shown)
    elif name == words.SETTINGS:
        _show_settings(comparison)
    elif name == words.RUNS:
        _show_runs(shown)
    elif name == words.DOWNLOADS:
        shown.show_downloads()
    else:
        drawn = choose_drawn(comparison)
        if name == words.RESULT:
            show_result(shown.key, comparison, drawn)
            show_orders(comparison)
        else:
            make = {words.MATRICES: matrix_sections, words.LOSSES: lost_sections, words.COST: cost_sections}[name]
            _show_figures(shown, f"{name} {drawn}", partial(make, comparison, drawn))


def _show_figures(shown: Compared, what: str, make: Callable[[], Iterable[Section]]) -> None:
    """Draw sections, each a caption and a figure; the heading is said where there are several."""
    found = drawn_sections(shown.key, what, make)
    st.html(_WIDE)
    for number, section in enumerate(found):
        if len(found) > 1:
            st.markdown(f"### {plain(section.title)}")
        if not number:
            st.caption(plain(section.text))
        with st.container(key=f"compare_wide_{number}" if number else "compare_wide"):
            live_chart(section.figure, f"compare_chart_{what.split()[0]}_{number}", section.height)


def _show_varied(shown: Compared) -> None:
    make = partial(varied_sections, shown.comparison)
    if not drawn_sections(shown.key, words.VARIED, make):
        st.info(words.NOTHING_VARIED, icon=":material/tune:")
    else:
        _show_figures(shown, words.VARIED, make)


def _show_settings(comparison: Comparison) -> None:
    differences = configuration_differences(comparison.runs, comparison.experiments)
    if differences.empty:
        st.caption(words.ALL_ALIKE)
    else:
        st.caption(words.SETTINGS_TEXT)
        st.dataframe(
            settings_view(differences), key="compare_differences", hide_index=True, height="content",
            alt=words.DIFFERENCES_ALT,
            column_config={table_words.SETTING: st.column_config.TextColumn(pinned=True)},
        )  # fmt: skip
    folded = st.expander(words.ALL_SETTINGS, key="compare_all_settings", on_change="rerun")
    if folded.open:
        every = configuration_settings(comparison.runs, comparison.experiments)
        folded.dataframe(
            settings_view(every), key="compare_every_setting", hide_index=True, height="content",
            alt=words.SETTINGS_ALT, column_config={table_words.SETTING: st.column_config.TextColumn(pinned=True)},
        )  # fmt: skip


def _show_runs(shown: Compared) -> None:
    comparison, score = shown.comparison, shown.every.score
    view = runs_view(comparison.runs, shown.every.unfair, score)
    view[table_words.STRATEGY] = view[table_words.STRATEGY].map(brief_labels(view[table_words.STRATEGY]))
    helps = (
        column_helps(comparison.table, score, RUN_MEASURES)
        | table_words.COST_HELPS
        | {table_words.CLIPPED: table_words.CLIPPED_HELP}
    )
    numbers = {title: st.column_config.NumberColumn(help=text) for title, text in helps.items()}
    strategy = st.column_config.TextColumn(
        pinned=True, width=name_width(view[table_words.STRATEGY]), help=words.STRATEGY_HELP
    )
    height = row_height(view[table_words.STRATEGY])
    shown_runs = st.dataframe(
        written_runs(view, score),
        key="compare_runs_shown",
        hide_index=True,
        alt=words.COMPARED_ALT,
        on_select="rerun",
        selection_mode="single-row",
        row_height=height,
        height=min(40 + height * len(view), 620),
        placeholder=NOTHING,
        column_config={
            table_words.STRATEGY: strategy,
            table_words.DIFFERS_IN: st.column_config.TextColumn(help=words.DIFFERS_HELP),
        }
        | numbers,
    )
    _way_to_duplicate(shown, shown_runs.selection.rows)
    for sentence in clipping_sentences(comparison.runs):
        st.caption(plain(sentence))


def _way_to_duplicate(shown: Compared, rows: Sequence[int]) -> None:
    """A line below the table: the row of these that is there, by name, with the link that duplicates its run."""
    runs = shown.comparison.runs
    there = [row for row in rows if row < len(runs)]
    if not there:
        st.caption(words.CHOOSE_A_RUN)
        return
    run = runs.iloc[there[0]]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(run_name(run.to_dict()))}**", width="content")
        shown.duplicate(str(run["experiment_id"]), str(run["run_id"]))
