"""The comparison in plain words: which configuration kept most, at what price, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.common.numerals import written
from engine.results.comparison import REFERENCE, configuration_frame, sign
from engine.results.fairness import PENDING

UNITS = {
    "bits_per_byte": "bits per byte",
    "nats_per_token": "nats per token",
    "perplexity": "perplexity",
    "accuracy": "accuracy",
}


@dataclass(frozen=True)
class Verdict:
    """The comparison in sentences. They hold the user's names, so pages must escape them."""

    sentences: tuple[str, ...]
    winner: str | None
    """The configuration that kept most, or None where nothing can be said."""
    clear: bool
    """Whether the winner's interval is apart from that of every other configuration."""


def common_seeds(rows: pd.DataFrame) -> frozenset[int]:
    """The seeds that every configuration with a complete run has completed."""
    done = rows[rows["complete"].astype(bool)]
    seeds = [frozenset(int(s) for s in group["seed"]) for _, group in done.groupby("configuration", sort=False)]
    return frozenset.intersection(*seeds) if seeds else frozenset()


def verdict(rows: pd.DataFrame, score: str) -> Verdict:
    """Judge the runs of `rows` (a run frame) over the seeds that all its configurations have completed.

    "Kept most" is the best mean score of the final model on the earlier tasks, so that a model which never
    learned them can't win; with a single task it is the average. joint is the reference and can't win.
    """
    seeds = common_seeds(rows)
    table = configuration_frame(rows[rows["seed"].isin(seeds) | ~rows["complete"].astype(bool)])
    table = table[table["complete"] > 0] if len(table) else table
    rivals = table[table["strategy"] != REFERENCE] if len(table) else table
    if rivals.empty:
        waiting = "No run that can be compared is finished yet, so there is nothing to say about what was kept."
        only = "Only the joint reference is finished; a verdict needs another strategy beside it."
        return Verdict((only if len(table) else waiting,), None, False)
    measure = "earlier_tasks" if rivals["earlier_tasks"].notna().all() else "average"
    ranked = rivals.loc[(rivals[measure] * sign(score)).sort_values(ascending=False).index]
    winner, others = ranked.iloc[0], ranked.iloc[1:]
    within = [str(row["configuration"]) for _, row in others.iterrows() if not _apart(winner, row, measure)]
    sentences = [_kept(winner, others, measure, score), _certainty(others, within, seeds)]
    naive = _naive_beside(table, winner)
    sentences += [_forgot(winner, naive, score), _price(winner, naive, score)]
    sentences += [_reference(table, winner, measure, score), _still_open(rows)]
    clear = bool(len(others)) and not within and len(seeds) > 1
    return Verdict(tuple(s for s in sentences if s), str(winner["configuration"]), clear)


def amount(value: float, score: str) -> str:
    """A score as people read it, without its unit."""
    return written(value, {"accuracy": ".1%", "perplexity": ".4g"}.get(score, ".3f"))


def difference(value: float, score: str) -> str:
    """A difference of scores as people read it, with its unit."""
    if score == "accuracy":
        return f"{written(100 * value, '.1f')} points"
    return f"{amount(value, score)} {'in perplexity' if score == 'perplexity' else UNITS[score]}"


def _kept(winner: pd.Series, others: pd.DataFrame, measure: str, score: str) -> str:
    where = "on the earlier tasks" if measure == "earlier_tasks" else "on its one task"
    text = (
        f"{winner['configuration']} kept most: {where} its final model scores {_with_interval(winner, measure, score)}"
    )
    if others.empty:
        return f"{text}. No other strategy is finished to compare it with."
    runner_up = others.iloc[0]
    return f"{text}; next is {runner_up['configuration']} with {_with_interval(runner_up, measure, score, False)}."


def _certainty(others: pd.DataFrame, within: Sequence[str], seeds: frozenset[int]) -> str:
    if others.empty:
        return ""
    if len(seeds) == 1:
        seed = next(iter(seeds))
        return f"This rests on one seed ({seed}), so there is no interval: run more seeds before you rely on it."
    if not within:
        return f"Its 95% interval over {len(seeds)} seeds is apart from every other strategy's."
    return f"Over {len(seeds)} seeds it is within the interval of {_and(within)}: that difference is not established."


def _forgot(winner: pd.Series, naive: pd.Series | None, score: str) -> str:
    if pd.isna(winner["forgetting"]):
        return ""
    lost = winner["forgetting"] >= 0
    text = f"It forgot {difference(winner['forgetting'], score)} of what it had learned" if lost else (
        f"On the earlier tasks it got {difference(-winner['forgetting'], score)} better than at its best before"
    )  # fmt: skip
    if naive is None or pd.isna(naive["forgetting"]):
        return f"{text}."
    verb = "forgot {}" if naive["forgetting"] >= 0 else "got {} better"
    text = f"{text}; {naive['configuration']} {verb.format(difference(abs(naive['forgetting']), score))}"
    if pd.isna(winner["forgetting_low"]) or pd.isna(naive["forgetting_low"]):
        return f"{text}."
    return f"{text} ({'the intervals are apart' if _apart(winner, naive, 'forgetting') else 'within the interval'})."


def _price(winner: pd.Series, naive: pd.Series | None, score: str) -> str:
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
    if not _apart(winner, naive, "learning_accuracy") and pd.notna(winner["learning_accuracy_low"]):
        learned += " (within the interval)"
    times = [_times(winner, naive, "target_tokens", "tokens"), _times(winner, naive, "operations", "operations")]
    known = [text for text in times if text]
    beside = f", and took {_and(known)}" if known else ""
    return f"The price against {naive['configuration']}: {learned}{beside} ({_and(spent)} a run).{took}"


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


def _apart(one: pd.Series, other: pd.Series, measure: str) -> bool:
    bounds = [one[f"{measure}_low"], one[f"{measure}_high"], other[f"{measure}_low"], other[f"{measure}_high"]]
    if any(pd.isna(bound) for bound in bounds):
        return False
    return bool(bounds[1] < bounds[2] or bounds[3] < bounds[0])


def _with_interval(row: pd.Series, measure: str, score: str, unit: bool = True) -> str:
    text = amount(row[measure], score)
    if unit:
        text = f"{text} in {UNITS[score]}" if score in ("perplexity", "accuracy") else f"{text} {UNITS[score]}"
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
