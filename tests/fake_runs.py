"""A run that trains nothing: the events of a real one, at any pace, for tests of all that follows training."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from engine import events
from engine.common.durable_files import seal
from engine.events.control import Control, Stopped
from engine.events.scores import GENERAL, AnswerSums, DocumentSums, GuardOutcome, Score
from engine.experiments.experiment import Experiment, RunSpec, experiment_from

STEPS = 4
"""Per stage."""


def experiment(folder: Path, **changes: object) -> Experiment:
    """Two small tasks on disk, two strategies, one seed."""
    tasks = []
    for number, name in enumerate(("bread", "tea"), start=1):
        path = folder / f"{name}.txt"
        path.write_text("\n\n".join(f"Note {n} of {name}: {n * number} cups." for n in range(20)), encoding="utf-8")
        tasks.append({"name": name, "train": [str(path)]})
    data = {
        "name": "kitchen",
        "tasks": tasks,
        "strategies": ["naive", {"replay": {"replay_weight": 0.5}}],
        "seeds": [0],
    }
    return experiment_from(data | changes)


class FakeRun:
    """Stands in for `execute_run`. A step waits `step_seconds`; `fail_at` raises `error` before that step. With
    `beside` it says what became of a general text, of guards and of the first task's questions too."""

    def __init__(
        self,
        step_seconds: float = 0.0,
        fail_at: int | None = None,
        error: Exception | None = None,
        beside: bool = False,
    ) -> None:
        self.beside = beside
        self.step_seconds, self.fail_at, self.error = step_seconds, fail_at, error
        self.started: list[tuple[str, int, int]] = []
        """Strategy, seed and finished stages of every call, in order."""
        self.fingerprint = self.held_out_fingerprint = "same"
        self.before_step: Callable[[int], None] | None = None

    def __call__(
        self,
        experiment: Experiment,
        run: RunSpec,
        folder: Path,
        control: Control,
        finished_stages: int = 0,
        shared_folder: Path | None = None,
    ) -> Iterator[events.Event]:
        self.started.append((run.strategy, run.seed, finished_stages))
        names = [task.name for task in experiment.in_order(run.order).tasks]
        prints = {"fingerprint": self.fingerprint, "held_out_fingerprint": self.held_out_fingerprint}
        guards = len(experiment.guards) if self.beside else None
        facts = tuple(
            {"name": name, "documents": 18, "questions": 20 if self.beside and not number else 0} | prints
            for number, name in enumerate(names)
        )
        yield events.RunStarted(STEPS * len(names), len(names), finished_stages, {"device": "cpu"}, facts)
        stage, step = finished_stages, finished_stages * STEPS
        try:
            if not finished_stages:
                yield evaluated(names, 0, 0, True, guards)
            for stage in range(finished_stages + 1, len(names) + 1):
                said = ("A sentence with <b>a mark</b>.",) if stage == 2 else ()
                yield events.StageStarted(stage, names[stage - 1], step + 1, STEPS, 100 * STEPS, remarks=said)
                for _ in range(STEPS):
                    self._work(control, step + 1)
                    step += 1
                    terms = {"new": 3.0 / step, "total": 3.0 / step + run.seed}
                    yield events.StepDone(stage, step, terms, 100, 0.01, 1e-3, 1.0)
                    if step % STEPS == STEPS // 2:
                        yield evaluated(names, stage, step, False, guards)
                yield evaluated(names, stage, step, True, guards)
                checkpoint = save(folder / f"stage-{stage}")
                yield events.StageFinished(stage, names[stage - 1], step, 0.5, 100 * STEPS, checkpoint)
            yield events.RunFinished(1.0)
        except Stopped:
            yield events.RunStopped(stage, step, save(folder / "stopped") if step else None, step or None)

    def _work(self, control: Control, step: int) -> None:
        if self.before_step is not None:
            self.before_step(step)
        control.check()
        time.sleep(self.step_seconds)
        if step == self.fail_at and self.error is not None:
            raise self.error


def evaluated(names: list[str], stage: int, step: int, whole: bool, guards: int | None = None) -> events.Evaluated:
    """Scores by hand: 4 nats per token at first, 2 after a task's own stage, 3 once it is a past one. With a number of
    guards, the general text gets worse by 0.5 nats a stage, the first guard holds to the first stage and the others
    always, and of the first task's 20 questions 4 are right at first, 16 after stage 1, and 6 at the end."""
    scores, documents = {}, {}
    for number, name in enumerate(names, start=1):
        nats = 4.0 if stage < number else 2.0 if stage == number else 3.0
        scores[name] = Score(nats * 50, 50, 100, 10 * stage)
        of_each = tuple(nats * 10 + shift * stage for shift in (-0.2, -0.1, 0.0, 0.1, 0.2))
        documents[name] = DocumentSums(of_each, (10,) * 5, (20,) * 5, (2 * stage,) * 5, 5, 20)
    look = events.Evaluated(stage, step, scores, scores if whole else None, documents=documents)
    if guards is None:
        return look
    own = 2.0 + 0.5 * stage
    sums = DocumentSums((own * 10,) * 5, (10,) * 5, (20,) * 5, (2,) * 5, 5, 5)
    right = (4, 16, 6)[min(stage, 2)]
    return replace(
        look,
        sample=scores | {GENERAL: Score(own * 50, 50, 100, 10)},
        whole=scores | {GENERAL: Score(own * 50, 50, 100, 10)} if whole else None,
        documents=documents | {GENERAL: sums},
        drift=0.25 * stage,
        answers={names[0]: AnswerSums(20, right, right + 2.0)} if whole else None,
        guards=tuple(GuardOutcome(stage < 2 or n > 0, f"<b>found {n}</b>") for n in range(guards)) if whole else None,
    )


def save(folder: Path) -> Path:
    """A checkpoint's files, without a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "palimpsest-state.pt").write_bytes(b"state")
    seal(folder, durable=False)
    return folder


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until `condition()` holds. The limit ends a test that fails and promises no speed: a busy machine takes ten
    times as long."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            raise AssertionError(f"not within {seconds:.0f} s")
        time.sleep(0.02)
