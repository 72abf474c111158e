"""All routes of the server, declared once: their addresses, parameters and answers, for serving and for describing
them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from engine.events.scores import ANSWER_SCORES, SCORE_NAMES
from ui.api.parameters import OneOf, Parameter, Text, Whole
from ui.api.schemas import Schema, listed, named, record
from ui.api.sources import Sources

MOST_STEPS = 10**12
_ID = {"experiment_id": "The id of an experiment.", "run_id": "The id of a run."}
_SCORE = OneOf("score", "nats_per_token", (*SCORE_NAMES, *ANSWER_SCORES), "The held-out score that is shown.")


@dataclass(frozen=True)
class Resource:
    """One route."""

    path: str
    summary: str
    made_by: str
    """Module and function, which are loaded at the first question: the server listens before pandas is there."""
    answer: Schema
    parameters: tuple[Parameter, ...] = ()
    seconds: float = 1.0
    """Between two looks of a page."""

    @property
    def ids(self) -> dict[str, str]:
        """The parameters in the path, with what they mean."""
        return {name: meaning for name, meaning in _ID.items() if "{" + name + "}" in self.path}

    def make(self, sources: Sources, values: Mapping[str, Any]) -> dict[str, Any]:
        """The answer as plain data. Raises RequestError."""
        module, _, function = self.made_by.partition(":")
        made: Callable[..., dict[str, Any]] = getattr(import_module(f"ui.api.{module}"), function)
        return made(sources, values)


RESOURCES = (
    Resource(
        "/experiments", "All experiments, the newest first", "records:experiments",
        record("All experiments.", experiments=listed(named("Experiment"))),
    ),
    Resource(
        "/experiments/{experiment_id}", "One experiment, with what it compares", "records:experiment",
        named("ExperimentInFull"),
    ),
    Resource(
        "/experiments/{experiment_id}/runs", "The runs of an experiment, in their order", "records:runs",
        record("The runs of an experiment.", experiment_id={"type": "string"}, runs=listed(named("Run"))),
    ),
    Resource("/runs/{run_id}", "How far one run is", "records:run", named("Run")),
    Resource(
        "/runs/{run_id}/points", "Losses, held-out scores and stages of a run, as far as they are new",
        "records:points", named("Points"),
        (
            Whole("after", -1, -1, MOST_STEPS, "The newest step that is known already; -1 for everything. Losses of "
                  "later steps are sent, and scores of this step and later ones: a step is scored after it was "
                  "recorded. Where `attempt` is another one than before, a stage was trained again: begin anew."),
            Whole("most", 1500, 8, 1_000_000, "The most points that a line of losses has: of longer ones the first, "
                  "lowest, highest and last point of every stretch are sent."),
        ),
    ),
    Resource("/runs/{run_id}/matrix", "The score matrix of a run", "records:matrix", named("Matrix")),
    Resource(
        "/runs/{run_id}/figures/losses", "The chart of a run's losses, as the Live page shows it", "pictures:losses",
        named("Growing"), (_SCORE, Text("base", "", "The base of the last answer, whose figure is known.")),
    ),
    Resource(
        "/runs/{run_id}/figures/matrix", "The chart of a run's score matrix", "pictures:matrix",
        named("FigureWithNotes"), (_SCORE,), 4.0,
    ),
    Resource(
        "/runs/{run_id}/figures/cell", "The chart of a task's scores inside one stage", "pictures:cell",
        named("Figure"),
        (_SCORE, Whole("stage", None, 0, 1000, "The stage."), Text("task", None, "The task.")), 4.0,
    ),
    Resource(
        "/going", "Whether the runs that have not ended are still the same", "pictures:going",
        record("A word that is another one when a run is added or ends.", structure={"type": "string"}), seconds=4.0,
    ),
    Resource("/runs/{run_id}/glance", "How far a run and its experiment are, in words", "pictures:glance",
             named("Glance"), seconds=2.0),
)  # fmt: skip
