"""A model by its hub name, from a hub that answers as the real one does: on this machine, with one small model."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from engine import events
from engine.common.errors import ModelError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.models import adapters, loading
from engine.store import Store
from tests.builders import tiny_gpt2
from tests.fake_runs import FakeRun, experiment

ROOT = Path(__file__).resolve().parents[2]
NAME, COMMIT, NEWER = "someone/small-gpt2", "01234567" * 5, "89abcdef" * 5
FACTS = (
    "import sys; from engine.models.machine import model_facts; "
    "print(*(model_facts(name)['model_revision'] for name in sys.argv[1].split()))"
)
VOCABULARY = 4096
"""Of the embedded model's tokenizer, which the published one shares."""
LOAD = "import sys; from engine.models.loading import load_base; print(load_base(sys.argv[1]).model.num_parameters())"


class Hub(ThreadingHTTPServer):
    """Serves the files of one folder under `NAME`, and counts what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.folder = folder
        self.asked: list[str] = []
        self.commit = COMMIT
        """Of the main branch."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def _answer(self, body: bool) -> None:
        self.server.asked.append(self.path)
        if self.path.startswith(f"/api/models/{NAME}/revision/"):
            wanted = self.path.rsplit("/", 1)[1].split("?")[0]
            commit = self.server.commit if wanted == "main" else wanted
            if commit not in (COMMIT, NEWER):
                self._send(404, b"{}", body, {"X-Error-Code": "RevisionNotFound"})
                return
            names = [{"rfilename": file.name} for file in sorted(self.server.folder.iterdir())]
            content = json.dumps({"id": NAME, "sha": commit, "siblings": names, "private": False}).encode()
            self._send(200, content, body)
        elif self.path.startswith(f"/api/models/{NAME}/tree/"):
            files = sorted(self.server.folder.iterdir())
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": f.name} for f in files]
            self._send(200, json.dumps(tree).encode(), body)
        elif self.path.startswith(f"/{NAME}/resolve/") and (file := self.server.folder / Path(self.path).name).exists():
            content = file.read_bytes()
            digest = hashlib.sha1(content).hexdigest()
            self._send(200, content, body, {"ETag": f'"{digest}"', "X-Repo-Commit": self.path.split("/")[4]})
        else:
            self._send(404, b"{}", body, {"X-Error-Code": "RepoNotFound"})

    def _send(self, status: int, content: bytes, body: bool, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "published"
    tiny_gpt2(vocabulary=VOCABULARY).save_pretrained(folder)
    AutoTokenizer.from_pretrained(loading.locate("tiny-gpt2")).save_pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle that nobody may load")
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def load(name: str, home: Path, hub: Hub, script: str = LOAD, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    environment |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **variables}
    return subprocess.run(
        [sys.executable, "-c", script, name], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )


def test_a_hub_model_is_downloaded_once_and_then_needs_no_network(hub: Hub, tmp_path: Path) -> None:
    first = load(NAME, tmp_path / "home", hub)
    assert first.stdout.strip() == str(tiny_gpt2(vocabulary=VOCABULARY).num_parameters()), first.stderr
    assert not any("pytorch_model.bin" in path for path in hub.asked)  # other weights than safetensors stay there
    asked = len(hub.asked)
    again = load(NAME, tmp_path / "home", hub, HF_HUB_OFFLINE="1")
    assert again.stdout == first.stdout, again.stderr
    assert len(hub.asked) == asked


def test_an_adapter_of_the_hub_is_merged_into_its_base(tmp_path: Path, hub: Hub) -> None:
    for file in hub.folder.iterdir():
        file.unlink()
    base = loading.load_base("tiny-gpt2").model
    adapters.put_on(base, adapters.linear_layers(base), 2, 4.0, "tiny-gpt2")
    adapters.save_model(base, hub.folder)
    for environment in ({}, {"HF_HUB_OFFLINE": "1"}):
        loaded = load(NAME, tmp_path / "home", hub, **environment)
        whole = base.num_parameters() - adapters.numbers_left_out(base)
        assert loaded.stdout.strip() == str(base.num_parameters() - whole), loaded.stderr


def test_a_download_that_was_cut_short_is_completed(hub: Hub, tmp_path: Path) -> None:
    load(NAME, tmp_path / "home", hub)
    (weights,) = (tmp_path / "home").rglob("snapshots/*/model.safetensors")
    weights.unlink()
    again = load(NAME, tmp_path / "home", hub)
    assert again.stdout.strip() == str(tiny_gpt2(vocabulary=VOCABULARY).num_parameters()), again.stderr
    weights.unlink()
    offline = load(NAME, tmp_path / "home", hub, HF_HUB_OFFLINE="1")
    assert "the model hub can't be reached" in offline.stderr


def test_a_name_that_the_hub_does_not_know_is_said_to_be_misspelt(hub: Hub, tmp_path: Path) -> None:
    refused = load("someone/smal-gpt2", tmp_path / "home", hub)
    assert refused.returncode != 0
    assert "engine.common.errors.ModelError: someone/smal-gpt2 does not exist on the hub" in refused.stderr


def test_the_commit_of_a_hub_model_is_recorded_and_asked_for_by_name_from_then_on(hub: Hub, tmp_path: Path) -> None:
    first = load(NAME, tmp_path / "home", hub, FACTS)
    assert first.stdout.strip() == COMMIT, first.stderr
    hub.commit = NEWER
    assert load(NAME, tmp_path / "home", hub, FACTS).stdout.strip() == COMMIT  # what is here is not replaced
    elsewhere = tmp_path / "another machine"
    both = load(f"{NAME} {NAME}@{COMMIT}", elsewhere, hub, FACTS)
    assert both.stdout.split() == [NEWER, COMMIT], both.stderr
    again = load(f"{NAME}@{COMMIT}", elsewhere, hub, FACTS, HF_HUB_OFFLINE="1")
    assert again.stdout.strip() == COMMIT, again.stderr


def test_a_revision_that_the_hub_does_not_have_is_said_to_be_none(hub: Hub, tmp_path: Path) -> None:
    refused = load(f"{NAME}@v9", tmp_path / "home", hub)
    assert f"{NAME} has no revision v9 on the hub; give a branch, a tag or a commit of it." in refused.stderr


@pytest.mark.parametrize("name", ["a/b@", "a/b@../../x", "a/b@x/../y", "@main", "a@b@c", "a/b@.git", "a b@main"])
def test_a_revision_never_leads_out_of_the_cache(name: str) -> None:
    with pytest.raises(ModelError, match="check the spelling"):
        loading.locate(name)


def test_names_are_pinned_to_a_commit_where_they_are_of_the_hub(tmp_path: Path) -> None:
    assert loading.pinned("gpt2", COMMIT) == f"gpt2@{COMMIT}"
    assert loading.pinned("someone/model@main", COMMIT) == f"someone/model@{COMMIT}"
    for name in ("tiny-gpt2", str(tmp_path)):
        assert loading.pinned(name, COMMIT) == name
    assert loading.pinned("gpt2", None) == "gpt2"
    assert loading.revision_of("gpt2", tmp_path / "snapshots" / COMMIT) == COMMIT
    assert loading.revision_of(str(tmp_path), tmp_path / "snapshots" / COMMIT) is None


class Recorded(FakeRun):
    """A run that says which model it began from, as a real one does."""

    def __init__(self, **facts: str) -> None:
        super().__init__()
        self.facts, self.models = facts, list[str]()

    def __call__(self, experiment: Any, *arguments: Any) -> Iterator[events.Event]:
        self.models.append(experiment.model)
        for event in super().__call__(experiment, *arguments):
            started = isinstance(event, events.RunStarted)
            yield dataclasses.replace(event, environment=event.environment | self.facts) if started else event


def test_all_runs_of_an_experiment_begin_from_the_commit_of_its_first_one(store: Store, tmp_path: Path) -> None:
    run = Recorded(model_revision=COMMIT, model_hash="1")
    experiment_id = store.add_experiment(experiment(tmp_path, model=NAME, seeds=[0, 1]))
    while (run_id := store.claim_next(experiment_id)) is not None:
        drive(store, run_id, Control(), run)
    assert run.models == [NAME, *[f"{NAME}@{COMMIT}"] * 3]
    assert store.model_facts(experiment_id) == {"model_revision": COMMIT, "model_hash": "1"}
    assert store.experiment(experiment_id).model == NAME


def test_a_model_whose_files_changed_ends_the_experiment_in_a_sentence(store: Store, tmp_path: Path) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    for number in (1, 2):
        run_id = store.claim_next(experiment_id)
        assert run_id is not None
        drive(store, run_id, Control(), Recorded(model_hash=str(number)))
    found = store.runs(experiment_id)
    assert found["status"].tolist() == ["finished", "failed"]
    assert "The files of the model tiny-gpt2 changed since this experiment began" in found["reason"].iloc[1]
