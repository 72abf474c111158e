"""The comparison in plain words: whether one configuration kept most beyond chance, and at what price."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pandas as pd

from engine.common.numerals import written
from engine.events.scores import SHARES
from engine.results.comparison import LOSSES, REFERENCE, configuration_frame, sign, trains_on_all
from engine.results.fairness import PENDING
from engine.results.paired_tests import Draw, PairedDifference, differences_to

UNITS = {
    "bits_per_byte": "bits per byte",
    "nats_per_token": "nats per token",
    "perplexity": "perplexity",
    "accuracy": "accuracy",
    "exact_match": "exact match",
    "token_f1": "token F1",
}


@dataclass(frozen=True)
class Verdict:
    """The comparison in sentences. They hold the user's names, so pages must escape them."""

    sentences: tuple[str, ...]
    winner: str | None
    """The configuration that kept most on average, or None where nothing can be said."""
    clear: bool
    """Whether its difference from every other configuration is established."""
    measure: str = ""
    """The measure that was judged: earlier_tasks, or average where there is one task."""
    differences: tuple[PairedDifference, ...] = ()
    """The winner's paired differences to all but the reference, the next best first; above 0 it kept more."""


def common_seeds(rows: pd.DataFrame) -> frozenset[Draw]:
    """The seeds that every configuration with a complete run has completed; where the order of the tasks varies, the
    orders with their seeds."""
    done = rows[rows["complete"].astype(bool)]
    seeds = [frozenset(group["draw"]) for _, group in done.groupby("configuration", sort=False)]
    return frozenset.intersection(*seeds) if seeds else frozenset()


def on_common_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `common_seeds`, and those of runs that are not complete."""
    common = common_seeds(rows)
    is_common = pd.Series([draw in common for draw in rows["draw"]], index=rows.index, dtype=bool)
    return rows[is_common | ~rows["complete"].astype(bool)]


def verdict(rows: pd.DataFrame, score: str) -> Verdict:
    """Judge the runs of `rows` (a run frame) over the seeds that all its configurations have completed, and where the
    order of the tasks varies over the pairs of an order and a seed.

    "Kept most" is the best mean score of the final model on the earlier tasks, so that a model which never
    learned them can't win; with a single task it is the average. joint is the reference and can't win. Whether a
    difference stands is said by the paired tests of `paired_tests`, over the same draws.
    """
    judged = on_common_seeds(rows)
    table = configuration_frame(judged)
    table = table[table["complete"] > 0] if len(table) else table
    rivals = table[~table["strategy"].map(trains_on_all).astype(bool)] if len(table) else table
    if rivals.empty:
        return Verdict((_nothing_to_say(rows, table),), None, False)
    measure = "earlier_tasks" if rivals["earlier_tasks"].notna().all() else "average"
    ranked = rivals.loc[(rivals[measure] * sign(score)).sort_values(ascending=False).index]
    winner, others = ranked.iloc[0], ranked.iloc[1:]
    differences = _differences(judged, ranked, measure, score)
    naive = _naive_beside(table, winner)
    forgot, learned = (
        _to(naive, _differences(judged, ranked, name, score)) for name in ("forgetting", "learning_accuracy")
    )
    sentences = [_kept(winner, differences, score), _the_others(differences)]
    sentences += [_levels(winner, others, measure, score), _forgot(winner, naive, forgot, score)]
    sentences += [_price(winner, naive, learned, score)]
    sentences += [_reference(table, winner, measure, score), _still_open(rows)]
    clear = bool(differences) and all(each.is_established for each in differences)
    said = tuple(sentence for sentence in sentences if sentence)
    return Verdict(said, str(winner["configuration"]), clear, measure, differences)


def amount(value: float, score: str) -> str:
    """A score as people read it, without its unit."""
    return written(value, ".1%" if score in SHARES else ".4g" if score == "perplexity" else ".3f")


def difference(value: float, score: str) -> str:
    """A difference of scores as people read it, with its unit."""
    if score in SHARES:
        return f"{written(100 * value, '.1f')} points"
    return f"{amount(value, score)} {'in perplexity' if score == 'perplexity' else UNITS[score]}"


def margin(found: PairedDifference, score: str, unit: bool = True) -> str:
    """A paired difference with half the width of its interval: `0.120 ± 0.030 bits per byte`."""
    scale, form = (100, ".1f") if score in SHARES else (1, ".4g" if score == "perplexity" else ".3f")
    text = written(scale * found.mean, form)
    if found.half_width is not None:
        half = written(scale * found.half_width, form)
        text += f" ± {half if float(half) else written(scale * found.half_width, '.1g')}"
    name = "points" if score in SHARES else "in perplexity" if score == "perplexity" else UNITS[score]
    return f"{text} {name}" if unit else text


def chance(p: float) -> str:
    """A p as people read it."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3g}"


