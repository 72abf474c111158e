"""A run that goes on inside a stage gives, bit for bit, what it would have given undisturbed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file

from engine import events, strategies
from engine.common.random_streams import Streams
from engine.events.control import Control, Stopped
from engine.persistence import journal
from engine.persistence.resume_points import Position, SeenLoss
from engine.strategies.base import StageView, State, Strategy
from engine.strategies.tools import fisher
from engine.training.loop import train
from engine.training.run_state import RunSetup
from tests.builders import small_setup

NAMES = ["naive", "replay", "ewc", "replay+ewc", "joint"]
T = 2


class Killed(BaseException):
    """Stands for a signal that no code sees."""


def setup_of(name: str, folder: Path, **changes: Any) -> RunSetup:
    parameters = {"fisher": "sampled"} if "ewc" in name else {}
    setup = small_setup(strategies.build(name, parameters), folder, tasks=T, **changes)
    return replace(setup, point_seconds=0.0)


def numbers(happened: list[events.Event]) -> list[Any]:
    """All that a listener is told, without times."""
    told = [e for e in happened if isinstance(e, events.StageStarted | events.StepDone | events.Evaluated)]
    return [replace(e, steps_before=0) if isinstance(e, events.StageStarted) else replace(e, seconds=0.0) for e in told]


class Listener:
    """Keeps what was said as the store does: going on drops what came after the last finished stage."""

    def __init__(self) -> None:
        self.happened: list[events.Event] = []
        self.finished_stages = 0

    def follow(self, run: Iterator[events.Event], stop_after: int | None = None) -> int:
        """Take events until the run ends or dies after `stop_after` of them; returns how many they were."""
        self.happened = [e for e in self.happened if getattr(e, "stage", 0) <= self.finished_stages]
        if self.finished_stages == 0:
            self.happened = []
        for count, event in enumerate(run, 1):
            self.happened.append(event)
            if isinstance(event, events.StageFinished):
                self.finished_stages = event.stage
            if count == stop_after:
                run.close()  # type: ignore[attr-defined]
                return count
        return count


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / f"stage-{T}" / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(("name", "optimizer_state"), [*((name, "reset") for name in NAMES), ("replay+ewc", "keep")])
def test_a_run_cut_short_again_and_again_equals_an_undisturbed_one(
    name: str, optimizer_state: str, tmp_path: Path
) -> None:
    whole = Listener()
    whole.follow(train(setup_of(name, tmp_path / "a", optimizer_state=optimizer_state)))
    cut = Listener()
    for after in (6, 9, 14, 11, None):
        setup = setup_of(name, tmp_path / "b", optimizer_state=optimizer_state)
        cut.follow(train(replace(setup, finished_stages=cut.finished_stages)), after)
    assert numbers(cut.happened) == numbers(whole.happened)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert sorted(folder.name for folder in (tmp_path / "b").iterdir()) == ["stage-1", "stage-2"]


def test_steps_are_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.training import loop

    taken, real = [], loop.take_step
    monkeypatch.setattr(loop, "take_step", lambda *args: taken.append(args[3]) or real(*args))
    listener = Listener()
    listener.follow(train(setup_of("naive", tmp_path)), stop_after=8)
    before = len(taken)
    assert before > 1
    listener.follow(train(setup_of("naive", tmp_path)))
    first_again = taken[before]
    # The step whose report was the last thing heard had not reached its point.
    assert first_again in (before, before + 1)


def test_a_fisher_estimate_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fisher, "_batches", lambda documents, limit: ([document] for document in documents))
    whole = Listener()
    whole.follow(train(setup_of("ewc", tmp_path / "a")))

    counted: list[int] = []
    real = fisher._Estimate.add_together

    def dies_at_the_seventh(estimate: Any, documents: Any) -> None:
        counted.append(1)
        if len(counted) == 7:
            raise Killed
        real(estimate, documents)

    monkeypatch.setattr(fisher._Estimate, "add_together", dies_at_the_seventh)
    fisher.gradients_come_apart(setup_of("ewc", tmp_path / "b").load_model(None).model)
    counted.clear()
    with pytest.raises(Killed):
        list(train(setup_of("ewc", tmp_path / "b")))
    documents = len(setup_of("ewc", tmp_path / "b").tasks[0].documents)
    again = Listener()
    again.follow(train(setup_of("ewc", tmp_path / "b")))
    assert numbers(again.happened) == numbers(whole.happened)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    # Documents before the seventh are not read again; each loaded model is tried with one pass of its own.
    assert len(counted) <= 7 + (documents - 6) + 3


@pytest.mark.parametrize("damage", ["weights", "position", "journal", "all"])
def test_a_damaged_point_is_passed_over(damage: str, tmp_path: Path) -> None:
    whole, cut = Listener(), Listener()
    whole.follow(train(setup_of("replay", tmp_path / "a")))
    cut.follow(train(setup_of("replay", tmp_path / "b")), stop_after=8)
    points = sorted((tmp_path / "b").glob("inside-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    assert len(points) == 2
    file = {
        "weights": points[-1] / "model.safetensors",
        "position": points[-1] / "position.json",
        "journal": tmp_path / "b" / "journal-1.jsonl",
        "all": points[-1] / "palimpsest-optimizer.pt",
    }[damage]
    file.write_bytes(file.read_bytes()[:-20])
    if damage == "all":
        (points[0] / "sums.sha256").unlink()
    cut.follow(train(setup_of("replay", tmp_path / "b")))
    assert numbers(cut.happened) == numbers(whole.happened)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_a_kill_after_the_last_stage_leaves_nothing_lying_about(tmp_path: Path) -> None:
    run = train(setup_of("naive", tmp_path))
    for event in run:
        if isinstance(event, events.StageFinished) and event.stage == T:
            break
    assert list(tmp_path.glob("inside-*"))  # not yet removed: the listener has not asked for more
    run.close()  # type: ignore[attr-defined]
    listener = Listener()
    listener.follow(train(replace(setup_of("naive", tmp_path), finished_stages=T)))
    assert isinstance(listener.happened[-1], events.RunFinished)
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["stage-1", "stage-2"]


def test_a_half_written_point_is_removed_and_not_used(tmp_path: Path) -> None:
    listener = Listener()
    listener.follow(train(setup_of("naive", tmp_path)), stop_after=8)
    half = tmp_path / "inside-1-9.0abc.partial"
    half.mkdir()
    (half / "position.json").write_text(json.dumps({}))
    listener.follow(train(setup_of("naive", tmp_path)))
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["stage-1", "stage-2"]


def test_a_stop_keeps_the_step_and_resuming_takes_the_next(tmp_path: Path) -> None:
    whole = Listener()
    whole.follow(train(setup_of("replay+ewc", tmp_path / "a")))
    setup = replace(setup_of("replay+ewc", tmp_path / "b"), point_seconds=1e9)
    listener = Listener()

    def stopping() -> Iterator[events.Event]:
        for event in train(setup):
            if isinstance(event, events.StepDone) and event.stage == 2:
                setup.control.stop()
            yield event

    listener.follow(stopping())
    stopped = listener.happened[-1]
    assert isinstance(stopped, events.RunStopped)
    assert stopped.checkpoint is not None
    assert stopped.checkpoint.is_dir()
    again = replace(setup, control=Control(), finished_stages=listener.finished_stages)
    resumed = list(train(again))
    phases = [e.text for e in resumed if isinstance(e, events.Phase)]
    assert f"going on after step {stopped.step}" in phases
    listener.happened = [e for e in listener.happened if getattr(e, "stage", 0) <= 1] + resumed
    assert numbers(listener.happened) == numbers(whole.happened)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_between_two_points_passes_the_time_that_was_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.persistence.resume_points import ResumePoints

    monkeypatch.setattr("engine.persistence.resume_points.time.monotonic", lambda: now[0])
    now = [100.0]
    points = ResumePoints(tmp_path, 60.0)
    assert not points.due
    now[0] += 59.0
    assert not points.due
    now[0] += 1.0
    assert points.due


def test_sums_of_documents_are_said_again_from_a_journal_to_the_last_bit(tmp_path: Path) -> None:
    setup = small_setup(strategies.build("naive", {}), tmp_path, tasks=2)
    said = [event for event in train(setup) if isinstance(event, events.Evaluated)]
    assert all(event.documents and set(event.documents) == set(event.sample) for event in said)
    journal.write(tmp_path / "said", said)
    assert list(journal.read(tmp_path / "said")) == said


@dataclass(frozen=True)
class Slow(Strategy):
    """Naive, after four parts of long work before each stage, whose sum it remembers."""

    name: ClassVar[str] = "slow"
    null: ClassVar[str] = "It is here for its work alone."

    def begin_stage(self, begin: StageView, state: State, random: Streams) -> State:
        kept = begin.work.kept("sum")
        done, total = (kept.done, kept.tensors["sum"]) if kept else (0, torch.zeros(()))
        for part in range(done, 4):
            begin.check()
            WORKED.append((begin.stage, part))
            total = total + torch.rand((), generator=random.generator("parts", begin.stage, part))
            begin.work.keep("sum", part + 1, partial(dict, sum=total))
        begin.remark(f"The sum is {float(total):.6f}.")
        return State(fixed=total)


WORKED: list[tuple[int, int]] = []


class StopsAfter(Control):
    """Stops after a part of the work, named by its stage and number."""

    def __init__(self, part: tuple[int, int]) -> None:
        super().__init__()
        self._part = part

    def check(self) -> None:
        if WORKED and WORKED[-1] == self._part:
            raise Stopped
        super().check()


def test_long_work_before_a_stage_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    def run(folder: Path, control: Control, finished: int = 0) -> list[events.Event]:
        setup = replace(small_setup(Slow(), folder, tasks=T), point_seconds=0.0, control=control)
        return list(train(replace(setup, finished_stages=finished)))

    whole = run(tmp_path / "a", Control())
    said = [event.remarks for event in whole if isinstance(event, events.StageStarted)]
    WORKED.clear()
    for stop_at in ((1, 1), (1, 3), (2, 2)):
        heard = run(tmp_path / "b", StopsAfter(stop_at))
        assert isinstance(heard[-1], events.RunStopped)
    heard = run(tmp_path / "b", Control(), finished=1)
    assert [(stage, part) for stage in (1, 2) for part in range(4)] == WORKED
    assert [event.remarks for event in heard if isinstance(event, events.StageStarted)] == said[1:]
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_what_divergence_is_judged_by_is_a_part_of_the_position(tmp_path: Path) -> None:
    setup = replace(small_setup(strategies.build("naive", {}), tmp_path, tasks=1), point_seconds=0.0)
    run = train(setup)
    for event in run:
        if isinstance(event, events.PointKept) and event.step == 4:
            break
    run.close()  # type: ignore[attr-defined]
    folder = max((tmp_path).glob("inside-1-*"), key=lambda each: int(each.name.rpartition("-")[2]))
    seen = Position.read(json.loads((folder / "position.json").read_text())["position"]).loss
    steps = [e for e in events_of(tmp_path) if isinstance(e, events.StepDone)]
    assert seen.recent[-1][0] == pytest.approx(steps[3].terms["new"] * seen.recent[-1][1])
    assert Position.read({"stage": 1}).loss == SeenLoss()


def events_of(folder: Path) -> list[Any]:
    return list(journal.read(folder / "journal-1.jsonl"))
