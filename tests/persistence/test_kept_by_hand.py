"""What is kept is taken again only where it is whole and is the very same result."""

import contextlib
import os
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from engine import events
from engine.persistence.checkpoints import last_whole_stage, save_checkpoint, stage_folder
from engine.persistence.content_keys import content_key, stage_key, stage_key_parts
from engine.persistence.journal import Journal, Mark
from engine.persistence.resume_points import Position, ResumePoints
from engine.persistence.shared_results import SharedResults
from engine.strategies.base import Plan, Strategy
from tests.builders import base_of, tiny_gpt2

KEY = "the stage's key"


@dataclass(frozen=True)
class Planned(Strategy):
    """A strategy of which all that enters a key is given."""

    tasks: tuple[int, ...] = (1, 2)
    start: str = "previous"
    acts_in: int = 2

    def plan(self, stage: int) -> Plan:
        return Plan((1,) if stage == 1 else self.tasks, start=self.start)  # type: ignore[arg-type]

    def signature(self, stage: int) -> Hashable:
        return ("acted",) if stage == self.acts_in else ()


def test_a_stage_s_key_holds_content_seed_plan_and_all_that_acted_before() -> None:
    plain = Planned(acts_in=0)
    others = [Planned(acts_in=2), Planned(acts_in=0, tasks=(2,)), Planned(acts_in=0, start="base")]
    parts = [stage_key_parts(each, ["settings"] * 3) for each in (plain, *others)]
    assert len({each[2] for each in parts}) == 4  # what acted in stage 2 is in the weights of stage 3
    assert parts[0][0] == parts[1][0]
    assert len(set(parts[0])) == len(set(parts[3])) == 3  # each stage has its own order of rows
    keys = {stage_key(content, seed, each, ["text"]) for content in ("a", "b") for seed in (0, 1) for each in parts[0]}
    assert len(keys) == 12
    assert content_key("a", 1) != content_key("a", 2)
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})


def flip(file: Path, at: int) -> None:
    """Change one bit, of a copy: other names of the file keep what they had."""
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.unlink()
    file.write_bytes(content)


def test_a_tensor_with_one_bit_changed_is_computed_again(tmp_path: Path) -> None:
    shared, computed = SharedResults(tmp_path), list[int]()

    def compute() -> dict[str, torch.Tensor]:
        computed.append(1)
        return {"a": torch.ones(100)}

    for _ in range(2):
        assert shared.tensors("k", compute)["a"].tolist() == [1.0] * 100
    assert len(computed) == 1
    flip(tmp_path / "k" / "tensors.safetensors", -2)
    assert shared.tensors("k", compute)["a"].tolist() == [1.0] * 100
    assert len(computed) == 2
    assert shared.tensors("k", compute)["a"].tolist() == [1.0] * 100
    assert len(computed) == 2


def test_what_was_used_last_stays_and_not_what_was_made_last(tmp_path: Path) -> None:
    roomy = SharedResults(tmp_path)
    for number in range(3):
        roomy.tensors(f"t{number}", lambda: {"a": torch.zeros(1000)})
        os.utime(tmp_path / f"t{number}" / "sums.sha256", (number, number))
    roomy.tensors("t0", dict)  # used
    SharedResults(tmp_path, limit_bytes=9000).tensors("t3", lambda: {"a": torch.zeros(1000)})
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["t0", "t3"]


def step(number: int) -> events.StepDone:
    return events.StepDone(1, number, {"new": 1.0, "total": 1.0}, 10, 0.1, 0.01, 1.0)


def a_position(stage_step: int) -> Position:
    return Position(KEY, 1, stage_step, stage_step, 0, 1.0, 10 * stage_step)


def save_points(folder: Path, count: int) -> ResumePoints:
    """A point after each of `count` steps."""
    points, base = ResumePoints(folder, 0.0), base_of(tiny_gpt2())
    optimizer = torch.optim.AdamW(base.model.parameters())
    journal = points.begin_stage(1)
    for number in range(1, count + 1):
        journal.add(step(number))
        points.save(base, optimizer, a_position(number), journal)
    journal.add(step(count + 1))
    with contextlib.closing(journal):
        journal.mark()
    return points


def found_position(points: ResumePoints, key: str) -> Position | None:
    point = points.newest(1, key)
    if point is not None:
        point.journal.close()
    return None if point is None else point.position


def test_a_run_goes_on_from_its_newest_point_and_says_again_what_it_had_said_there(tmp_path: Path) -> None:
    points = save_points(tmp_path, 11)
    assert found_position(points, KEY) == a_position(11)  # "inside-1-11" stands before "inside-1-9" in a dictionary
    point = points.newest(1, KEY)
    assert point is not None
    with contextlib.closing(point.journal):
        said = [event.step for event in point.journal.recorded_events()]  # type: ignore[union-attr]
        point.journal.add(step(99))
        then = [event.step for event in point.journal.recorded_events()]  # type: ignore[union-attr]
    assert said == list(range(1, 12))
    assert then == [*range(1, 12), 99]


def test_a_newest_point_with_one_bit_changed_gives_way_to_the_one_before(tmp_path: Path) -> None:
    points = save_points(tmp_path, 3)
    flip(tmp_path / "inside-1-3" / "model.safetensors", -2)
    assert found_position(points, KEY) == a_position(2)
    assert found_position(points, "the key of another stage") is None
    assert not list(tmp_path.glob("inside-*"))


def is_continued(file: Path, mark: Mark) -> bool:
    journal = Journal.continued(file, mark)
    if journal is not None:
        journal.close()
    return journal is not None


def test_a_journal_with_one_digit_changed_is_not_continued(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.add(step(1))
    mark = journal.mark()
    journal.close()
    assert is_continued(tmp_path / "j", mark)
    assert not is_continued(tmp_path / "j", replace(mark, length=mark.length + 1))
    flip(tmp_path / "j", 40)
    assert not is_continued(tmp_path / "j", mark)


def test_a_run_goes_on_after_its_last_sound_checkpoint(tmp_path: Path) -> None:
    base = base_of(tiny_gpt2())
    for stage in (1, 2, 3):
        save_checkpoint(stage_folder(tmp_path, stage), base.model, base.tokenizer, {"strategy": stage})
    assert last_whole_stage(tmp_path, 3) == 3
    flip(tmp_path / "stage-3" / "model.safetensors", -2)
    assert last_whole_stage(tmp_path, 3) == 2
    assert last_whole_stage(tmp_path, 1) == 1
