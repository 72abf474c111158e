"""What the order of the tasks does beside the strategy, where an experiment varies it: a table of both, a sentence."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from engine.experiments.orders import order_number
from engine.results.effects.order_effects import OrderEffects, order_effects
from figures.report import Section
from figures.theme import brief_labels
from ui.compare import table_words
from ui.compare.compared_runs import Comparison
from ui.compare.tables import MEASURE_COLUMNS, NOTHING, number
from ui.widgets.text import plain

MEASURES = ("average", "backward_transfer")


def show_orders(comparison: Comparison) -> None:
    """Draw the table and its sentence for one of two measures; nothing where the order of the tasks does not vary."""
    if not _varies(comparison):
        return
    st.subheader(table_words.ORDERS)
    names = {name: MEASURE_COLUMNS[name].title for name in MEASURES}
    measure = st.segmented_control(
        table_words.MEASURE, MEASURES, default=MEASURES[0], required=True, format_func=names.__getitem__,
        key="compare_orders_measure", help=table_words.MEASURE_HELP,
    )  # fmt: skip
    effects = _effects(comparison, str(measure))
    if effects is None:
        st.caption(table_words.NO_ORDERS_YET)
        return
    numbers = _numbers(comparison, effects)
    view = orders_table(effects, numbers, str(measure), comparison.score)
    helps = table_words.ORDER_HELPS | {
        table_words.order(each): " → ".join(order) for each, order in zip(numbers, effects.orders, strict=True)
    }
    st.markdown(plain(sentence(effects, names[str(measure)])))
    st.dataframe(
        view,
        key="compare_orders",
        hide_index=True,
        height="content",
        alt=f"{table_words.ORDERS}: {names[str(measure)]}",
        column_config={table_words.STRATEGY: st.column_config.TextColumn(pinned=True)}
        | {name: st.column_config.TextColumn(help=plain(text)) for name, text in helps.items()},
    )
    st.caption(plain(_legend(effects, numbers)))


def order_sections(comparison: Comparison) -> list[Section]:
    """The same for a report, a section for each measure."""
    found = []
    for measure in MEASURES if _varies(comparison) else ():
        if (effects := _effects(comparison, measure)) is not None:
            numbers, name = _numbers(comparison, effects), MEASURE_COLUMNS[measure].title
            table = orders_table(effects, numbers, measure, comparison.score)
            spread = table_words.BETWEEN_ORDERS
            about = f"{spread}: {table_words.ORDER_HELPS[spread]}"
            text = f"{sentence(effects, name)} {_legend(effects, numbers)} {about}"
            found.append(Section(f"{table_words.ORDERS}: {name}", text, table=table))
    return found


def orders_table(effects: OrderEffects, numbers: Sequence[int], measure: str, score: str) -> pd.DataFrame:
    """A row per strategy, a column per order, as text; with the means and spreads of both."""
    brief = brief_labels(effects.strategies)
    columns = [table_words.order(each) for each in numbers]
    rows = []
    for strategy, means, (mean, spread) in zip(effects.strategies, effects.means, effects.of_strategies, strict=True):
        cells = {column: number(float(value), measure, score) for column, value in zip(columns, means, strict=True)}
        rows.append(
            {
                table_words.STRATEGY: brief[strategy],
                **cells,
                table_words.ALL_ORDERS: number(mean, measure, score),
                table_words.BETWEEN_ORDERS: _spread(spread, score),
            }
        )
    if len(rows) > 1:
        spreads = {
            column: _spread(spread, score) for column, (_, spread) in zip(columns, effects.of_orders, strict=True)
        }
        rows.append(
            {
                table_words.STRATEGY: table_words.BETWEEN_STRATEGIES,
                **spreads,
                table_words.ALL_ORDERS: "",
                table_words.BETWEEN_ORDERS: "",
            }
        )
    return pd.DataFrame(rows)


def sentence(effects: OrderEffects, measure: str) -> str:
    """Which share of the variance between the runs the strategy explains, and which the order."""
    shares = effects.parts.shares
    if shares is None:
        return table_words.same_scores(measure)
    strategy = shares["strategy"] if len(effects.strategies) > 1 else None
    seeds = shares["seeds"] if len(effects.seeds) > 1 else None
    return table_words.explained(measure, strategy, shares["order"], shares["both"], seeds)


def _spread(value: float | None, score: str) -> str:
    return NOTHING if value is None else number(value, "forgetting", score).lstrip("+")


def _legend(effects: OrderEffects, numbers: Sequence[int]) -> str:
    named = zip(numbers, effects.orders, strict=True)
    orders = [f"{table_words.order(each)}: {' → '.join(order)}." for each, order in named]
    return table_words.about_orders(orders, effects.seeds)


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
