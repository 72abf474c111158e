"""The desk: requests wait for each other, are answered once, can be stopped, and outlive what ends their process."""

import os
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import ConfigError
from engine.insight.requests import AnswersRequest, Prompt, Source
from engine.insight.serving import desk, worker
from engine.insight.serving.desk import Desk, Progress, View, get_desk
from engine.store import Store
from tests.fake_runs import experiment, wait_until


def request(words: str) -> AnswersRequest:
    return AnswersRequest((Source("run", 1),), (Prompt(words),))


def obeying(line: Connection, folder: Path, beside_training: bool) -> None:
    """A process that does what the prompt says, and writes down what it was asked."""
    while True:
        message = line.recv()
        if message == "stop":
            line.send(("stopped", None))
            continue
        words = message[1].prompts[0].text
        with (folder / "asked.txt").open("a", encoding="utf-8") as file:
            file.write(f"{words}\n")
        if words == "die":
            os._exit(9)
        elif words == "fail":
            line.send(("failed", "This can't be done.", "a traceback"))
        elif words.startswith("wait"):
            line.send(("told", f"{words} is on its way", 0, 0, None))
        elif words != "hang":
            line.send(("done", (words, message[2], beside_training)))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Desk]:
    store = Store(tmp_path)
    made = Desk(store, obeying)
    yield made
    made.close()
    store.close()


def ended(opened: Desk, words: str) -> View:
    found: list[View] = []

    def is_over() -> bool:
        view = opened.look(request(words))
        found.append(view) if view is not None else None
        return view is not None and view.status not in ("waiting", "computing")

    wait_until(is_over, seconds=60)
    return found[-1]


def asked(tmp_path: Path) -> list[str]:
    file = tmp_path / "asked.txt"
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []


def test_requests_are_answered_in_turn_and_equal_ones_once(opened: Desk, tmp_path: Path) -> None:
    assert opened.look(request("one")) is None
    for words in ("one", "two", "one", "three", "two"):
        opened.ask(request(words))
    assert ended(opened, "three").status == "done"
    assert ended(opened, "one").result == ("one", len(os.sched_getaffinity(0)), False)
    opened.ask(request("one"))
    assert ended(opened, "one").status == "done"
    assert asked(tmp_path) == ["one", "two", "three"]


def test_those_that_wait_know_how_many_come_first_and_what_is_done_meanwhile(opened: Desk) -> None:
    opened.ask(request("wait"))
    opened.ask(request("second"))
    opened.ask(request("third"))
    wait_until(lambda: opened.look(request("wait")).told == Progress("wait is on its way"), seconds=60)  # type: ignore[union-attr]
    views: list[Any] = [opened.look(request(words)) for words in ("wait", "second", "third")]
    assert [(view.status, view.before) for view in views] == [("computing", 0), ("waiting", 1), ("waiting", 2)]
    opened.stop(request("second"))
    opened.stop(request("wait"))
    assert ended(opened, "wait").status == "stopped"
    assert ended(opened, "second").status == "stopped"
    assert ended(opened, "third").status == "done"


def test_what_failed_says_why_and_can_be_asked_again(opened: Desk, tmp_path: Path) -> None:
    opened.ask(request("fail"))
    assert ended(opened, "fail").reason == "This can't be done."
    wait_until(lambda: "a traceback" in _text(tmp_path / "insight.log"), seconds=60)
    opened.ask(request("fail"))
    opened.ask(request("last"))
    assert ended(opened, "last").status == "done"
    assert asked(tmp_path) == ["fail", "fail", "last"]


def test_a_process_that_dies_fails_its_request_alone(opened: Desk) -> None:
    opened.ask(request("die"))
    opened.ask(request("after"))
    assert "has ended" in ended(opened, "die").reason
    assert ended(opened, "after").status == "done"


def test_what_does_not_stop_is_ended_with_its_process(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "STOP_SECONDS", 0.3)
    opened.ask(request("hang"))
    wait_until(lambda: getattr(opened.look(request("hang")), "status", "") == "computing", seconds=60)
    opened.stop(request("hang"))
    assert ended(opened, "hang").status == "stopped"
    opened.ask(request("after"))
    assert ended(opened, "after").status == "done"


