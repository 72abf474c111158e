"""Strategies as a list, the most used ones first; the form of one that is on follows from its declared parameters."""

from collections.abc import Mapping, Sequence

import streamlit as st

from engine import strategies
from engine.common.errors import ConfigError
from engine.common.parameters import Shorthand
from engine.common.quoting import shortened
from engine.strategies.base import Strategy
from engine.strategies.short_names import name_of
from engine.strategies.shorthands import shorthands_of
from engine.tasks.spec import TaskSpec
from ui.drafts.draft import Card, ExperimentDraft, declared_parameters
from ui.drafts.strategy_words import GROUPS, Described, cost_in_words, described, is_found
from ui.experiment import words
from ui.experiment.reference_choice import reference_choice
from ui.widgets.forms import folding, one_value, several_values
from ui.widgets.text import plain

ANCHOR = "experiment-strategies"
MOST_USED = ("naive", "replay", "joint", "kl", "ewc", "lora")
"""They stand above the others."""
_SEARCH_PAUSE = "300ms"
_MOST_SENTENCES, _MOST_NAMES = 4, 3
# A strategy is one line, two or three on a phone, where its sentence stands below its title.
_ROWS = """<style>
[class*="st-key-experiment_"][class*="_row"] {
  border-top: 1px solid rgba(128, 128, 128, 0.22); padding: 0.3rem 0.25rem 0; gap: 0.25rem 1rem;
}
[class*="st-key-experiment_"][class*="_row"] > div:first-child { flex: 0 0 17.5rem; }
[class*="st-key-experiment_"][class*="_row"] > div:nth-child(2) { flex: 1 1 14rem; min-width: 0; }
[class*="st-key-experiment_"][class*="_row"] > div:last-child { margin-left: auto; }
[class*="st-key-experiment_"][class*="_row"] > div:nth-child(2):has(details[open]) { order: 4; flex-basis: 100%; }
[class*="st-key-experiment_"][class*="_row"] > div:nth-child(2) [data-testid="stCaptionContainer"] p {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
}
@media (max-width: 640px) {
  [class*="st-key-experiment_"][class*="_row"] > div:first-child { flex: 1 1 auto; max-width: calc(100% - 4rem); }
  [class*="st-key-experiment_"][class*="_row"] > div:nth-child(2) { order: 3; flex-basis: 100%; }
}
</style>"""


def strategy_cards(draft: ExperimentDraft, known: Mapping[str, TaskSpec]) -> None:
    """The most used strategies and those that were on when the list was first drawn, then all others, folded away; of a
    search what it finds, and what is on. What is entered goes to the draft. `known` are the library's tasks by name."""
    st.html(_ROWS)
    st.subheader(words.STRATEGIES, anchor=ANCHOR)
    query = st.text_input(
        words.FIND, key=draft.key("find"), type="search", live=_SEARCH_PAUSE, placeholder=words.FIND_EXAMPLES,
        icon=":material/search:", help=words.HELP_FIND, label_visibility="collapsed",
    ) or ""  # fmt: skip
    if query.strip():
        found = [card for card in draft.cards if is_found(card.strategy, query)]
        _list(draft, [card for card in draft.cards if card in found or _is_on(draft, card)], known)
        if not found:
            st.info(words.no_strategy(plain(shortened(query))), icon=":material/search_off:")
        return
    if not draft.first_shown:  # a switch leaves its row where it is
        draft.first_shown = {*MOST_USED, *(card.strategy for card in draft.cards if card.on)}
    used = sorted(
        (card for card in draft.cards if card.strategy in draft.first_shown),
        key=lambda card: MOST_USED.index(card.strategy) if card.strategy in MOST_USED else len(MOST_USED),
    )
    _list(draft, used, known)
    others = [card for card in draft.cards if card.strategy not in draft.first_shown]
    on = [described(card.strategy).title for card in others if _is_on(draft, card)]
    folded = folding(words.more_strategies(len(others)), draft.key("more_strategies"), on, icon=":material/add:")
    if folded.open:
        with folded:
            for group in GROUPS:
                cards = [card for card in others if strategies.needs_of(card.strategy)[0] == group]
                if cards:
                    st.markdown(f"##### {strategies.heading_of(group)}")
                    _list(draft, cards, known)


def _list(draft: ExperimentDraft, cards: Sequence[Card], known: Mapping[str, TaskSpec]) -> None:
    with st.container(gap="xsmall"):
        for card in cards:
            _row(draft, card, known)


