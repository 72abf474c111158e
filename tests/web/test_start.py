"""A server that others can reach, and nothing says who may use it: it does not start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.dashboard.server import ROOT
from engine.store import Store
from tests.fake_runs import experiment, wait_until
from tests.web.client import ask, session
from tests.web.servers import app, secrets


def start(data: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start the server and wait for its end."""
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", "--server.port=0"]
    variables = os.environ | {"PALIMPSEST_DATA": str(data)} | environment
    return subprocess.run([*command, *options], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    "option", ["--server.address=0.0.0.0", "--server.address=", "--server.allowedHosts=lab.example"]
)
def test_a_server_that_others_can_reach_does_not_start_unguarded(tmp_path: Path, option: str) -> None:
    ended = start(tmp_path, option, "--browser.serverAddress=lab.example")
    assert ended.returncode == 1
    assert "Palimpsest does not start: other machines can reach this server" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "palimpsest.db").exists()


def test_secrets_that_can_t_be_read_let_nobody_in_even_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secrets.toml").write_text("[auth\n")
    ended = start(tmp_path, STREAMLIT_SECRETS_FILES=str(tmp_path / "secrets.toml"))
    assert ended.returncode == 1
    assert "The secrets can't be read" in ended.stderr


def test_secrets_that_lose_their_lists_close_a_running_server(tmp_path: Path) -> None:
    file = tmp_path / "secrets.toml"
    file.write_text(secrets("http://127.0.0.1:1", ["a@b.example"], []))
    with app(tmp_path, STREAMLIT_SECRETS_FILES=str(file)) as server, session(server.address) as visitor:
        visitor.draw("")
        assert "Log in to see" in visitor.text()
        file.write_text("[palimpsest.access]\neditors = []\n")

        def closed() -> bool:
            visitor.draw("")
            return "nobody can log in" in visitor.text()

        wait_until(closed)  # the file is looked at anew after a moment


def test_the_operator_s_word_opens_it_and_is_remarked_in_the_log(tmp_path: Path) -> None:
    settings = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "STREAMLIT_BROWSER_SERVER_ADDRESS": "lab.example"}
    with app(tmp_path, PALIMPSEST_OPEN_TO_ALL="1", **settings) as server:
        assert ask(server.address, "/").status == 200
    assert "Everybody who reaches this server may" in (tmp_path / "server.log").read_text()


def test_runs_that_an_earlier_server_left_behind_are_known_before_any_page_is_asked_for(
    store: Store, tmp_path: Path
) -> None:
    store.add_experiment(experiment(tmp_path))
    assert store.claim_next() is not None
    with app(store.folder):
        wait_until(lambda: store.runs()["finished_at"].notna().any())  # as only a runner says it
    run, _ = store.runs().itertuples()
    assert run.status == "interrupted"
