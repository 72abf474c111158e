"""A model by its hub name, from a hub that answers as the real one does: on this machine, with one small model."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from engine import models
from tests.builders import tiny_gpt2

ROOT = Path(__file__).resolve().parent.parent
NAME, COMMIT = "someone/small-gpt2", "01234567" * 5
VOCABULARY = 4096
"""Of the embedded model's tokenizer, which the published one shares."""
LOAD = "import sys; from engine.models import load_base; print(load_base(sys.argv[1]).model.num_parameters())"


class Hub(ThreadingHTTPServer):
    """Serves the files of one folder under `NAME`, and counts what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.folder = folder
        self.asked: list[str] = []

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
            names = [{"rfilename": file.name} for file in sorted(self.server.folder.iterdir())]
            content = json.dumps({"id": NAME, "sha": COMMIT, "siblings": names, "private": False}).encode()
            self._send(200, content, body)
        elif self.path.startswith(f"/api/models/{NAME}/tree/"):
            files = sorted(self.server.folder.iterdir())
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": f.name} for f in files]
            self._send(200, json.dumps(tree).encode(), body)
        elif self.path.startswith(f"/{NAME}/resolve/") and (file := self.server.folder / Path(self.path).name).exists():
            content = file.read_bytes()
            digest = hashlib.sha1(content).hexdigest()
            self._send(200, content, body, {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT})
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
    AutoTokenizer.from_pretrained(models.locate("tiny-gpt2")).save_pretrained(folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle that nobody may load")
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def load(name: str, home: Path, hub: Hub, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    environment |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **variables}
    return subprocess.run(
        [sys.executable, "-c", LOAD, name], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )


def test_a_hub_model_is_downloaded_once_and_then_needs_no_network(hub: Hub, tmp_path: Path) -> None:
    first = load(NAME, tmp_path / "home", hub)
    assert first.stdout.strip() == str(tiny_gpt2(vocabulary=VOCABULARY).num_parameters()), first.stderr
    assert not any("pytorch_model.bin" in path for path in hub.asked)  # other weights than safetensors stay there
    asked = len(hub.asked)
    again = load(NAME, tmp_path / "home", hub, HF_HUB_OFFLINE="1")
    assert again.stdout == first.stdout, again.stderr
    assert len(hub.asked) == asked


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
    assert "engine.errors.ModelError: someone/smal-gpt2 does not exist on the hub" in refused.stderr
