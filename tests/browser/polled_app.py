"""A page whose chart comes from a route, for tests/browser/test_polled_chart.py. The route has one step more
at every question; it is out of order while the file that POLLED_TROUBLE names is there."""

import itertools
import os
from pathlib import Path
from typing import Any

import streamlit as st

from ui.server import charting_library
from ui.widgets.change_watch import change_watch
from ui.widgets.live_chart import load_plotly, polled_chart

STEPS = 4000

if __name__ == "__main__":
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.text(f"script runs: {runs}")
    load_plotly(charting_library.ADDRESS)
    polled_chart("losses", "figure", height=300)
    change_watch("watch", "figure", lambda: "one" if st.session_state["runs"] < 2 else "two", st.rerun)
else:
    from starlette.responses import JSONResponse
    from starlette.routing import Route
    from streamlit.starlette import App

    from figures.curves import loss_figure
    from figures.lines import Line, lines_of
    from tests.figures import frames
    from ui.live.growing import Growing
    from ui.widgets.live_chart import drawn

    ALL = lines_of(frames.losses(STEPS))
    TROUBLE, TWO = Path(os.environ["POLLED_TROUBLE"]), Path(os.environ["POLLED_TWO"])
    asked = itertools.count(30)

    def until(step: int) -> dict[str, Line]:
        return {term: Line(line.stages[:step], line.steps[:step], line.values[:step]) for term, line in ALL.items()}

    begun = until(30)
    figure = loss_figure(begun, frames.curve({}), frames.stages(STEPS), frames.TASKS, steps=STEPS)
    base = Growing.begun(("test",), drawn(figure), begun)

    async def answer(request: Any) -> JSONResponse:
        if TROUBLE.exists():
            return JSONResponse({"error": "The store is <b>away</b>."}, 503)
        grown = base.grown(until(next(asked)))
        said = {
            "base": base.base,
            "tail": grown.tail,
            "notes": [f"<i>step</i> {grown.newest}"],
            "structure": "two" if TWO.exists() else "one",
        }
        if request.query_params.get("base") != base.base:
            said |= {"figure": base.drawn.figure, "alt": base.drawn.alt}
        return JSONResponse(said, headers={"ETag": f'"{grown.newest}"', "Palimpsest-Look-Again": "0.1"})

    app = App(__file__, routes=[Route("/figure", answer), charting_library.route()])
