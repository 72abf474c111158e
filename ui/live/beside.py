"""What stands beside the matrix of a run: the general text, and what became of the guards."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from engine.guards.guard import OF_ANSWERS
from engine.results.guard_histories import GuardHistory
from figures.theme import SCORES
from ui.live.feed import Followed
from ui.widgets.shown_text import on_one_line
from ui.widgets.text import plain, plural

_SIGNS = {True: "✓", False: "✕"}


def show_beside(followed: Followed, tasks: Sequence[str]) -> None:
    """How many guards hold."""
    if followed.guards:
        st.caption(f"**Guards.** {guards_words(followed.guards, tasks)}")


def general_words(general: pd.DataFrame, score: str) -> str:
    """The newest whole score of the general text against the base model's; empty before there is one."""
    whole = general[general["is_whole"].astype(bool)].sort_values("stage")
    if whole.empty:
        return ""
    style = SCORES[score] if score in whole else SCORES["bits_per_byte"]
    first, last = whole.iloc[0], whole.iloc[-1]
    drift = general.sort_values("step")["drift"].dropna()
    if int(last["stage"]) == 0:
        return f"General text: {style.text(first[style.name])} {style.unit} for the base model."
    change = style.change(last[style.name] - first[style.name])
    moved = f" KL from the base model: {drift.iloc[-1]:.3f} nats per token." if len(drift) else ""
    return (
        f"General text: {style.text(last[style.name])} {style.unit} after stage {int(last['stage'])}, {change} "
        f"against the base model.{moved}"
    )


def guards_words(histories: Sequence[GuardHistory], tasks: Sequence[str]) -> str:
    """How many guards hold, and which hold no more since when; Markdown."""
    holding = sum(each.holds for each in histories)
    stages = len(histories[0].outcomes) - 1
    when = f"after stage {stages}" if stages else "for the base model"
    text = f"{holding} of {plural(len(histories), 'guard')} hold {when}."
    lost = [
        f"{plain(each.guard.title)} (since stage {each.lost_at}, {plain(tasks[each.lost_at - 1])})"
        for each in histories
        if each.lost_at is not None
    ]
    if lost:
        text += f" No longer: {', '.join(lost)}."
    never = sum(not each.holds and each.lost_at is None for each in histories)
    if never:
        text += f" {plural(never, 'guard')} never held."
    return text


def guards_table(histories: Sequence[GuardHistory], tasks: Sequence[str]) -> pd.DataFrame:
    """One row a guard: its title, a sign for the base model and each stage, and what was found last."""
    table = {"Guard": [on_one_line(each.guard.title) for each in histories]}
    table["Must"] = [_must(each) for each in histories]
    for stage in range(len(histories[0].outcomes)):
        title = f"{stage} · {tasks[stage - 1]}" if stage else "Base"
        table[title] = [_SIGNS[each.outcomes[stage].holds] for each in histories]
    table["Found last"] = [on_one_line(each.outcomes[-1].found) for each in histories]
    return pd.DataFrame(table)


def _must(history: GuardHistory) -> str:
    guard = history.guard
    value = getattr(guard, guard.kind)
    if guard.kind in OF_ANSWERS:
        return f"{guard.kind} {on_one_line(str(value))}"
    if guard.kind == "loss_at_most":
        return f"loss at most {value:g}"
    return f"{on_one_line(str(value))} likelier"
