"""The result at a glance: four figures and one sentence, from the same table and tests as the verdict in full."""

from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any

import pandas as pd

from engine.results.comparison import KEPT, REFERENCE, configuration_frame, sign
from engine.results.paired_tests import PairedDifference
from engine.results.verdict import UNITS, chance, difference, margin, on_common_seeds
from engine.results.verdict import amount as level
from engine.strategies.short_names import with_short_names
from figures.numbers import NOTHING, amount, count, decimal, duration, exact, percent
from figures.theme import brief_labels
from ui.compare import words
from ui.compare.compared_runs import Comparison


@dataclass(frozen=True)
class Figure:
    """One of the four: texts hold the user's names, so pages must escape them."""

    name: str
    value: str
    unit: str
    notes: tuple[str, ...]
    help: str


def headline(comparison: Comparison) -> str:
    """The verdict in one sentence without its numbers."""
    verdict = comparison.verdict
    if verdict.winner is None or not verdict.differences:
        return in_full(comparison)[0]
    nearest = verdict.differences[0]
    name, rival = (_short(each, comparison) for each in (nearest.better, nearest.rival))
    seeds = len(nearest.by_seed)
    if nearest.is_established:
        return words.kept_most(name, rival, nearest.seeds_better, seeds, nearest.draws)
    if nearest.is_nothing:
        return words.kept_the_same(name, rival)
    if seeds == 1:
        return words.kept_most_in_one_seed(name)
    return words.kept_most_perhaps(name, rival)


def in_full(comparison: Comparison) -> list[str]:
    """All sentences of the verdict, in which strategies go by their short names."""
    labels = comparison.runs["configuration"].unique()
    return [with_short_names(sentence, labels) for sentence in comparison.verdict.sentences]


def four_figures(comparison: Comparison) -> list[Figure]:
    """Kept, learnt, cost and how sure of the strategy that kept most; none where nothing can be judged yet."""
    if comparison.verdict.winner is None:
        return []
    judged = comparison.runs[comparison.runs["run_id"].isin(comparison.judged)]
    table = configuration_frame(on_common_seeds(judged))
    table = table[table["complete"] > 0]
    winner = table[table["configuration"] == comparison.verdict.winner].iloc[0]
    beside = partial(_beside, table, winner)
    return [
        _kept(winner, beside("naive"), comparison.score),
        _learnt(winner, beside(REFERENCE), beside("naive"), comparison.score),
        _cost(winner, beside("naive")),
        _sure(comparison),
    ]


def _kept(winner: "pd.Series[Any]", naive: "pd.Series[Any] | None", score: str) -> Figure:
    notes = []
    if pd.isna(winner[KEPT]):
        return Figure(words.KEPT, NOTHING, "", (f"{winner[f'{KEPT}_reason']}.",), words.KEPT_HELP)
    if naive is not None and pd.notna(naive[KEPT]):
        notes.append(words.naive(percent(naive[KEPT])))
    lost = winner["backward_transfer"]
    notes.append(words.lost(difference(abs(lost), score), lost < 0))
    return Figure(words.KEPT, percent(winner[KEPT]), words.OF_LEARNT, tuple(notes), words.KEPT_HELP)


def _learnt(
    winner: "pd.Series[Any]", joint: "pd.Series[Any] | None", naive: "pd.Series[Any] | None", score: str
) -> Figure:
    """Learning accuracy, held against joint by intransigence, and where there is none against naive."""
    notes = []
    if joint is not None and pd.notna(winner["intransigence"]):
        notes.append(_against("joint", winner["intransigence"], score))
    elif naive is not None:
        worse = sign(score) * (naive["learning_accuracy"] - winner["learning_accuracy"])
        notes.append(_against("naive", worse, score))
    value = level(winner["learning_accuracy"], score)
    return Figure(words.LEARNT, value, UNITS[score], tuple(notes), words.LEARNT_HELP)


def _against(name: str, worse: float, score: str) -> str:
    apart = difference(abs(worse), score)
    if apart == difference(0.0, score):
        return words.as_well_as(name)
    return words.apart(apart, worse > 0, name)


def _cost(winner: "pd.Series[Any]", naive: "pd.Series[Any] | None") -> Figure:
    tokens, seconds = winner["target_tokens"], winner["seconds"]
    if naive is None or not naive["target_tokens"] or pd.isna(naive["target_tokens"]) or pd.isna(tokens):
        return Figure(words.PRICE, count(tokens), words.TOKENS, (words.a_run(duration(seconds)),), words.PRICE_HELP)
    notes = [words.a_run(amount(tokens, "token"))]
    if pd.notna(seconds) and pd.notna(naive["seconds"]):
        more = round(seconds - naive["seconds"])
        notes.append(words.time_against_naive(duration(seconds), duration(abs(more)) if more else "", more > 0))
    times = decimal(round(tokens / naive["target_tokens"], 2))
    return Figure(words.PRICE, f"{times}×", words.NAIVES_TOKENS, tuple(notes), words.PRICE_HELP)


def _sure(comparison: Comparison) -> Figure:
    sure = partial(Figure, words.SURE, unit="", help=words.SURE_HELP)
    if not comparison.verdict.differences:
        return sure(value=NOTHING, notes=(words.NO_RIVAL,))
    nearest = comparison.verdict.differences[0]
    seeds, found = len(nearest.by_seed), _found(nearest, comparison)
    if nearest.is_nothing:
        return sure(value=words.NO_DIFFERENCE, notes=(found,))
    if seeds == 1:
        return sure(value=words.ONE_SEED, notes=(found, words.ONE_SEED_NOTE))
    if nearest.corrected_p is None:
        return sure(value=words.NOT_ESTABLISHED, notes=(found, words.NO_TEST))
    value = words.ESTABLISHED if nearest.is_established else words.NOT_ESTABLISHED
    return sure(value=value, notes=(found, f"{chance(nearest.corrected_p)}, {exact(seeds)} {nearest.draws}"))


def _found(nearest: PairedDifference, comparison: Comparison) -> str:
    if not isfinite(nearest.mean):
        return words.next_best(_short(nearest.rival, comparison))
    return words.more_than(margin(nearest, comparison.score), _short(nearest.rival, comparison))


def _beside(table: pd.DataFrame, winner: "pd.Series[Any]", strategy: str) -> "pd.Series[Any] | None":
    """The row of a strategy of the winner's experiment; None where there is none, or it is the winner."""
    rows = table[(table["strategy"] == strategy) & (table["experiment_id"] == winner["experiment_id"])]
    return None if rows.empty or winner["strategy"] == strategy else rows.iloc[0]


def _short(configuration: str, comparison: Comparison) -> str:
    return brief_labels(comparison.runs["configuration"].unique())[configuration]
