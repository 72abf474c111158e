"""Glossary: the words that pages use, and every strategy in a sentence."""

import streamlit as st

from engine.strategies import registry
from ui.glossary.terms import SECTIONS, Term
from ui.server import session
from ui.widgets import words
from ui.widgets.page_head import page_head
from ui.widgets.text import plain


def page() -> None:
    session.admit()
    page_head(words.GLOSSARY, help=words.GLOSSARY_HELP)
    for section, terms in SECTIONS.items():
        st.header(section, anchor=False)
        for each in terms:
            show(each)
    st.header(words.ALL_STRATEGIES, anchor=False)
    for strategy in registry().values():
        paper, address = strategy.source
        show(Term(strategy.title, f"{plain(strategy.summary)} [{plain(paper)}]({address})"))


def show(each: Term) -> None:
    name, text = st.columns([1, 4], gap="small")
    name.subheader(plain(each.name[0].upper() + each.name[1:]), anchor=each.anchor)
    text.markdown(each.text)


page()