def _nothing_to_say(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    if len(table):
        return "Only the joint reference is finished; a verdict needs another strategy beside it."
    if rows["complete"].astype(bool).any():
        return "No seed is finished in every one of these configurations, so there is nothing to compare."
    return "No run that can be compared is finished yet, so there is nothing to say about what was kept."


def _differences(judged: pd.DataFrame, ranked: pd.DataFrame, measure: str, score: str) -> tuple[PairedDifference, ...]:
    """The paired differences of the first of the `ranked` configurations to the others; above 0 it is better."""
    better = -1.0 if measure in LOSSES else sign(score)
    done = judged[judged["complete"].astype(bool) & judged[measure].notna()]
    scores: dict[str, dict[Draw, float]] = {str(name): {} for name in ranked["configuration"]}
    for name, draw, value in zip(done["configuration"], done["draw"], done[measure], strict=True):
        if name in scores:
            scores[name][draw] = better * float(value)
    if not all(scores.values()):
        return ()  # with a single task nothing is forgotten
    return differences_to(str(ranked.iloc[0]["configuration"]), scores)


def _to(rival: pd.Series | None, differences: Sequence[PairedDifference]) -> PairedDifference | None:
    return next((each for each in differences if rival is not None and each.rival == rival["configuration"]), None)


def _kept(winner: pd.Series, differences: Sequence[PairedDifference], score: str) -> str:
    """Whether the difference to the next best stands."""
    if not differences:
        return f"{winner['configuration']} kept most; no other strategy that can be compared with it is finished."
    nearest = differences[0]
    name, rival, number = nearest.better, f"{nearest.rival}, the next best,", len(nearest.by_seed)
    every = f"every one of {number} {nearest.draws}"
    where = every if nearest.seeds_better == number else f"{nearest.seeds_better} of {number} {nearest.draws}"
    if nearest.is_established:
        return f"{name} kept most: more than {rival} in {where}, by {_tested(nearest, score)}."
    start = "It is not established which strategy kept most"
    if not isfinite(nearest.mean):
        return f"{start}: the score of {rival} has no finite value, so no test can set it against {name}'s."
    if nearest.is_nothing:
        same = every if number > 1 else f"the one seed ({_only_seed(nearest)})"
        return f"{start}: {name} and {nearest.rival} score the same in {same}."
    if nearest.p is not None:
        return f"{start}: {name} kept more than {rival} in {where}, by {_tested(nearest, score)}."
    ahead = f"{name} kept {margin(nearest, score)} more than {rival}"
    if number > 1:
        return f"{start}: {ahead} in every seed alike, and seeds that change nothing can't show what is chance."
    return f"{start}: {ahead} but in one seed ({_only_seed(nearest)}) alone, which can't show what is chance."


def _only_seed(found: PairedDifference) -> int:
    draw = next(iter(found.by_seed))
    return draw[1] if isinstance(draw, tuple) else draw


def _tested(found: PairedDifference, score: str) -> str:
    corrected = 1.0 if found.corrected_p is None else found.corrected_p
    number = found.comparisons
    after = f" after Holm's correction over the {number} pairs compared" if number > 1 else ""
    return f"{margin(found, score)} (95% interval of the paired difference; {chance(corrected)}{after})"


def _levels(winner: pd.Series, others: pd.DataFrame, measure: str, score: str) -> str:
    """The scores themselves; only the winner's has its interval, for two intervals side by side are no test."""
    where = "On the earlier tasks" if measure == "earlier_tasks" else "On its one task"
    if others.empty:
        return f"{where} its final model scores {_with_interval(winner, measure, score)}."
    nearest = others.iloc[0]
    return (
        f"{where} the final model of {winner['configuration']} scores {_with_interval(winner, measure, score)}, "
        f"that of {nearest['configuration']} {amount(nearest[measure], score)}."
    )


def _the_others(differences: Sequence[PairedDifference]) -> str:
    """Whether the differences to all but the next best stand."""
    if differences and len(differences[0].by_seed) == 1:
        return "Run more seeds before you rely on it."
    if len(differences) < 2:
        return ""
    stands = [each.rival for each in differences[1:] if each.is_established]
    open_ones = [each.rival for each in differences[1:] if not each.is_established]
    name, first_stands = differences[0].better, differences[0].is_established
    if not open_ones:
        return f"That {name} kept more than {_and(stands)} is established{' too' if first_stands else ''}."
    if not stands:
        return f"That {name} kept more than {_and(open_ones)} is not established{'' if first_stands else ' either'}."
    return f"That {name} kept more than {_and(stands)} is established; more than {_and(open_ones)}, it is not."


def _stands(found: PairedDifference | None) -> str:
    """Whether a difference stands, in parentheses after it; nothing where it can't be tested."""
    if found is None or found.corrected_p is None:
        return ""
    stands = "an established difference" if found.is_established else "a difference that is not established"
    return f" ({stands}, {chance(found.corrected_p)})"


def _forgot(winner: pd.Series, naive: pd.Series | None, found: PairedDifference | None, score: str) -> str:
    if pd.isna(winner["forgetting"]):
        return ""
    name, lost = winner["configuration"], winner["forgetting"] >= 0
    text = f"{name} forgot {difference(winner['forgetting'], score)} of what it had learned" if lost else (
        f"On the earlier tasks {name} got {difference(-winner['forgetting'], score)} better than at its best before"
    )  # fmt: skip
    if naive is None or pd.isna(naive["forgetting"]):
        return f"{text}."
    verb = "forgot {}" if naive["forgetting"] >= 0 else "got {} better"
    beside = verb.format(difference(abs(naive["forgetting"]), score))
    return f"{text}; {naive['configuration']} {beside}{_stands(found)}."


def _price(winner: pd.Series, naive: pd.Series | None, found: PairedDifference | None, score: str) -> str:
    """Tokens and operations are a strategy's own; seconds come last, with what they hold besides."""
    spent = [f"{_tokens(winner['target_tokens'])} tokens"]
    if pd.notna(winner["operations"]):
        spent.append(f"about {operations(winner['operations'])} floating-point operations")
    took = "" if pd.isna(winner["seconds"]) else (
        f" It took {winner['seconds']:.0f} s; other work on the machine is in that, so compare tokens and operations."
    )  # fmt: skip
    if naive is None:
        return f"The price: {_and(spent)} a run.{took}"
    worse = sign(score) * (naive["learning_accuracy"] - winner["learning_accuracy"])
    learned = f"it learned each new task {difference(abs(worse), score)} {'worse' if worse > 0 else 'better'}"
    learned += _stands(found)
    times = [_times(winner, naive, "target_tokens", "tokens"), _times(winner, naive, "operations", "operations")]
    known = [text for text in times if text]
    beside = f", and took {_and(known)}" if known else ""
    against = f"The price of {winner['configuration']} against {naive['configuration']}"
    return f"{against}: {learned}{beside} ({_and(spent)} a run).{took}"


def operations(number: float) -> str:
    """Floating-point operations with a power of ten in words that people know."""
    for size, unit in ((1e18, "exa"), (1e15, "peta"), (1e12, "tera"), (1e9, "giga")):
        if number >= 0.9995 * size:
            return f"{number / size:.3g} {unit}"
    return f"{number / 1e6:.3g} mega"


def _reference(table: pd.DataFrame, winner: pd.Series, measure: str, score: str) -> str:
    joint = table[(table["strategy"] == REFERENCE) & (table["experiment_id"] == winner["experiment_id"])]
    if joint.empty:
        return ""
    return (
        f"For reference, {joint.iloc[0]['configuration']}, which trains on all tasks so far at once, "
        f"scores {amount(joint.iloc[0][measure], score)}."
    )


def _still_open(rows: pd.DataFrame) -> str:
    waiting = rows[~rows["complete"].astype(bool) & rows["status"].isin(PENDING)]
    if waiting.empty:
        return ""
    names = [str(name) for name in waiting["configuration"].unique()]
    runs = f"{len(waiting)} of {len(rows)} runs {'is' if len(waiting) == 1 else 'are'} still to come"
    return f"This may change: {runs} ({_and(names)})."


def _naive_beside(table: pd.DataFrame, winner: pd.Series) -> pd.Series | None:
    naive = table[(table["strategy"] == "naive") & (table["experiment_id"] == winner["experiment_id"])]
    if naive.empty or winner["strategy"] == "naive":
        return None
    return naive.iloc[0]


def _with_interval(row: pd.Series, measure: str, score: str) -> str:
    text = amount(row[measure], score)
    text = f"{text} in {UNITS[score]}" if score == "perplexity" or score in SHARES else f"{text} {UNITS[score]}"
    if pd.isna(row[f"{measure}_low"]):
        return text
    return f"{text} (95% interval {amount(row[f'{measure}_low'], score)} to {amount(row[f'{measure}_high'], score)})"


def _times(one: pd.Series, other: pd.Series, name: str, noun: str) -> str:
    if not other[name] or pd.isna(one[name]) or pd.isna(other[name]):
        return ""
    return f"{one[name] / other[name]:.1f} times its {noun}"


def _tokens(number: Any) -> str:
    return "–" if pd.isna(number) else f"{number:,.0f}"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
