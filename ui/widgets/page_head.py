"""The first line of every page: its title, its status and its main action."""

from dataclasses import dataclass
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.widgets.text import plain

Colour = Literal["blue", "green", "orange", "red", "gray", "violet"]


@dataclass(frozen=True)
class Status:
    """A badge: what it says, its colour and its icon."""

    label: str
    colour: Colour = "gray"
    icon: str | None = None


def page_head(title: str, status: Status | None = None, help: str | None = None) -> DeltaGenerator:
    """Show the title, printed as it is, and the status in one line. Gives the container at its right end, for the
    page's main action: `with page_head("Tasks"): st.button("Add a task", type="primary")`.

    On a phone what does not fit goes into a second line.
    """
    line = st.container(horizontal=True, vertical_alignment="center", gap="small", key="page_head")
    line.title(plain(title), help=help, anchor=False, width="content")
    if status is not None:
        line.badge(plain(status.label), color=status.colour, icon=status.icon)
    return line.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small")
