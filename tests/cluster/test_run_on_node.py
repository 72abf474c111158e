"""A run on a node without Ray: the other machine is an `Exchange` in this process."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from engine import events
from engine.cluster.content_cache import ContentCache
from engine.cluster.exchange import Exchange
from engine.cluster.job import Job, NeededFile, make_job
from engine.cluster.messages import Computing, Events, FilePart, FilesWhole, Over, SameFile
from engine.cluster.nodes import Need
from engine.cluster.receiving import FolderReceiver
from engine.cluster.run_on_node import VARIABLE, run_on_node
from engine.common.durable_files import file_hash
from engine.common.errors import ConfigError, PalimpsestError, TaskError
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.experiments.experiment import Experiment
from tests.fake_runs import experiment

T = TypeVar("T")
ONE = Need(cpus=1, gpus=0)


class HereDriver:
    """An `Exchange` that is asked without a network."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.exchange = Exchange()
        self.read_names: list[str] = []

    def call(self, answer: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(answer, self._loop).result()

    def wish(self, ticket: str, known: str) -> str:
        return self.call(self.exchange.wish(ticket, known))

    def read(self, ticket: str, needed: NeededFile, offset: int, length: int) -> bytes:
        self.read_names.append(needed.name)
        return self.call(self.exchange.read(ticket, needed.name, offset, length))

    def result_files(self, ticket: str, key: str) -> dict[str, int] | None:
        return self.call(self.exchange.result_files(ticket, key))

    def read_result(self, ticket: str, key: str, name: str, offset: int, length: int) -> bytes:
        return self.call(self.exchange.read_result(ticket, key, name, offset, length))


@pytest.fixture(autouse=True)
def _node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "node"))
    monkeypatch.setattr("engine.cluster.run_on_node._BATCH_SECONDS", 0.0)


class Elsewhere:
    """Computes runs as a node would, for one data folder."""

    def __init__(self, data: Path, point_seconds: float = 120.0) -> None:
        self.data, self.driver, self.point_seconds = data, HereDriver(), point_seconds
        self.number = 0

    def job(self, described: Experiment, number: int, finished_stages: int = 0) -> Job:
        self.number += 1
        run = described.runs()[number]
        job = make_job(
            f"ticket-{self.number}", described, run, self.folder(number), finished_stages, ONE, self.point_seconds,
            self.data / "shared",
        )  # fmt: skip
        self.driver.call(self.driver.exchange.register(job, self.data / "shared"))
        return job

    def folder(self, number: int) -> Path:
        return self.data / "runs" / f"run-{number}"

    def run(self, described: Experiment, number: int, finished_stages: int = 0) -> Iterator[Any]:
        """Yield the events of a run, whose files come into the data folder. Raises what ended it."""
        job = self.job(described, number, finished_stages)
        receiver = FolderReceiver(self.data / "arriving" / job.ticket, self.folder(number), self.data / "shared")
        try:
            for messages in run_on_node(job, self.driver):
                for message in messages:
                    match message:
                        case Computing():
                            pass
                        case FilePart():
                            receiver.take_part(message)
                        case SameFile():
                            receiver.take_same(message)
                        case FilesWhole():
                            receiver.take_whole(message)
                        case Events():
                            yield from message.events
                        case Over():
                            if message.error is not None:
                                raise message.error
        finally:
            self.driver.call(self.driver.exchange.remove(job.ticket))


def of_interest(found: list[Any]) -> list[Any]:
    """Events that must be equal wherever a run is computed, without times and places."""
    timeless = []
    for event in found:
        if isinstance(event, events.StepDone):
            timeless.append((event.stage, event.step, event.terms, event.gradient_norm))
        elif isinstance(event, events.Evaluated):
            timeless.append((event.stage, event.step, event.sample, event.whole, event.documents, event.drift))
        elif isinstance(event, events.StageStarted):
            timeless.append((event.stage, event.first_step, event.steps, event.target_tokens, event.remarks))
        elif isinstance(event, events.RunStarted):
            timeless.append((event.steps, event.tasks, event.general))
    return timeless


def weights(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*.safetensors"))}


def described(folder: Path, **changes: object) -> Experiment:
    small = {"block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 2, "held_out_tokens": 60}
    return experiment(folder, **{"training": small, "resources": {"cpus": 1}, "general": "none"} | changes)


def here(each: Experiment, number: int, folder: Path) -> list[Any]:
    run = each.runs()[number]
    return list(execute_run(each, run, folder / f"run-{number}", Control(), 0, folder / "shared"))


def test_a_run_elsewhere_is_the_same_bit_for_bit_and_so_is_one_that_takes_its_stage_over(tmp_path: Path) -> None:
    both = described(tmp_path)
    elsewhere = Elsewhere(tmp_path / "data")
    for number in (0, 1):
        expected = here(both, number, tmp_path / "here")
        found = list(elsewhere.run(both, number))
        assert of_interest(found) == of_interest(expected)
        assert [type(event) for event in found if not isinstance(event, events.Phase)] == [
            type(event) for event in expected if not isinstance(event, events.Phase)
        ]
        assert weights(elsewhere.folder(number)) == weights(tmp_path / "here" / f"run-{number}")
        names = {str(f.relative_to(elsewhere.folder(number))) for f in elsewhere.folder(number).rglob("*")}
        assert names == {
            str(f.relative_to(tmp_path / "here" / f"run-{number}"))
            for f in (tmp_path / "here" / f"run-{number}").rglob("*")
        }
    assert {each.name for each in (tmp_path / "data" / "shared").iterdir()} == {
        each.name for each in (tmp_path / "here" / "shared").iterdir()
    }
    assert not any((tmp_path / "node" / "runs").iterdir())


def test_what_this_machine_has_trained_is_taken_over_by_a_node_that_knows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = described(tmp_path)
    elsewhere = Elsewhere(tmp_path / "data")
    list(elsewhere.run(both, 0))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "another node"))
    found = list(elsewhere.run(both, 1))
    assert [event.shared for event in found if isinstance(event, events.StageStarted)] == [True, False]


