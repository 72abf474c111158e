"""Texts and figures of users' words, for tests/browser/test_words.py."""

import json

import streamlit as st

from tests.figures.test_figure_markup import arguments_of, every_figure
from ui.server import charting_library
from ui.widgets.live_chart import live_chart, load_plotly
from ui.widgets.text import plain

WORDS = [
    "https://evil.example/x", "www.evil.example", "HTTP://EVIL.example", "write to a@evil.example now",
    "a -> b -- c <- d <-> e >= f <= g ~= h", ":smile: :material/home: :red[z]",
    "$x^2$ <b>b</b> [l](https://x.y) ![i](z)",
    "# no heading", "- no list", "1. no list", "| a | b |", "&lt; &#60; &copy;", "`code` ~~gone~~ **bold** _thin_",
    "xmpp:a@evil.example", "line\\", ":", "C:\\folder\\*", "back`tick",
]  # fmt: skip

if __name__ == "__main__":
    st.text(json.dumps(WORDS))
    for number, word in enumerate(WORDS):
        with st.container(key=f"word_{number}"):
            st.markdown(plain(word))
            st.error(plain(word))
            st.caption(f"**{plain(word)}**")
            st.button(plain(word), key=f"button_{number}")
    load_plotly(charting_library.ADDRESS)
    for function in every_figure():
        live_chart(function(**arguments_of(function)), function.__name__)
    st.text("the end")
else:
    from streamlit.starlette import App

    app = App(__file__, routes=[charting_library.route()])
