"""A page with a live chart that a trace is taken out of, for tests/browser/test_live_chart.py."""

import plotly.graph_objects as go
import streamlit as st

from figures.theme import styled
from ui.server import charting_library
from ui.widgets.live_chart import live_chart, load_plotly

LABELS = ("naive", "replay (replay_weight=1)", 'a "task", with: signs')

if __name__ == "__main__":
    load_plotly(charting_library.ADDRESS)
    left_out = st.button("Leave out all but the first")
    figure = go.Figure(
        [go.Scatter(x=[1], y=[i], uid=label) for i, label in enumerate(LABELS[: 1 if left_out else None])]
    )
    live_chart(styled(figure, "Points"), "points")
else:
    from streamlit.starlette import App

    app = App(__file__, routes=[charting_library.route()])
