"""The queue of all experiments, which users put into another order."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pandas as pd
import streamlit as st

from engine.common.errors import PalimpsestError, StoreError
from figures.theme import brief_labels
from ui.live import data, words
from ui.server import actions
from ui.server.entrance import for_editors
from ui.widgets.choice_list import Row, choice_list
from ui.widgets.text import plain
from ui.widgets.words import with_seed

QUEUE_HEIGHT = "20rem"
_CHOSEN = "live_queue_chosen"


def show_queue(key: str, controls: bool) -> None:
    """Show the waiting runs in order, in a fold; with `controls` they can be put into another order. `key` is that of
    the fragment that draws it."""
    queue = data.feed().queue()
    data.saw(key, data.queue_facts(queue))
    if queue.empty:
        return
    fold = st.expander(
        words.queue_title(len(queue)), icon=":material/low_priority:", key="live_queue_fold", on_change="rerun"
    )
    if not fold.open:
        return
    with fold:
        st.caption(words.QUEUE_HELP)
        ids = queue["run_id"].tolist()
        chosen = st.session_state.get(_CHOSEN, "")
        chosen = chosen if chosen in ids else ids[0]
        if controls:
            _buttons(chosen, ids.index(chosen), len(ids), key)
        choice_list(
            queue_rows(queue), chosen, "live_queue", words.QUEUE_LIST, partial(_choose, key), chosen, QUEUE_HEIGHT
        )


def queue_rows(queue: pd.DataFrame) -> list[Row]:
    """One row a waiting run: its place, its name, its seed and its experiment."""
    labels = brief_labels(queue["label"])
    rows = []
    for place, run in enumerate(queue.to_dict("records"), start=1):
        name = with_seed(labels[run["label"]], run["seed"])
        rows.append(
            Row(str(run["run_id"]), f"{name} · {run['experiment']}", words.wanted(run["goes_next"]), str(place))
        )
    return rows


def _buttons(run_id: str, place: int, number: int, key: str) -> None:
    """What can be done with the chosen run; every button stays where it is, so that it keeps the focus."""
    with st.container(horizontal=True):
        buttons: list[tuple[str, str, str, Callable[[], None], bool]] = [
            (words.RUN_NEXT, words.RUN_NEXT_HELP, "first_page", partial(actions.run_next, run_id), False),
            (words.EARLIER, words.EARLIER_HELP, "arrow_upward", partial(actions.move_in_queue, run_id, -1), place == 0),
            (words.LATER, words.LATER_HELP, "arrow_downward", partial(actions.move_in_queue, run_id, 1),
             place == number - 1),
            (words.TAKE_OUT, words.TAKE_OUT_HELP, "remove", partial(actions.stop, run_id), False),
        ]  # fmt: skip
        for label, help_text, icon, act, disabled in buttons:
            st.button(
                label, key=f"live_queue_{icon}", icon=f":material/{icon}:", on_click=_do, args=(act, key),
                **for_editors(help_text, disabled),
            )  # fmt: skip


def _choose(key: str, run_id: str) -> None:
    st.session_state[_CHOSEN] = run_id
    st.rerun(key)


def _do(act: Callable[[], None], key: str) -> None:
    try:
        act()
    except PalimpsestError as error:
        st.toast(plain(str(error)), icon=":material/error:")
    with suppress(StoreError):
        data.feed().look_again()
