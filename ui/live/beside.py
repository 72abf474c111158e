"""What stands beside the matrix of a run: the general text, and what became of the guards."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from engine.guards.guard import OF_ANSWERS
from engine.results.guard_histories import GuardHistory
from figures.theme import SCORES
from ui.live import words
from ui.live.feed import Followed
from ui.widgets.shown_text import on_one_line
from ui.widgets.text import plain

_SIGNS = {True: "✓", False: "✕"}


def show_beside(followed: Followed, tasks: Sequence[str]) -> None:
    """How many guards hold."""
    if followed.guards:
        st.caption(f"**{words.GUARDS}.** {guards_words(followed.guards, tasks)}")


def general_words(general: pd.DataFrame, score: str) -> str:
    """The newest whole score of the general text against the base model's; empty before there is one."""
    whole = general[general["is_whole"].astype(bool)].sort_values("stage")
    if whole.empty:
        return ""
    style = SCORES[score] if score in whole else SCORES["bits_per_byte"]
    first, last = whole.iloc[0], whole.iloc[-1]
    drift = general.sort_values("step")["drift"].dropna()
    if int(last["stage"]) == 0:
        return words.general_of_base(f"{style.text(first[style.name])} {style.unit}")
    now = f"{style.text(last[style.name])} {style.unit}"
    change = style.change(last[style.name] - first[style.name])
    moved = float(drift.iloc[-1]) if len(drift) else None
    return words.general_now(now, int(last["stage"]), change, moved)


def guards_words(histories: Sequence[GuardHistory], tasks: Sequence[str]) -> str:
    """How many guards hold, and which hold no more since when; Markdown."""
    holding = sum(each.holds for each in histories)
    stages = len(histories[0].outcomes) - 1
    lost = [
        words.lost_guard(plain(each.guard.title), each.lost_at, plain(tasks[each.lost_at - 1]))
        for each in histories
        if each.lost_at is not None
    ]
    never = sum(not each.holds and each.lost_at is None for each in histories)
    return words.guards_hold(holding, len(histories), stages, lost, never)


def guards_table(histories: Sequence[GuardHistory], tasks: Sequence[str]) -> pd.DataFrame:
    """One row a guard: its title, a sign for the base model and each stage, and what was found last."""
    table = {words.GUARD: [on_one_line(each.guard.title) for each in histories]}
    table[words.MUST] = [_must(each) for each in histories]
    for stage in range(len(histories[0].outcomes)):
        title = f"{stage} · {tasks[stage - 1]}" if stage else words.BASE
        table[title] = [_SIGNS[each.outcomes[stage].holds] for each in histories]
    table[words.FOUND_LAST] = [on_one_line(each.outcomes[-1].found) for each in histories]
    return pd.DataFrame(table)


def _must(history: GuardHistory) -> str:
    guard = history.guard
    value = getattr(guard, guard.kind)
    if guard.kind in OF_ANSWERS:
        return f"{guard.kind} {on_one_line(str(value))}"
    if guard.kind == "loss_at_most":
        return words.loss_at_most(value)
    return words.likelier(on_one_line(str(value)))
