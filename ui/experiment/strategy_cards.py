"""Strategies as cards, grouped by what they need; each form follows from the strategy's declared parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine import strategies
from engine.common.errors import ConfigError
from engine.common.parameters import Shorthand
from engine.common.quoting import shortened
from engine.strategies.base import Strategy
from engine.strategies.shorthands import shorthands_of
from engine.tasks.spec import TaskSpec
from ui.experiment.draft import Card, ExperimentDraft, declared_parameters
from ui.experiment.reference_choice import reference_choice
from ui.experiment.strategy_words import GROUPS, Described, cost_in_words, described, is_found, titles
from ui.widgets.forms import one_value, several_values
from ui.widgets.text import plain, plural

_SEARCH_PAUSE = "300ms"
_MOST_SENTENCES = 4
# A strategy without its form is one line, two or three on a phone, where its sentence stands below its title.
_ROWS = """<style>
[class*="st-key-experiment_"][class*="_off"] {
  border-top: 1px solid rgba(128, 128, 128, 0.22); padding: 0.35rem 0.25rem 0; gap: 0.25rem 1rem;
}
[class*="st-key-experiment_"][class*="_off"] > div:first-child { flex: 0 0 17.5rem; }
[class*="st-key-experiment_"][class*="_off"] > div:nth-child(2) { flex: 1 1 18rem; min-width: 0; }
@media (max-width: 640px) {
  [class*="st-key-experiment_"][class*="_off"] > div:first-child { flex: 1 1 auto; max-width: calc(100% - 4rem); }
  [class*="st-key-experiment_"][class*="_off"] > div:nth-child(2) { order: 3; flex-basis: 100%; }
}
</style>"""


def strategy_cards(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> None:
    """A card for each strategy of the draft that is on and looked for, and a line for each other that is on or looked
    for; what is entered goes to the draft. `known` are the library's tasks by name."""
    query = st.text_input(
        "Find a strategy", key=draft.key("find"), type="search", live=_SEARCH_PAUSE,
        placeholder="by its name, what it does, or a parameter", icon=":material/search:",
        help="Shows the strategies that hold all of these words. Others that are on stay as a line without their form.",
    ) or ""  # fmt: skip
    on = [card.strategy for card in draft.cards if _is_on(draft, card)]
    found = {card.number for card in draft.cards if is_found(card.strategy, query)}
    shown = [card for card in draft.cards if _is_on(draft, card) or card.number in found]
    st.caption(f"On: {titles(on)}." if on else "None is on yet.")
    st.html(_ROWS)
    for group in GROUPS:
        cards = [card for card in shown if strategies.needs_of(card.strategy)[0] == group]
        if cards:
            st.markdown(f"##### {strategies.heading_of(group)}")
            with st.container(gap="xsmall"):
                for card in cards:
                    if _is_on(draft, card) and card.number in found:
                        _card(draft, card, known)
                    else:
                        _line(draft, card)
    if not found:
        sought = plain(shortened(query))
        st.info(f"No strategy holds all of “{sought}”. Try one word, such as replay.", icon=":material/search_off:")


def _is_on(draft: ExperimentDraft, card: Card) -> bool:
    """As the switch stands now, before it is drawn."""
    return bool(st.session_state.get(_switch_key(draft, card), card.on))


def _switch_key(draft: ExperimentDraft, card: Card) -> str:
    return f"{draft.key(f'card{card.number}')}_on"


def _switch(draft: ExperimentDraft, card: Card, title: str) -> None:
    card.on = st.toggle(
        f"**{title}**", card.on, key=_switch_key(draft, card), wrap=True, help="Take this strategy into the comparison."
    )