def _is_on(draft: ExperimentDraft, card: Card) -> bool:
    """As the switch stands now, before it is drawn."""
    return bool(st.session_state.get(_switch_key(draft, card), card.on))


def _switch_key(draft: ExperimentDraft, card: Card) -> str:
    return f"{draft.key(f'card{card.number}')}_on"


def _row(draft: ExperimentDraft, card: Card, known: Mapping[str, TaskSpec]) -> None:
    """Draw a strategy: its switch, when to choose it, or its form where it is on, and all else behind a button."""
    about, key = described(card.strategy), draft.key(f"card{card.number}")
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_row"):
        card.on = st.toggle(
            f"**{about.title}**", card.on, key=_switch_key(draft, card), wrap=True, help=words.SWITCH_HELP
        )
        if card.on:
            _form(draft, card, key, known)
        else:
            st.caption(about.choose_when)
        with st.popover(words.ABOUT, icon=":material/info:", type="tertiary"):
            _declared(about, strategies.build(card.strategy, {}))
    if card.on:
        try:
            card.spec()
        except ConfigError as error:
            st.error(plain(str(error)), icon=":material/error:")


def _set_here(card: Card) -> list[str]:
    """The settings of a card's runs as their short names say them; nothing where there are none, or where something is
    wrong with them."""
    try:
        spec = card.spec()
        variants = spec.resolve_all()
    except ConfigError:
        return []
    if not spec.parameters:
        return []
    names = [name_of(card.strategy, {each: run[each] for each in spec.parameters if each in run}) for run in variants]
    return [plain(name) for name in names[:_MOST_NAMES]] + ["…"] * (len(names) > _MOST_NAMES)


def _declared(about: Described, strategy: Strategy) -> None:
    """Print what a strategy declares; its cost is that of its values."""
    lines = [f"**{about.title}**", about.summary, words.when_to_choose(about.choose_when)]
    lines.append(words.needs_and_cost(about.needs, cost_in_words(strategy), about.source_links))
    st.markdown("\n\n".join(lines))


def _form(draft: ExperimentDraft, card: Card, key: str, known: Mapping[str, TaskSpec]) -> None:
    """Draw the form of a strategy once it is opened; until then its label has what is set in it."""
    folded = folding(words.SETTINGS, f"{key}_settings", _set_here(card), type="compact")
    if not folded.open:
        return
    with folded:
        card.several = st.toggle(words.SEVERAL, card.several, key=f"{key}_several", help=words.HELP_SEVERAL)
        _fields(card, key, main=True)
        come_to = st.container()
        with st.expander(words.MORE_SETTINGS):
            _fields(card, key, main=False)
        _buttons(draft, card, key)
        with come_to:
            _come_to(draft, card, known)


def _come_to(draft: ExperimentDraft, card: Card, known: Mapping[str, TaskSpec]) -> None:
    """Say what a form's values come to; what is wrong with them stands below the form."""
    try:
        variants = card.spec().resolve_all()
    except ConfigError:
        return
    built = [strategies.build(card.strategy, each) for each in variants[:_MOST_SENTENCES]]
    if any(strategies.build(card.strategy, each).needs_reference for each in variants):
        reference_choice(draft, card, known)
    sentences = [sentence for each in built for sentence in (*each.in_words(), words.cost(cost_in_words(each)))]
    for sentence in dict.fromkeys(sentences):
        st.caption(plain(sentence))
    st.caption(words.runs_for_each_seed(len(variants)))


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
        on_change=take, placeholder=words.SHARES_DIFFER,
    )  # fmt: skip


def _buttons(draft: ExperimentDraft, card: Card, key: str) -> None:
    """Draw the buttons for variants."""
    alone = sum(other.strategy == card.strategy for other in draft.cards) == 1
    with st.container(horizontal=True):
        st.button(
            words.VARIANT, key=f"{key}_copy", icon=":material/content_copy:", type="tertiary", help=words.HELP_VARIANT,
            on_click=draft.add_card, args=(card.strategy, card),
        )  # fmt: skip
        if not alone:
            st.button(
                words.REMOVE, key=f"{key}_remove", icon=":material/delete:", type="tertiary", help=words.HELP_REMOVE,
                on_click=draft.cards.remove, args=(card,),
            )  # fmt: skip
