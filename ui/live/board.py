"""The arrangement of the Live page: what is looked at stands side by side on the first screen, and below one another
on a narrow one."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

CURVES_PIXELS, TALL_PIXELS, NARROW_PIXELS = 590, 760, 560
"""The height of charts on usual screens, on those of more than a thousand pixels, and on phones."""
_STYLE = """<style>
.st-key-live_board {
  display: grid; gap: 0 1.25rem; align-items: start;
  grid-template-columns: 12.5rem minmax(0, 1.3fr) minmax(0, 1fr);
}
.st-key-live_board > * { width: 100%; min-width: 0; }
.st-key-live_board h3 { padding: 0; }
:is(.st-key-live_rail_place, .st-key-live_curves_place) { padding-top: 0.45rem; }
.st-key-live_matrix .modebar { left: 2px; right: auto !important; } /* the corner in which nothing is written */
.st-key-live_status > :last-child:not(:has(button, a)) { display: none; }
@media (min-width: 1700px) { .st-key-live_board { grid-template-columns: 16rem minmax(0, 1.4fr) minmax(0, 1fr); } }
@media (max-width: 1260px) {
  .st-key-live_board { grid-template-columns: 11rem minmax(0, 1fr); row-gap: 1rem; }
  .st-key-live_board > :first-child { grid-row: span 2; }
}
@media (max-width: 900px) { .st-key-live_board { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 640px) {
  .st-key-live_status { gap: 0.5rem; }
  .st-key-live_status > :first-child { flex-basis: 100%; }
}
</style>"""


def places() -> tuple[DeltaGenerator, DeltaGenerator, DeltaGenerator]:
    """The places of the list of runs, the curves and the matrix."""
    st.html(_STYLE)
    with st.container(key="live_board"):
        return (
            st.container(key="live_rail_place", gap="small"),
            st.container(key="live_curves_place", gap="small"),
            st.container(key="live_matrix_place", gap="small"),
        )