def test_what_nobody_looks_at_any_more_is_dropped(
    opened: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "FORGOTTEN_SECONDS", 0.5)
    opened.ask(request("wait"))
    wait_until(lambda: bool(getattr(opened.look(request("wait")), "told", None)), seconds=60)
    opened.ask(request("abandoned"))
    time.sleep(0.6)
    opened.ask(request("last"))
    opened.stop(request("wait"))
    assert ended(opened, "last").status == "done"
    assert opened.look(request("abandoned")) is None
    assert "abandoned" not in asked(tmp_path)


def test_a_queue_that_is_full_says_so(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "MOST_WAITING", 2)
    opened.ask(request("wait"))
    wait_until(lambda: bool(getattr(opened.look(request("wait")), "told", None)), seconds=60)
    opened.ask(request("1"))
    opened.ask(request("2"))
    with pytest.raises(ConfigError, match="2 requests wait already"):
        opened.ask(request("3"))
    opened.stop(request("wait"))
    assert ended(opened, "2").status == "done"


def test_beside_a_run_in_training_another_process_with_one_thread_gives_way(opened: Desk, tmp_path: Path) -> None:
    opened.ask(request("before"))
    assert ended(opened, "before").result[1:] == (len(os.sched_getaffinity(0)), False)
    first: Any = opened._process
    store = Store(tmp_path)
    store.add_experiment(experiment(tmp_path))
    assert store.claim_next() is not None
    opened.ask(request("beside"))
    assert ended(opened, "beside").result[1:] == (1, True)
    assert opened._process is not first
    store.close()


def test_what_is_computed_for_nobody_is_stopped(opened: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.ask(request("wait"))
    wait_until(lambda: bool(getattr(opened.look(request("wait")), "told", None)), seconds=60)
    monkeypatch.setattr(desk, "FORGOTTEN_SECONDS", 0.3)
    time.sleep(1.0)
    assert ended(opened, "wait").status == "stopped"


def test_a_data_folder_has_one_desk(tmp_path: Path) -> None:
    first = get_desk(tmp_path)
    assert get_desk(tmp_path) is first
    first.close()
    second = get_desk(tmp_path)
    assert second is not first
    second.close()


def test_a_real_process_answers_and_keeps_its_priority_low(results: Path) -> None:
    store = Store(results)
    run_id = str(store.runs()["run_id"].iloc[0])
    made = Desk(store)
    try:
        asked_for = AnswersRequest((Source(run_id, 1),), (Prompt("Note"),), 4)
        made.ask(asked_for)
        wait_until(lambda: getattr(made.look(asked_for), "status", "") in ("done", "failed"), seconds=600)
        view: Any = made.look(asked_for)
        assert view.status == "done", view.reason
        assert view.result[0][0]["tokens"] > 0
        process: Any = made._process
        assert os.getpriority(os.PRIO_PROCESS, process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
        gone = AnswersRequest((Source("no-such-run", 1),), (Prompt("Note"),), 4)
        made.ask(gone)
        wait_until(lambda: getattr(made.look(gone), "status", "") == "failed", seconds=600)
    finally:
        made.close()
        store.close()


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def test_work_beside_a_run_in_training_rests_three_times_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    worked, slept = iter([10.0, 10.4, 10.4, 40.0]), list[float]()
    monkeypatch.setattr(worker.time, "process_time", lambda: next(worked))
    monkeypatch.setattr(worker.time, "sleep", slept.append)
    pace = worker.Pace(worker.SHARE_BESIDE_TRAINING)
    for _ in range(3):
        pace.rest()
    assert slept == pytest.approx([1.2, 0.0, worker.LONGEST_REST])
    slept.clear()
    monkeypatch.setattr(worker.time, "process_time", lambda: 0.0)
    worker.Pace(1.0).rest()
    assert slept == []
