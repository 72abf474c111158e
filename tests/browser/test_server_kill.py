"""The server is killed in mid-run and started again: the run says so, goes on, and ends with the same numbers."""

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from benchmarks.dashboard.server import serve
from engine.experiments.experiment import Experiment
from engine.running.headless import run_experiment
from engine.store import Store
from tests.fake_runs import experiment, wait_until
from tests.torture.outcome import differences, outcome

pytestmark = pytest.mark.browser

SLOW = 600.0  # seconds
TRAINING = {"block_size": 32, "tokens_per_step": 64, "held_out_tokens": 200, "device": "cpu"}


def described(folder: Path, epochs: int) -> Experiment:
    return experiment(folder, training=TRAINING | {"epochs": epochs}, strategies=["ewc"])


def test_a_killed_server_loses_nothing(
    browser: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_CHECKPOINT_SECONDS", "0.5")
    whole = described(tmp_path, epochs=8)  # many steps after the sixth, where it is killed
    experiment_id = store.add_experiment(whole)
    page = browser.new_page()
    with suppress(ChildProcessError), serve(store.folder) as server:
        page.goto(f"{server.address}/live?experiment={experiment_id}")
        wait_until(lambda: store.runs()["kept_step"].item() > 5, SLOW)
        os.kill(server.process, signal.SIGKILL)
    reached = store.runs().iloc[0]
    assert reached["step"] > 5
    with serve(store.folder) as server:
        started = time.monotonic()
        page.goto(f"{server.address}/live?experiment={experiment_id}")
        interrupted = page.get_by_text(re.compile("This run was interrupted"))
        expect(interrupted).to_be_visible()
        assert store.runs()["status"].item() == "interrupted"
        took = time.monotonic() - started
        expect(page.get_by_text(re.compile(r"It kept everything up to step \d+"))).to_be_visible()
        page.get_by_role("button", name="Resume", exact=True).click()
        wait_until(lambda: store.runs()["status"].item() == "finished", SLOW)
    print(f"the status was true {took:.1f} s after the page was asked for")
    run_experiment(whole, tmp_path / "undisturbed")
    assert differences(outcome(tmp_path / "undisturbed"), outcome(store.folder)) == []


def test_a_killed_server_goes_on_by_itself_where_that_is_set(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_RESUME", "1")
    store.add_experiment(described(tmp_path, epochs=1))
    assert store.claim_next() is not None  # as a server that died a moment ago would leave it
    with serve(store.folder):  # and no page is asked for
        wait_until(lambda: store.runs()["status"].item() == "finished", SLOW)
