"""Which strategies the figures draw in full: of many, the best few, unless the user chooses others."""

import zlib
from collections.abc import Mapping, Sequence

import streamlit as st

from engine import strategies
from engine.experiments.demo import demo_experiment
from engine.results.comparison import REFERENCE, sign
from figures.theme import LineStyle, brief_labels, strategy_styles
from ui.compare import words
from ui.compare.compared_runs import Comparison

MOST_DRAWN = 8
"""As many strategies and settings as there are colours; two may still share one, and differ by marker and dash."""


def best_few(comparison: Comparison, most: int = MOST_DRAWN) -> list[str]:
    """The configurations that kept most of the earlier tasks, in the table's order, naive and the joint reference among
    them, which the others are held against. All where there are no more than `most`."""
    table = comparison.table
    if len(table) <= most:
        return [str(name) for name in table["configuration"]]
    held_against = table[table["strategy"].isin(["naive", REFERENCE])].drop_duplicates("strategy").index
    kept = table["earlier_tasks"].astype(float).fillna(table["average"].astype(float)) * sign(comparison.score)
    ranked = kept.drop(held_against).sort_values(ascending=False, kind="stable").index
    chosen = {*held_against, *ranked[: most - len(held_against)]}
    return [str(table.at[row, "configuration"]) for row in table.index if row in chosen]


def choose_drawn(comparison: Comparison) -> list[str]:
    """The configurations that the user wants drawn; the question is put where there are more than a figure tells
    apart at a glance."""
    names, few = [str(name) for name in comparison.table["configuration"]], best_few(comparison)
    if len(few) == len(names):
        return names
    brief, kept = brief_labels(names), f"compare_drawn_{_digest(names)}"
    # The best change while runs come in, and a widget that must show another value is made anew.
    key = f"{kept}_{_digest(few)}"

    def keep() -> None:
        st.session_state[kept] = list(st.session_state[key])

    chosen = st.multiselect(
        words.DRAWN, names, st.session_state.get(kept, few), key=key, on_change=keep, placeholder=words.THE_BEST,
        format_func=brief.__getitem__,
        help=words.drawn_help(MOST_DRAWN),
    )  # fmt: skip
    return [name for name in names if name in (chosen or few)]


def _digest(names: Sequence[str]) -> int:
    return zlib.crc32("\n".join(names).encode("utf-8", "surrogatepass"))


def styles_of(comparison: Comparison, drawn: Sequence[str]) -> Mapping[str, LineStyle]:
    """The style of every configuration, which it keeps whatever else is drawn."""
    # What the demo shows has colours of its own.
    first = [spec.name for spec in demo_experiment().strategies]
    families = list(dict.fromkeys([*first, *sorted(strategies.offered(), key=lambda name: "+" in name)]))
    return strategy_styles(comparison.table["configuration"], families, drawn)
