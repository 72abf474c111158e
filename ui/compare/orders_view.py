"""What the order of the tasks does beside the strategy, where an experiment varies it: a table of both, a sentence."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from engine.common.numerals import percent
from engine.experiments.orders import order_number
from engine.results.effects.order_effects import OrderEffects, order_effects
from figures.report import Section
from figures.theme import brief_labels
from ui.compare.compared_runs import Comparison
from ui.compare.tables import MEASURE_COLUMNS, NOTHING, number
from ui.widgets.text import plain

TITLE = "Order of the tasks"
MEASURES = ("average", "backward_transfer")
STRATEGY, MEAN, SPREAD = "Strategy", "All orders", "Between orders"
BETWEEN = "Between strategies"
MEASURE = "Measure"
MEASURE_HELP = (
    "What of a run the table shows: the final score over all tasks, or what later stages did to earlier ones."
)
HELPS = {
    MEAN: "Mean over the orders and seeds.",
    SPREAD: "Standard deviation of a strategy's means from order to order: what the order alone does to it.",
}


def show_orders(comparison: Comparison) -> None:
    """Draw the table and its sentence for one of two measures; nothing where the order of the tasks does not vary."""
    if not _varies(comparison):
        return
    st.subheader(TITLE)
    names = {name: MEASURE_COLUMNS[name].title for name in MEASURES}
    measure = st.segmented_control(
        MEASURE, MEASURES, default=MEASURES[0], required=True, format_func=names.__getitem__,
        key="compare_orders_measure", help=MEASURE_HELP,
    )  # fmt: skip
    effects = _effects(comparison, str(measure))
    if effects is None:
        st.caption(_not_yet())
        return
    numbers = _numbers(comparison, effects)
    view = orders_table(effects, numbers, str(measure), comparison.score)
    helps = HELPS | {f"Order {each}": " → ".join(order) for each, order in zip(numbers, effects.orders, strict=True)}
    st.markdown(plain(sentence(effects, names[str(measure)])))
    st.dataframe(
        view, key="compare_orders", hide_index=True, height="content", alt=f"{TITLE}: {names[str(measure)]}",
        column_config={STRATEGY: st.column_config.TextColumn(pinned=True)}
        | {name: st.column_config.TextColumn(help=plain(text)) for name, text in helps.items()},
    )  # fmt: skip
    st.caption(plain(_legend(effects, numbers)))


def order_sections(comparison: Comparison) -> list[Section]:
    """The same for a report, a section for each measure."""
    found = []
    for measure in MEASURES if _varies(comparison) else ():
        if (effects := _effects(comparison, measure)) is not None:
            numbers, name = _numbers(comparison, effects), MEASURE_COLUMNS[measure].title
            table = orders_table(effects, numbers, measure, comparison.score)
            text = f"{sentence(effects, name)} {_legend(effects, numbers)} {SPREAD}: {HELPS[SPREAD]}"
            found.append(Section(f"{TITLE}: {name}", text, table=table))
    return found


def orders_table(effects: OrderEffects, numbers: Sequence[int], measure: str, score: str) -> pd.DataFrame:
    """A row per strategy, a column per order, as text; with the means and spreads of both."""
    brief = brief_labels(effects.strategies)
    columns = [f"Order {each}" for each in numbers]
    rows = []
    for strategy, means, (mean, spread) in zip(effects.strategies, effects.means, effects.of_strategies, strict=True):
        cells = {column: number(float(value), measure, score) for column, value in zip(columns, means, strict=True)}
        rows.append(
            {STRATEGY: brief[strategy], **cells, MEAN: number(mean, measure, score), SPREAD: _spread(spread, score)}
        )
    if len(rows) > 1:
        spreads = {
            column: _spread(spread, score) for column, (_, spread) in zip(columns, effects.of_orders, strict=True)
        }
        rows.append({STRATEGY: BETWEEN, **spreads, MEAN: "", SPREAD: ""})
    return pd.DataFrame(rows)


def sentence(effects: OrderEffects, measure: str) -> str:
    """Which share of the variance between the runs the strategy explains, and which the order."""
    shares = effects.parts.shares
    if shares is None:
        return f"{measure}: all runs score the same, whatever the strategy and the order."
    parts = [f"the order explains {percent(shares['order'])}"]
    if len(effects.strategies) > 1:
        both = f"{percent(shares['both'])} (a strategy that does better in one order than in another)"
        parts = [
            f"the strategy explains {percent(shares['strategy'])}",
            f"the order {percent(shares['order'])}",
            f"the two together {both}",
        ]
    if len(effects.seeds) > 1:
        parts.append(f"the seed {percent(shares['seeds'])}")
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
    return f"{measure}: of the variance between these runs {listed}."


def _spread(value: float | None, score: str) -> str:
    return NOTHING if value is None else number(value, "forgetting", score).lstrip("+")


def _legend(effects: OrderEffects, numbers: Sequence[int]) -> str:
    orders = [f"Order {each}: {' → '.join(order)}." for each, order in zip(numbers, effects.orders, strict=True)]
    seeds = ", ".join(map(str, effects.seeds))
    word = "seed" if len(effects.seeds) == 1 else "seeds"
    return f"{' '.join(orders)} Means over {word} {seeds}, which every strategy has finished in every order shown."


def _not_yet() -> str:
    return "This appears once every strategy has finished two orders with a seed in common."


def _varies(comparison: Comparison) -> bool:
    return bool(comparison.runs["task_order"].notna().any())


def _effects(comparison: Comparison, measure: str) -> OrderEffects | None:
    """Over the runs that the verdict rests on."""
    return order_effects(comparison.runs[comparison.runs["run_id"].isin(comparison.judged)], measure)


def _numbers(comparison: Comparison, effects: OrderEffects) -> list[int]:
    """The orders' numbers as labels have them; counted from 1 where several experiments number theirs."""
    known: Mapping[tuple[str, ...], int | None] = {
        run["draw"][0]: order_number(str(run["label"])) for run in comparison.runs.to_dict("records")
    }
    found = [known[order] for order in effects.orders]
    is_one = comparison.runs["experiment_id"].nunique() == 1 and None not in found
    return [each for each in found if each is not None] if is_one else list(range(1, len(found) + 1))
