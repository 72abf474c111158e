"""The view of what models can do beside their tasks: probes of every stage, and what other evaluations said."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from engine.common.errors import PalimpsestError
from engine.insight.harness_evaluations import COLUMNS, evaluations
from engine.insight.measures.probe_items import items_of
from engine.insight.measures.probes import ITEMS, PROBES
from engine.insight.requests import ProbesRequest, Source
from ui.abilities import words
from ui.abilities.harness import show_harness
from ui.abilities.table import example_html, table_html
from ui.server import session
from ui.understand.address import Address
from ui.understand.asking import show_asked
from ui.understand.models import Models
from ui.understand.pair_choice import show_no_stage
from ui.widgets.text import plain

EVERY, LAST = "every", "last"
_STAGES = {EVERY: words.EVERY, LAST: words.LAST}
Choices = dict[str, str | Sequence[str]]


def show_abilities(experiment_id: str, models: Models, address: Address) -> Choices:
    """Draw the view; gives the choices for the address."""
    if not models.stages:
        show_no_stage(experiment_id, words.TO_COME)
        return {}
    runs, which = _choose(experiment_id, models, address)
    choices: Choices = {"run": runs, "stages": which}
    if not runs:
        st.info(words.NO_RUN, icon=":material/info:")
        return choices
    base = next(source for source in models.names if source.stage == 0)
    stages = {run_id: models.stages[run_id] if which == EVERY else models.stages[run_id][-1:] for run_id in runs}
    shown = [base, *(Source(run_id, stage) for run_id in runs for stage in stages[run_id])]
    show_asked("abilities", ProbesRequest(tuple(shown)), partial(_draw, models, shown))
    _show_explanation()
    show_harness(models, shown)
    return choices


def _choose(experiment_id: str, models: Models, address: Address) -> tuple[list[str], str]:
    wide, narrow = st.columns([3, 2], vertical_alignment="bottom")
    named = [run_id for run_id in address.all("run") if run_id in models.stages]
    runs = wide.multiselect(
        words.RUNS, list(models.stages), default=named or list(models.stages)[:1],
        format_func=models.run_names.__getitem__, wrap=True, key=address.key(f"abilities_runs_{experiment_id}"),
        help=words.RUNS_HELP,
    )  # fmt: skip
    first = address.first("stages")
    which = narrow.segmented_control(
        words.STAGES_OF, list(_STAGES), default=first if first in _STAGES else EVERY, format_func=_STAGES.__getitem__,
        required=True, key=address.key(f"abilities_stages_{experiment_id}"),
        help=words.STAGES_OF_HELP,
    )  # fmt: skip
    return runs, str(which)


def _draw(models: Models, shown: Sequence[Source], rows: Any, grows: bool) -> None:
    try:
        others = evaluations(session.store(), models.run_ids)
        others.loc[others["stage"] == 0, "run_id"] = shown[0].run_id  # all runs begin from one base model
    except PalimpsestError as error:
        st.error(plain(str(error)), icon=":material/error:")
        others = pd.DataFrame(columns=list(COLUMNS))
    st.html(table_html(shown, models.names, rows or [], others))
    tested = words.TESTS_FOLLOW if grows else ""
    spread = "" if others.empty else words.STANDARD_ERROR
    st.caption(words.about_the_table(ITEMS, tested, spread))


def _show_explanation() -> None:
    with st.expander(words.ABOUT_PROBES, icon=":material/quiz:"):
        st.markdown(words.ABOUT_PROBES_TEXT)
        for probe in PROBES:
            item = items_of(probe)[1]
            st.html(example_html(probe, item.prompt, item.choices, item.right))
