"""What is not loaded: a page that waits for torch is on the screen seconds later than it need be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.driving.driver import drive
from engine.events.control import Control
from engine.store import Store
from engine.tasks import load_task, samples
from engine.tasks.library import Library
from tests.fake_runs import FakeRun, experiment

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    "torch", "transformers", "tokenizers", "scipy.stats", "scipy.optimize", "sklearn", "safetensors.torch",
    "huggingface_hub",
)  # fmt: skip
PAGES = ("start", "tasks", "experiment", "runs", "live", "compare", "understand")

VISIT = """
import json, sys
from streamlit.testing.v1 import AppTest
from ui.server import warm_up

heavy, pages = json.loads(sys.argv[1]), json.loads(sys.argv[2])
found = {}

def loaded():
    return [name for name in heavy if name in sys.modules]

warm_up.begin = lambda: found.setdefault("before the warm-up", loaded())
app = AppTest.from_file(sys.argv[3], default_timeout=300).run()
for page in pages:
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception
    found[app.title[0].value] = loaded()
print(json.dumps(found))
"""

COMMAND = """
import json, runpy, sys
heavy, sys.argv = json.loads(sys.argv[1]), ["engine", *sys.argv[2:]]
try:
    runpy.run_module("engine", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
sys.stderr.write(json.dumps([name for name in heavy if name in sys.modules]))
"""


def python(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A data folder with tasks and a finished experiment."""
    folder = tmp_path / "data"
    library = Library(folder)
    for sample in samples()[:2]:
        library.add(load_task(sample.spec), ["a sample"])
    store = Store(folder)
    store.add_experiment(experiment(tmp_path))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), FakeRun())
    store.close()
    return folder


@pytest.mark.parametrize("is_filled", [False, True], ids=["empty", "filled"])
def test_no_page_loads_what_trains_before_it_is_asked_for(
    is_filled: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue("filled") if is_filled else tmp_path
    arguments = (json.dumps([*HEAVY, "scipy"]), json.dumps(PAGES), str(ROOT / "app.py"))
    found = json.loads(python(VISIT, *arguments, PALIMPSEST_DATA=str(folder)).stdout)
    titles = ["before the warm-up", "Palimpsest", "Tasks", "Experiment", "Runs", "Live", "Compare", "Understand"]
    # From the note on what the seeds of the experiment can show.
    with_intervals = {title: ["scipy"] for title in titles[titles.index("Experiment") :]} if is_filled else {}
    assert found == {title: [] for title in titles} | with_intervals


@pytest.mark.parametrize("argument", ["--help", "strategies"])
def test_the_command_line_says_what_it_can_do_without_what_trains(argument: str) -> None:
    done = python(COMMAND, json.dumps([*HEAVY, "scipy", "pandas", "sqlalchemy"]), argument)
    assert done.stdout
    assert json.loads(done.stderr) == []


def test_an_experiment_is_read_without_what_trains() -> None:
    module = "engine.experiments.experiment"
    script = f"import json, sys, {module}\nprint([n for n in json.loads(sys.argv[1]) if n in sys.modules])"
    assert python(script, json.dumps([*HEAVY, "scipy", "pandas", "numpy"])).stdout.strip() == "[]"


def test_what_pages_need_is_loaded_beside_the_server_and_nothing_that_trains(tmp_path: Path) -> None:
    script = """
import asyncio, json, sys, threading
from ui.server import warm_up

async def serve():
    async with warm_up.beside_the_server(None):
        for thread in threading.enumerate():
            if thread.name == "palimpsest-warm-up":
                thread.join()

asyncio.run(serve())
print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]))
"""
    wanted = ["scipy.special", "pandas", "sqlalchemy"]
    found = python(script, json.dumps([*HEAVY, *wanted]), PALIMPSEST_DATA=str(tmp_path)).stdout
    assert json.loads(found) == wanted


def test_the_server_finds_an_app_that_warms_up_beside_it() -> None:
    script = "import app\nprint(app.app.script_path.name, app.app._user_lifespan.__name__)"
    assert python(script).stdout.split() == ["app.py", "beside_the_server"]


@pytest.mark.parametrize(("page", "comes"), [("start", False), ("live", True), ("compare", True)])
def test_the_charting_library_is_under_way_before_a_page_with_charts_begins(
    page: str, comes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_DATA", str(tmp_path))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    app.switch_page(f"pages/{page}.py").run()
    shown = [element.type for element in app.main.children.values()]
    before_title = shown[: min(shown.index(each) for each in ("title", "flex_container") if each in shown)]
    assert ("bidi_component" in before_title) is comes


def test_the_warm_up_loads_torch_after_threads_were_told_how_to_wait() -> None:
    script = """
import os, sys

class Refuse:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"))
            sys.stdout.flush()
            os._exit(0)

os.environ.pop("OMP_WAIT_POLICY", None)
sys.meta_path.insert(0, Refuse())
from ui.server import warm_up
warm_up._load(warm_up._OF_RUNS)
"""
    assert python(script).stdout.strip() == "PASSIVE"


def test_a_page_that_asks_in_the_middle_of_the_warm_up_finds_everything_loaded() -> None:
    script = """
import sys, threading, time
from ui.server import warm_up
threading.Thread(target=warm_up._load, args=[warm_up._OF_RUNS]).start()
while "transformers.utils" not in sys.modules:
    time.sleep(0.01)
warm_up.finish()
from engine.models.loading import load_tokenizer
print(load_tokenizer.__name__)
"""
    assert python(script).stdout.strip() == "load_tokenizer"
