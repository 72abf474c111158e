"""The threads that a run computes with: set for it, recorded, a part of its results' names, and put back."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import events, strategies
from engine.common.errors import PalimpsestError
from engine.events.control import Control
from engine.execution.execute import execute_run, is_known
from engine.experiments.experiment import Experiment
from engine.experiments.settings_of_stage import settings_of_stages
from engine.models.machine import choose_threads, computing_with
from engine.persistence.content_keys import stage_key_parts
from engine.persistence.shared_results import SharedResults
from tests.fake_runs import experiment

TRAINING = {
    "epochs": 1, "stage_tokens": 100, "block_size": 32, "tokens_per_step": 64, "evaluations_per_stage": 1,
    "held_out_tokens": 50, "device": "cpu",
}  # fmt: skip
OTHER = torch.get_num_threads() + 1
"""A number of threads that this process does not compute with."""


def described(folder: Path, cpus: int | None, **changes: Any) -> Experiment:
    changes = {"training": TRAINING, "strategies": ["naive"], "general": "none", "resources": {"cpus": cpus}} | changes
    return experiment(folder, **changes)


def executed(made: Experiment, folder: Path, shared: Path | None = None) -> Iterator[events.Event]:
    return execute_run(made, made.runs()[0], folder, Control(), shared_folder=shared)


def in_a_new_thread(ask: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as other:
        return other.submit(ask).result()


def test_a_run_computes_with_the_threads_that_it_asks_for_and_records_them(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    seen, recorded = set(), None
    for event in executed(described(tmp_path, OTHER), tmp_path / "run"):
        seen.add(torch.get_num_threads())
        if isinstance(event, events.RunStarted):
            recorded = event.environment["threads"]
    assert seen == {OTHER}
    assert recorded == OTHER
    assert torch.get_num_threads() == before
    started = next(e for e in executed(described(tmp_path, None), tmp_path / "run") if isinstance(e, events.RunStarted))
    assert started.environment["threads"] == before, "the next run in the thread has the machine's own number again"


def test_the_number_is_put_back_where_a_run_is_closed_or_fails(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    run = executed(described(tmp_path, OTHER), tmp_path / "closed")
    next(run)
    assert torch.get_num_threads() == OTHER
    run.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == before
    with pytest.raises(PalimpsestError):
        list(executed(described(tmp_path, OTHER, model=str(tmp_path / "gone")), tmp_path / "failed"))
    assert torch.get_num_threads() == before


def test_other_threads_keep_their_number_while_a_run_computes() -> None:
    before, asked, computing, done = torch.get_num_threads(), threading.Event(), threading.Event(), threading.Event()
    found: list[int] = []

    def work() -> None:
        with computing_with(OTHER):
            computing.set()
            asked.wait(60)
            torch.ones(64, 64) @ torch.ones(64, 64)
            found.append(torch.get_num_threads())
        found.append(torch.get_num_threads())
        done.set()

    worker = threading.Thread(target=work)
    worker.start()
    assert computing.wait(60)
    assert torch.get_num_threads() == before
    assert in_a_new_thread(torch.get_num_threads) == before, "one that computes for the first time too"
    asked.set()
    worker.join(60)
    assert found == [OTHER, before]
    assert in_a_new_thread(torch.get_num_threads) == before


def test_none_is_the_machines_own_choice() -> None:
    assert choose_threads(None) == torch.get_num_threads()
    assert choose_threads(OTHER) == OTHER


def test_results_go_by_the_number_of_threads_and_the_estimate_knows_those_of_its_own(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    made = {cpus: described(tmp_path, cpus) for cpus in (None, OTHER, OTHER + 1)}

    def taken_over(cpus: int | None, folder: str) -> list[bool]:
        happened = executed(made[cpus], tmp_path / folder, shared)
        return [event.shared for event in happened if isinstance(event, events.StageStarted)]

    def known(cpus: int | None) -> list[bool]:
        kept, strategy = SharedResults(shared), strategies.build("naive", {})
        facts = next(e for e in executed(made[cpus], tmp_path / "look") if isinstance(e, events.RunStarted)).tasks
        texts = [(fact["name"], fact["fingerprint"], fact["held_out_fingerprint"]) for fact in facts]
        of_strategy, of_tasks = strategies.overrides_of("naive", {}), [task.overrides for task in made[cpus].tasks]
        own = settings_of_stages(strategy, made[cpus].training, of_strategy, of_tasks)
        asked = is_known(made[cpus], texts, kept)
        key_parts = stage_key_parts(strategy, [each.key_parts for each in own])
        assert not asked(0, key_parts[1], (1, 0)), "the same strategy after the tasks in another order"
        return [asked(0, parts, range(stage)) for stage, parts in enumerate(key_parts, start=1)]

    assert taken_over(OTHER, "first") == [False, False]
    assert {cpus: known(cpus) for cpus in made} == {None: [False] * 2, OTHER: [True] * 2, OTHER + 1: [False] * 2}
    assert taken_over(OTHER + 1, "other number") == [False, False]
    assert taken_over(OTHER, "the same number") == [True, True]
    assert taken_over(None, "own choice") == [False, False]
    assert known(None) == [True, True]


def test_the_machine_s_name_is_recorded_and_names_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, nodes, taken_over = described(tmp_path, None), [], []
    for node in ("a", "b"):
        monkeypatch.setattr(socket, "gethostname", lambda node=node: node)
        for event in executed(made, tmp_path / node, tmp_path / "shared"):
            if isinstance(event, events.RunStarted):
                nodes.append(event.environment["node"])
            elif isinstance(event, events.StageStarted):
                taken_over.append(event.shared)
    assert nodes == ["a", "b"]
    assert taken_over == [False, False, True, True]
