"""The Streamlit app: page configuration and navigation. `streamlit run app.py`, or `make app`.

The server reads this file once and finds `app` in it; every run of a page is a run of this file as a script.
"""

from pathlib import Path

import streamlit as st

from ui.server import charting_library, entrance, process_memory, tab_title, warm_up
from ui.server.navigation import APP_RAN, WITH_CHARTS, navigation
from ui.widgets import words
from ui.widgets.error_notes import with_error_notes
from ui.widgets.live_chart import load_plotly

# One of Streamlit's material icons would be fetched from a font server; this one is part of the page.
ICON = (Path(__file__).parent / "ui" / "icon.svg").read_text(encoding="utf-8")
FRAME = (Path(__file__).parent / "ui" / "widgets" / "frame.css").read_text(encoding="utf-8")

if __name__ == "__main__":
    st.set_page_config(page_title=words.PRODUCT, page_icon=ICON, layout="wide")  # before Streamlit takes a page's icon
    page = navigation()
    st.set_page_config(page_title=words.tab(page.title))
    st.html(FRAME)
    st.session_state[APP_RAN] = True
    entrance.enter()
    entrance.show_visitor()
    if page.url_path in WITH_CHARTS:
        load_plotly(charting_library.ADDRESS)
    with_error_notes(page.run)()
    tab_title.follow(page.title)
    warm_up.begin()
else:
    from starlette.middleware import Middleware
    from streamlit.starlette import App

    from ui.api.routes import mounted
    from ui.server.gate import Gate

    process_memory.share_arenas()
    routes = [mounted(), charting_library.route()]
    middleware = [Middleware(Gate), Middleware(charting_library.Announced, pages_with_charts=WITH_CHARTS)]
    app = App(__file__, lifespan=warm_up.beside_the_server, routes=routes, middleware=middleware)
    entrance.check_start()
