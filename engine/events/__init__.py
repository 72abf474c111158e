"""What a run and whoever drives it tell each other: events and scores go out; pause, resume and stop come in. It
imports no other room."""

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
