"""Runs that lose what a test says, and what models would have said of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import events
from engine.driving.driver import drive
from engine.events.control import Control
from engine.events.scores import Score
from engine.insight.kept_results import JSON_FILE, kept_name, kept_results
from engine.insight.report_results import report_key
from engine.insight.requests import ReportTask
from engine.store import Store
from tests.fake_runs import FakeRun, experiment
from ui.compare.compared_runs import Comparison, compare, read

EVIL = "<script>alert(1)</script>"
LOST = {"naive": 2.0, "replay": 0.5, "ewc": 1.0, "joint": 0.1}
"""Nats a token, for every stage after a task's own."""


class Forgetting(FakeRun):
    """4 nats a token before a task's own stage, 2 after it, and what the strategy loses in every later stage."""

    def __init__(
        self, lost: Mapping[str, float] = LOST, kind: str = "text", failing: Sequence[tuple[str, int]] = ()
    ) -> None:
        """`failing` names runs by strategy and seed."""
        super().__init__(error=MemoryError())
        self.lost, self.kind, self.failing = lost, kind, failing

    def __call__(self, experiment: Any, run: Any, *args: Any, **kwargs: Any) -> Iterator[events.Event]:
        self.fail_at = 2 if (run.strategy, run.seed) in self.failing else None
        for event in super().__call__(experiment, run, *args, **kwargs):
            if isinstance(event, events.RunStarted):
                yield replace(event, tasks=tuple(fact | {"kind": self.kind} for fact in event.tasks))
            elif isinstance(event, events.Evaluated) and event.whole is not None:
                scores = {}
                for number, name in enumerate(event.whole, start=1):
                    later = event.stage - number
                    nats = 4.0 if later < 0 else 2.0 + self.lost[run.strategy] * later * number
                    scores[name] = Score(nats * 50, 50, 100, 10)
                yield replace(event, sample=scores, whole=scores)
            else:
                yield event


def trained(
    store: Store, folder: Path, run: FakeRun | None = None, tasks: Sequence[str] = ("bread", "tea"), **changes: Any
) -> str:
    """The id of an experiment whose runs are over."""
    specs = []
    for name in tasks:
        path = folder / f"{len(specs)}.txt"
        path.write_text("\n\n".join(f"Note {n}." for n in range(20)), encoding="utf-8")
        specs.append({"name": name, "train": [str(path)]})
    experiment_id = store.add_experiment(experiment(folder, **({"tasks": specs} | changes)))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), run or Forgetting())
    return experiment_id


def compared(store: Store, *ids: str, score: str = "bits_per_byte", judge_all: bool = False) -> Comparison:
    every = read(store, ids, score)
    return compare(every, list(every.runs["run_id"]), judge_all)


def keep(store: Store, task: ReportTask, found: Any) -> None:
    """As the desk's process keeps what it has computed."""
    key = report_key(store, task)
    assert key is not None
    kept_results(store.folder).files(
        kept_name(key), lambda folder: (folder / JSON_FILE).write_text(json.dumps(found), encoding="utf-8")
    )


def piece(text: str, change: float = -2.0, is_target: bool = True) -> dict[str, Any]:
    return {"text": text, "is_target": is_target, "change": change, "before": 0.5, "after": 0.07, "instead": EVIL}


def computed(spans: int = 2, answers: Any = None, no_answers: str = "") -> dict[str, Any]:
    """What the engine would keep of a task, in little."""
    pieces = [piece("<|bos|>", is_target=False), piece("Q: ", is_target=False), piece(EVIL), piece(" of bread", 0.5)]
    each = [{"before": 2.0, "after": 2.5 + n, "lost": 0.5 + n, "pieces": pieces} for n in range(spans)]
    passage = {"document": 6, "spans": each, "begins_at": 0, "left_out": 12}
    return {"documents": 9, "worse": 7, "passages": [passage], "answers": answers, "no_answers": no_answers}


def answered(spans: int = 2) -> dict[str, Any]:
    """Answers as they are kept: one that turned wrong."""
    scores = {"before": {"exact": 0.5, "f1": 0.7}, "after": {"exact": 0.25, "f1": 0.3}}
    right, wrong = {"text": EVIL, "exact": True, "f1": 1.0}, {"text": "  ", "exact": False, "f1": 0.0}
    row = {"document": 3, "prompt": f"Q: {EVIL}", "expected": EVIL, "before": right, "after": [wrong, right][:spans]}
    span = {"scores": scores, "lost": 1, "gained": 0, "p": 1.0, "left_out": 0}
    return {"asked": 4, "spans": [span] * spans, "rows": [row]}
