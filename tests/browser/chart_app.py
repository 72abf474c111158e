"""A page with nothing but two live charts that grow at every refresh, for tests/browser/test_live_chart.py."""

import streamlit as st

from figures.curves import loss_figure
from figures.lines import lines_of
from figures.matrix import matrix_figure
from tests.figures import frames
from ui.server import charting_library
from ui.widgets.live_chart import live_chart, load_plotly

STEPS = 400


@st.fragment(run_every=0.2)
def watch() -> None:
    refreshes = st.session_state["refreshes"] = st.session_state.get("refreshes", 0) + 1
    step = min(10 + refreshes, STEPS)
    curve = frames.curve({"bread": [(0, 0, 4.0), (1, step, 2.0)], "tea": [(0, 0, 4.0)], "soup": [(0, 0, 4.0)]})
    losses = loss_figure(lines_of(frames.losses(step)), curve, frames.stages(STEPS), frames.TASKS, steps=STEPS)
    live_chart(losses, "losses", height=400, narrow_height=500)
    matrix = matrix_figure(frames.matrix([[4.0, 4.0, 4.0], [2.0, 4.0 + refreshes / 1000, 3.9]]), frames.TASKS)
    click = live_chart(matrix, "matrix", height=300)
    if click:
        st.session_state["clicked"] = click["customdata"]
    st.text(f"refreshes: {refreshes}")
    st.text(f"clicked: {st.session_state.get('clicked')}")


if __name__ == "__main__":
    st.set_page_config(layout="wide")
    st.title("Two charts")
    load_plotly(charting_library.ADDRESS)
    watch()
    for line in range(60):
        st.text(f"line {line}")
else:
    from streamlit.starlette import App

    app = App(__file__, routes=[charting_library.route()])
