"""A data folder that may be read and not written: said in a sentence wherever it is met."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.experiments.yaml_file import to_yaml
from engine.store import Store
from tests.fake_runs import experiment

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("start", "tasks", "experiment", "runs", "live", "compare", "understand")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder; what a test has put there is read-only once `shut`."""
    folder = tmp_path / "data"
    folder.mkdir()
    yield folder
    change(folder, 0o700)


def change(folder: Path, mode: int) -> None:
    for each in (folder, *folder.rglob("*")):
        each.chmod(mode)


def powerless(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python as somebody whom permissions bind: they don't bind root."""
    command = [sys.executable, *arguments]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root can be bound by permissions with setpriv alone, which is not here")
        command = ["setpriv", "--bounding-set", "-dac_override", *command]
    variables = os.environ | {"HF_HUB_OFFLINE": "1"} | environment
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=600)


def test_the_command_line_says_it_in_a_sentence(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_text(to_yaml(experiment(tmp_path)), encoding="utf-8")
    change(data, 0o500)
    done = powerless("-m", "engine", "run", str(file), "--out", str(data / "results"))
    assert done.returncode == 1
    assert f"{data / 'results'} can't be made (Permission denied)" in done.stderr
    assert "Traceback" not in done.stderr


OPEN_EVERY_PAGE = """
import json, sys
from streamlit.testing.v1 import AppTest
for page in sys.argv[1:]:
    app = AppTest.from_file("app.py", default_timeout=300)
    app.switch_page(f"pages/{page}.py").run()
    shown = [each.value.replace("\\\\", "") for each in app.error]
    print(json.dumps([page, shown, [each.value for each in app.exception]]))
"""


@pytest.mark.parametrize("used", [False, True])
def test_every_page_says_it_in_a_sentence(used: bool, data: Path, tmp_path: Path) -> None:
    if used:
        store = Store(data)
        store.add_experiment(experiment(tmp_path))
        store.close()
    change(data, 0o500)
    found = powerless("-c", OPEN_EVERY_PAGE, *PAGES, PALIMPSEST_DATA=str(data))
    shown = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("[")]
    assert [page for page, _, _ in shown] == list(PAGES), found.stderr
    for page, errors, exceptions in shown:
        assert not exceptions, page
        assert any("check the permissions" in each or "can't be made" in each for each in errors), (page, errors)


OPEN_AGAIN = """
import sys
from pathlib import Path
from engine.common.errors import StoreUnavailableError
from engine.store import Store
folder = Path(sys.argv[1])
try:
    Store(folder)
except StoreUnavailableError as error:
    print(error)
for each in (folder, *folder.iterdir()):
    each.chmod(0o700)
store = Store(folder)
store.rename(store.experiments()["experiment_id"].item(), "after")
print(store.experiments()["name"].item())
"""


def test_a_store_is_not_opened_for_reading_alone_which_it_would_stay(data: Path, tmp_path: Path) -> None:
    store = Store(data)
    store.add_experiment(experiment(tmp_path))
    for each in (data, *data.iterdir()):  # with its connection open, as a killed server leaves it
        each.chmod(0o500)
    refused, name = powerless("-c", OPEN_AGAIN, str(data)).stdout.splitlines()
    assert "it can't be written; check the permissions of the file and its folder" in refused
    assert name == "after"
    store.close()
