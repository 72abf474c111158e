"""Start: what this is, the demo, the latest experiments."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from engine.common.errors import PalimpsestError
from engine.experiments.demo import demo_experiment
from ui.server import actions, session
from ui.server.entrance import for_editors
from ui.widgets.text import plain, plural

SHOWN = 8
STATUS = {
    "running": ("Running", "blue", ":material/play_arrow:"),
    "queued": ("Waiting", "gray", ":material/schedule:"),
    "paused": ("Paused", "orange", ":material/pause:"),
    "stopped": ("Stopped", "gray", ":material/stop:"),
    "interrupted": ("Interrupted", "orange", ":material/power_off:"),
    "failed": ("Failed", "red", ":material/error:"),
    "finished": ("Finished", "green", ":material/check:"),
}


def introduction() -> None:
    st.title("Palimpsest")
    st.markdown(
        "Teach one language model task after task, and see what it **forgets**. Give it texts in an order, choose how "
        "to protect what it already knows, watch it learn, compare the strategies, and keep the model that kept most."
    )


def way() -> None:
    st.subheader("With texts of your own")
    steps = (
        (":material/library_books:", "Tasks", session.TASKS, "Upload or paste texts, or take the samples."),
        (":material/science:", "Experiment", session.EXPERIMENT, "Choose model, strategies and how strongly they act."),
        (
            ":material/monitoring:",
            "Live",
            session.LIVE,
            "Watch the losses, and what a new task does to the old.",
        ),
        (":material/compare_arrows:", "Compare", session.COMPARE, "See what each strategy kept; download the model."),
        (":material/forum:", "Understand", session.UNDERSTAND, "Ask the models; read what they forgot, word by word."),
    )
    for column, (icon, title, page, text) in zip(st.columns(len(steps)), steps, strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(page, label=f"**{title}**", icon=icon, help=text)
            st.caption(text)


def demo() -> None:
    with st.container(border=True):
        st.subheader("See it in three minutes")
        st.markdown(
            "A small model that comes with Palimpsest learns three short tasks, once with each strategy: plain "
            "fine-tuning, replay, EWC, both together, and all tasks at once as the reference. "
            "It runs on this machine, with no download."
        )
        pressed = st.button(
            "Run the demo",
            key="start_demo",
            type="primary",
            icon=":material/play_circle:",
            **for_editors("Queues a small experiment on the built-in samples and opens its live view."),
        )
        if pressed:
            try:
                experiment_id = actions.start(demo_experiment())
            except PalimpsestError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                session.go_to(session.LIVE, experiment_id)


def latest(experiments: list[dict[str, Any]]) -> None:
    st.subheader("Latest experiments")
    if not experiments:
        st.info("None yet. Run the demo, or put tasks into the library and set up your own.", icon=":material/info:")
        return
    for row in experiments[:SHOWN]:
        with st.container(border=True):
            experiment_row(row)
    hidden = len(experiments) - SHOWN
    if hidden > 0:
        st.caption(f"and {plural(hidden, 'older one')}, to be chosen on the Live and Compare pages")


def experiment_row(row: dict[str, Any]) -> None:
    label, colour, icon = STATUS.get(row["status"], (str(row["status"]), "gray", ":material/help:"))
    status, facts, links = st.columns([3, 13, 8], vertical_alignment="center")
    status.badge(label, color=colour, icon=icon)
    with facts:
        st.markdown(f"**{plain(row['name'])}**")
        st.caption(_facts(row))
    with links.container(horizontal=True, horizontal_alignment="right"):
        for page, title, symbol, help_text in (
            (session.LIVE, "Live", ":material/monitoring:", "Curves and matrix of its runs."),
            (session.COMPARE, "Compare", ":material/compare_arrows:", "Its strategies side by side."),
            (session.EXPERIMENT, "Reuse", ":material/edit_note:", "A new experiment that starts from its settings."),
        ):
            session.experiment_link(page, row["experiment_id"], title, symbol, help_text)


def _facts(row: dict[str, Any]) -> str:
    tasks = row["tasks"]
    names = [str(name) for name in tasks] if isinstance(tasks, list | tuple) else [str(tasks)]
    when = datetime.fromtimestamp(row["created_at"], UTC).strftime("%d\u00a0%b\u00a0%Y,\u00a0%H:%M")
    return plain(f"{row['finished']} of {row['runs']} runs finished · {row['model']} · {' → '.join(names)} · {when}")


def page() -> None:
    introduction()
    watching = session.runner().watching
    if watching:
        st.warning(
            f"{plain(str(watching))} already works on this data folder. This one only watches: what you queue here "
            "runs over there.",
            icon=":material/visibility:",
        )
    demo()
    way()
    latest(session.store().experiment_rows())


page()