def _line(draft: ExperimentDraft, card: Card) -> None:
    """Draw a strategy without its form: when to choose it, and all else behind a button."""
    about = described(card.strategy)
    with st.container(horizontal=True, vertical_alignment="center", key=f"{_switch_key(draft, card)[:-3]}_off"):
        _switch(draft, card, about.title)
        st.caption(about.choose_when)
        with st.popover("About", icon=":material/info:", type="tertiary"):
            _declared(about, strategies.build(card.strategy, {}), with_title=True)


def _declared(about: Described, strategy: Strategy, with_title: bool = False) -> None:
    """Print what a strategy declares; its cost is that of its values."""
    lines = [f"**{about.title}**"] * with_title + [about.summary, f"**When to choose it:** {about.choose_when}"]
    lines.append(f"{about.needs}.  \n**Cost:** {cost_in_words(strategy)}.  \n**Source:** {about.source_links}")
    (st.markdown if with_title else st.caption)("\n\n".join(lines))


def _card(draft: ExperimentDraft, card: Card, known: Mapping[str, TaskSpec]) -> None:
    """Draw the strategy's description on the left and its settings on the right."""
    key = draft.key(f"card{card.number}")
    with st.container(border=True):
        about, settings = st.columns([2, 3], gap="medium")
        with about:
            _switch(draft, card, described(card.strategy).title)
            words = st.container()
        with settings:
            card.several = st.toggle(
                "Try several values",
                card.several,
                key=f"{key}_several",
                help="Turns every field into a list; each combination of the values becomes a run of its own.",
            )
            _fields(card, key, main=True)
            come_to = st.container()
            with st.expander("More settings"):
                _fields(card, key, main=False)
        with about:
            variants = _footer(draft, card, key)
        built = [strategies.build(card.strategy, each) for each in variants[:_MOST_SENTENCES]]
        with words:
            _declared(described(card.strategy), built[0] if built else strategies.build(card.strategy, {}))
        with come_to:
            if any(strategies.build(card.strategy, each).needs_reference for each in variants):
                reference_choice(draft, card, known)
            for sentence in dict.fromkeys(sentence for each in built for sentence in each.in_words()):
                st.caption(plain(sentence))


def _fields(card: Card, key: str, main: bool) -> None:
    """Draw the fields of the main parameters and their shorthands, or of the others."""
    key = f"{key}_again{card.rounds}" if card.rounds else key
    for parameter in declared_parameters(card.strategy):
        if parameter.main is not main:
            continue
        value = card.values[parameter.name]
        if card.several:
            text = card.text(parameter.name)
            card.texts[parameter.name] = several_values(parameter, text, f"{key}_{parameter.name}_list")
        else:
            card.values[parameter.name] = one_value(parameter, value, f"{key}_{parameter.name}")
    if main and not card.several:
        for shorthand in shorthands_of(card.strategy).values():
            _shorthand(card, shorthand, key)


def _shorthand(card: Card, shorthand: Shorthand, key: str) -> None:
    """A field for a number in place of several parameters, which shows the number that their values come to."""
    now = shorthand.number(card.values)
    # It must show another number whenever a parameter moves, so it is made anew for each.
    key = f"{key}_{shorthand.name}_{now}"

    def take() -> None:
        if (number := st.session_state[key]) is not None:
            card.set(shorthand.values(number))

    st.number_input(
        f"{shorthand.label} ({shorthand.unit})", shorthand.minimum, shorthand.maximum, key=key, format="%.6g", step=5.0,
        value=None if now is None else min(max(now, shorthand.minimum), shorthand.maximum), help=shorthand.help,
        on_change=take, placeholder="the shares differ",
    )  # fmt: skip


def _footer(draft: ExperimentDraft, card: Card, key: str) -> Sequence[dict[str, Any]]:
    """Say how many runs the card makes, or what is wrong with it, and draw the buttons for variants; returns the
    parameters of each run, none where something is wrong."""
    variants: Sequence[dict[str, Any]] = ()
    try:
        variants = card.spec().resolve_all()
        st.caption(f"{plural(len(variants), 'run')} for each seed")
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
    return variants
