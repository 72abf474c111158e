"""Strategies as cards; each form follows from the strategy's declared parameters."""

import streamlit as st

from engine import strategies
from engine.common.errors import ConfigError
from ui.experiment.draft import Card, ExperimentDraft, declared_parameters
from ui.widgets.forms import one_value, several_values
from ui.widgets.text import plain, plural


def strategy_cards(draft: ExperimentDraft) -> None:
    """A card for each strategy of the draft; what is entered goes to the draft."""
    for card in draft.cards:
        with st.container(border=True):
            _card(draft, card)


def _card(draft: ExperimentDraft, card: Card) -> None:
    """Draw the strategy's description on the left and its settings on the right."""
    title, summary = _title_and_summary(card.strategy)
    key = draft.key(f"card{card.number}")
    declared = declared_parameters(card.strategy)
    # As the switch stands now, before it is drawn: an empty column takes room on a phone.
    with_settings = st.session_state.get(f"{key}_on", card.on)
    about, settings = st.columns([2, 3], gap="large") if with_settings else (st.container(), st.container())
    with about:
        card.on = st.toggle(f"**{title}**", card.on, key=f"{key}_on", help="Take this strategy into the comparison.")
        st.caption(summary)
    if not with_settings:
        return
    with settings:
        card.several = st.toggle(
            "Try several values",
            card.several,
            key=f"{key}_several",
            help="Turns every field into a list; each combination of the values becomes a run of its own.",
        )
        _fields(card, [p.name for p in declared if p.main], key)
        with st.expander("More settings"):
            _fields(card, [p.name for p in declared if not p.main], key)
    with about:
        _footer(draft, card, key)


def _fields(card: Card, names: list[str], key: str) -> None:
    for parameter in declared_parameters(card.strategy):
        if parameter.name not in names:
            continue
        value = card.values[parameter.name]
        if card.several:
            text = card.text(parameter.name)
            card.texts[parameter.name] = several_values(parameter, text, f"{key}_{parameter.name}_list")
        else:
            card.values[parameter.name] = one_value(parameter, value, f"{key}_{parameter.name}")


def _footer(draft: ExperimentDraft, card: Card, key: str) -> None:
    """Say how many runs the card makes, or what is wrong with it, and draw the buttons for variants."""
    try:
        runs = len(card.spec().resolve_all())
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
    return " + ".join(part.name for part in parts), "Both at once: their loss terms and pulls are added."
