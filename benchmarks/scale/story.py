"""The events of a simulated run: those of a real one in number, kind and size, without any training."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine import events
from engine.events.scores import DocumentSums, Score

TASKS = ("support", "recipes")
_DOCUMENTS = 8
_POINT_STEPS = 1_000
_ENVIRONMENT = {
    "device": "cpu", "precision": "float32", "threads": 2, "python": "3.11.7", "torch": "2.9.1",
    "transformers": "4.57.1", "platform": "Linux-6.1-x86_64", "processor": "x86_64",
    "parameters": 124_439_808, "model_hash": "0" * 64,
}  # fmt: skip


@dataclass(frozen=True)
class Story:
    """What a simulated run does: two stages of `steps` / 2 steps, a look at the tasks every `evaluate_every` steps."""

    steps: int
    evaluate_every: int

    def events(self, folder: Path) -> Iterator[events.Event]:
        """Yield the run's events in order; it says to have saved its checkpoints under `folder`."""
        of_stage = self.steps // len(TASKS)
        yield events.RunStarted(of_stage * len(TASKS), len(TASKS), 0, _ENVIRONMENT, tuple(map(_facts, TASKS)))
        yield _look(0, 0, True)
        step = 0
        for stage, task in enumerate(TASKS, start=1):
            yield events.StageStarted(stage, task, step + 1, of_stage, 512 * of_stage)
            for _ in range(of_stage):
                step += 1
                yield _step(stage, step)
                if step % self.evaluate_every == 0:
                    yield _look(stage, step, False)
                if step % _POINT_STEPS == 0:
                    yield events.PointKept(step)
            yield _look(stage, step, True)
            yield events.StageFinished(stage, task, step, 0.02 * of_stage, 512 * of_stage, folder / f"stage-{stage}")
        yield events.RunFinished(0.02 * step)


def _step(stage: int, step: int) -> events.StepDone:
    loss = 3.0 + 1.0 / step
    terms = {"new": loss, "replay": loss / 2, "total": 1.5 * loss}
    return events.StepDone(stage, step, terms, 512, 0.02, 1e-4 / step, 1.0 + loss)


def _look(stage: int, step: int, whole: bool) -> events.Evaluated:
    scores = {task: Score(150.0 + step, 50, 210, 20) for task in TASKS}
    some = (10,) * _DOCUMENTS
    sums = DocumentSums((30.0,) * _DOCUMENTS, some, some, some, _DOCUMENTS, 4 * _DOCUMENTS)
    return events.Evaluated(stage, step, scores, scores if whole else None, 0.1, dict.fromkeys(TASKS, sums))


def _facts(task: str) -> dict[str, object]:
    return {
        "name": task, "kind": "text", "documents": 800, "held_out_documents": 200, "target_tokens": 100_000,
        "held_out_tokens": 25_000, "fingerprint": "0" * 16, "held_out_fingerprint": "0" * 16, "fill": 0.97,
    }  # fmt: skip
