"""A run and whoever drives it talk to each other through this room: events and scores go out; pause, resume and stop
come in. It imports `common` alone."""

from engine.events.run_events import (
    Evaluated,
    Event,
    Phase,
    PointKept,
    RunFinished,
    RunStarted,
    RunStopped,
    StageFinished,
    StageStarted,
    StepDone,
    Waiting,
)

__all__ = [
    "Evaluated",
    "Event",
    "Phase",
    "PointKept",
    "RunFinished",
    "RunStarted",
    "RunStopped",
    "StageFinished",
    "StageStarted",
    "StepDone",
    "Waiting",
]