def test_what_lies_in_a_folder_in_common_is_read_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = described(tmp_path)
    elsewhere = Elsewhere(tmp_path / "data")
    first = list(elsewhere.run(both, 0))
    elsewhere.driver.read_names.clear()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "another node"))
    monkeypatch.setenv("PALIMPSEST_COMMON_FOLDER", str(tmp_path))
    monkeypatch.setattr(HereDriver, "result_files", None)
    again = list(elsewhere.run(both, 1))
    assert elsewhere.driver.read_names == []
    assert [event.shared for event in again if isinstance(event, events.StageStarted)] == [True, False]
    assert of_interest(again)[0] == of_interest(first)[0]
    monkeypatch.setenv("PALIMPSEST_COMMON_FOLDER", "not/whole")
    with pytest.raises(ConfigError, match="is not a whole path"):
        elsewhere.job(both, 0)


def test_what_a_run_writes_into_is_its_own_and_not_the_nodes_or_another_runs(tmp_path: Path) -> None:
    journal = tmp_path / "journal-1.jsonl"
    journal.write_bytes(b"")
    needed = NeededFile("run/journal-1.jsonl", file_hash(journal), 0, str(journal))
    cache = ContentCache(tmp_path / "content", lambda *_: b"")
    for run in "ab":
        cache.place(needed, tmp_path / run / needed.name)
    with (tmp_path / "a" / needed.name).open("ab") as opened:
        opened.write(b"an event of a")
    assert (tmp_path / "b" / needed.name).read_bytes() == b""
    text = replace(needed, name="texts/0/0/bread.txt")
    cache.place(text, tmp_path / "a" / text.name)
    assert (tmp_path / "a" / text.name).read_bytes() == b""
    assert (tmp_path / "a" / text.name).stat().st_nlink == 2


def test_texts_and_model_come_to_a_node_once(tmp_path: Path) -> None:
    both = described(tmp_path)
    elsewhere = Elsewhere(tmp_path / "data")
    list(elsewhere.run(both, 0))
    assert sorted(elsewhere.driver.read_names) == ["texts/0/0/bread.txt", "texts/1/0/tea.txt"]
    list(elsewhere.run(both, 1))
    assert len(elsewhere.driver.read_names) == 2


def test_a_run_that_was_cut_short_goes_on_from_the_last_point_that_came_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its node vanishes, with all that it kept."""
    one = described(tmp_path)
    expected = here(one, 1, tmp_path / "here")
    elsewhere = Elsewhere(tmp_path / "data", point_seconds=0)
    done, found = 0, list[Any]()
    for attempt, most_points in enumerate((2, 3, 100)):
        events_there, points = elsewhere.run(one, 1, done), 0
        for event in events_there:
            found.append(event)
            done = event.stage if isinstance(event, events.StageFinished) else done
            points += isinstance(event, events.PointKept)
            if points > most_points:
                break
        events_there.close()
        monkeypatch.setenv(VARIABLE, str(tmp_path / f"node after {attempt}"))
    resumed = [event.steps_before for event in found if isinstance(event, events.StageStarted)]
    assert sum(steps > 0 for steps in resumed) == 2
    found = found[max(n for n, event in enumerate(found) if isinstance(event, events.RunStarted)) :]
    steps = [each for each in of_interest(expected) if each[0] == 2]
    assert [each for each in of_interest(found) if each[0] == 2] == steps
    assert weights(elsewhere.folder(1)) == weights(tmp_path / "here" / "run-1")


def test_a_stop_ends_the_run_with_what_it_reached_and_a_lost_ticket_stops_it_too(tmp_path: Path) -> None:
    one = described(tmp_path)
    for end in ("ask", "remove"):
        elsewhere = Elsewhere(tmp_path / end)
        last: Any = None
        for event in elsewhere.run(one, 0):
            last = event
            if isinstance(event, events.StepDone) and event.step == 1:
                exchange = elsewhere.driver.exchange
                elsewhere.driver.call(exchange.ask("ticket-1", "stop") if end == "ask" else exchange.remove("ticket-1"))
        assert isinstance(last, events.RunStopped)
        assert last.checkpoint is not None
        assert (elsewhere.folder(0) / last.checkpoint / "model.safetensors").is_file()


def test_errors_name_files_as_the_user_knows_them(tmp_path: Path) -> None:
    one = described(tmp_path)
    elsewhere = Elsewhere(tmp_path / "data")
    (tmp_path / "bread.txt").write_bytes(b"\n\n")
    with pytest.raises(PalimpsestError) as error:
        list(elsewhere.run(one, 0))
    assert str(tmp_path / "bread.txt") in str(error.value) or "bread.txt" in str(error.value)
    assert "texts/0/0" not in str(error.value)
    assert isinstance(error.value, TaskError)


def test_a_text_that_changes_on_its_way_is_refused(tmp_path: Path) -> None:
    one = described(tmp_path)
    elsewhere = Elsewhere(tmp_path / "data")
    job = elsewhere.job(one, 0)
    (tmp_path / "bread.txt").write_text("Another text.", encoding="utf-8")
    *_, [over] = run_on_node(job, elsewhere.driver)
    assert isinstance(over, Over)
    assert over.error is not None
    assert "bread.txt has changed since" in str(over.error)
