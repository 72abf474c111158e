"""Strategies as cards; each form follows from the strategy's declared parameters."""

import streamlit as st

from engine import strategies
from engine.errors import ConfigError
from ui.draft import Card, Draft, declared_parameters
from ui.forms import as_text, one_value, several_values
from ui.text import plain, plural


def strategy_cards(draft: Draft) -> None:
    """A card for each strategy of the draft, two in a row; what is entered goes to the draft."""
    # Row by row, so that a narrow screen, which puts columns below each other, keeps the order.
    for first in range(0, len(draft.cards), 2):
        for column, card in zip(st.columns(2), draft.cards[first : first + 2], strict=False):
            with column.container(border=True):
                _card(draft, card)


def _card(draft: Draft, card: Card) -> None:
    title, summary = _title_and_summary(card.strategy)
    key = draft.key(f"card{card.number}")
    st.session_state.setdefault(f"{key}_on", card.on)
    card.on = st.toggle(f"**{title}**", key=f"{key}_on", help="Take this strategy into the comparison.")
    st.caption(summary)
    declared = declared_parameters(card.strategy)
    if not card.on or not declared:
        return
    st.session_state.setdefault(f"{key}_several", card.several)
    card.several = st.toggle(
        "Try several values",
        key=f"{key}_several",
        help="Turns every field into a list; each combination of the values becomes a run of its own.",
    )
    _fields(card, [p.name for p in declared if p.main], key)
    others = [p.name for p in declared if not p.main]
    if others:
        with st.expander("More settings"):
            _fields(card, others, key)
    _footer(draft, card, key)


def _fields(card: Card, names: list[str], key: str) -> None:
    for parameter in declared_parameters(card.strategy):
        if parameter.name not in names:
            continue
        value = card.values[parameter.name]
        if card.several:
            text = card.texts.get(parameter.name, as_text(value))
            card.texts[parameter.name] = several_values(parameter, text, f"{key}_{parameter.name}_list")
        else:
            card.values[parameter.name] = one_value(parameter, value, f"{key}_{parameter.name}")


def _footer(draft: Draft, card: Card, key: str) -> None:
    """How many runs the card makes, or what is wrong with it, and the buttons for variants."""
    try:
        runs = len(card.spec().build_all())
        st.caption(f"{plural(runs, 'run')} for each seed")
    except ConfigError as error:
        st.error(plain(str(error)), icon=":material/error:")
    alone = sum(other.strategy == card.strategy for other in draft.cards) == 1
    with st.container(horizontal=True):
        st.button(
            "Add a variant",
            key=f"{key}_copy",
            icon=":material/content_copy:",
            type="tertiary",
            help="A second card of this strategy, for another setting beside this one.",
            on_click=draft.add_card,
            args=(card.strategy, card),
        )
        if not alone:
            st.button(
                "Remove",
                key=f"{key}_remove",
                icon=":material/delete:",
                type="tertiary",
                help="Take this card away.",
                on_click=draft.cards.remove,
                args=(card,),
            )


def _title_and_summary(name: str) -> tuple[str, str]:
    parts = strategies.parts_of(name)
    if len(parts) == 1:
        return parts[0].title, parts[0].summary
    return " + ".join(part.title for part in parts), "Both at once: their loss terms and penalties are added."
