"""The figures of the compare page."""

import streamlit as st

from ui.compare.compared_runs import Comparison
from ui.compare.drawn import choose_drawn
from ui.compare.sections import figure_sections
from ui.widgets.live_chart import live_chart
from ui.widgets.text import plain

# On a phone the wide figures are scrolled sideways instead of being squeezed until nothing can be read.
_WIDE = r"""<style>
@media (max-width: 640px) {
  .st-key-compare_wide_matrices, .st-key-compare_wide_lost { overflow-x: auto; }
  .st-key-compare_wide_matrices .palimpsest-chart, .st-key-compare_wide_lost .palimpsest-chart { min-width: 820px; }
  .st-key-compare_wide_matrices::before, .st-key-compare_wide_lost::before {
    content: "Swipe sideways for the rest \2192"; position: sticky; left: 0; font-size: 0.875rem;
  }
}
</style>"""


def show_figures(comparison: Comparison) -> None:
    """Draw the figures, one below the other, after the question which strategies they show."""
    st.html(_WIDE)
    drawn = choose_drawn(comparison)
    for number, section in enumerate(figure_sections(comparison, drawn)):
        st.subheader(plain(section.title))
        st.caption(plain(section.text))
        if section.figure is None:
            continue
        wide = next((name for name in ("matrices", "lost") if name in section.title.lower()), "narrow")
        # A key per place: the container's class carries the width rule, and two may be of one kind.
        with st.container(key=f"compare_wide_{wide}" if number < 3 else f"compare_figure_{number}"):
            height = int(section.figure.layout.height or 420)
            # On a phone every name of the first figure's legend takes a line of its own.
            named = sum(trace.showlegend is not False for trace in section.figure.data)
            legend = 16 * named if number == 0 else 0
            live_chart(section.figure, f"compare_chart_{number}", height, narrow_height=height + legend)
