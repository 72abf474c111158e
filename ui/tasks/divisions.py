"""Contents divided into the documents of both sides, kept from one run of the page to the next."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from engine.common.errors import TaskError
from engine.tasks.columns import Columns
from engine.tasks.files.contents import Content
from engine.tasks.load import Divided, documents_of
from ui.tasks import form_words

_KEPT = "tasks_divisions"


@dataclass(frozen=True)
class Sources:
    """The usable contents of both sides; `held_out` is None where a share is held out instead."""

    train: tuple[Content, ...]
    held_out: tuple[Content, ...] | None
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    """Why files that were uploaded don't take part."""


@dataclass(frozen=True)
class Cutting:
    """The way that contents become the two sides of a task."""

    split: str
    columns: Columns
    share: float
    on_training: bool


def divisions(tasks: Sequence[Sources], cutting: Cutting) -> list[Divided | TaskError]:
    """The division of the contents of each task, or why there is none; those that were asked for last are kept."""
    known = st.session_state.get(_KEPT, {})
    # The contents are kept beside the key: as long as they live, no other object has their ids.
    kept = {
        key: known.get(key) or (sources, _divided(sources, cutting))
        for sources, key in ((each, _key(each, cutting)) for each in tasks)
    }
    st.session_state[_KEPT] = kept
    return [kept[_key(sources, cutting)][1] for sources in tasks]


def forget() -> None:
    """Keep none of them."""
    st.session_state.pop(_KEPT, None)


def _key(sources: Sources, cutting: Cutting) -> tuple[object, ...]:
    train = tuple(id(content) for content in sources.train)
    return train, None if sources.held_out is None else tuple(id(content) for content in sources.held_out), cutting


def _divided(sources: Sources, cutting: Cutting) -> Divided | TaskError:
    name = sources.names[0] if len(sources.names) == 1 else form_words.these_files(len(sources.names))
    try:
        return documents_of(
            name, sources.train, sources.held_out, cutting.split, cutting.columns, cutting.share,  # type: ignore[arg-type]
            on_training=cutting.on_training,
        )  # fmt: skip
    except TaskError as error:
        return error
