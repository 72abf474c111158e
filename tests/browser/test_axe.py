"""axe-core, which looks for what keeps people from using a page, on every page of the app in both themes."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from engine.driving.driver import drive
from engine.events.control import Control
from engine.store import Store
from engine.tasks import load_task, samples
from engine.tasks.library import Library
from tests.browser.conftest import Serve
from tests.fake_runs import FakeRun, experiment

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = {"": "Palimpsest", "tasks": "Tasks", "experiment": "Experiment", "glossary": "Glossary"}
GRAVE = ("serious", "critical")
APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, from the wheel of axe-playwright-python."""
    package = pytest.importorskip("axe_playwright_python")
    return files(package).joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with tasks, a finished experiment and one that has failed."""
    folder = tmp_path_factory.mktemp("axe")
    library, store = Library(folder), Store(folder)
    for sample in samples()[:2]:
        library.add(load_task(sample.spec), ["a sample"])
    store.add_experiment(experiment(folder, name="finished"))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), FakeRun())
    for run_id in store.runs(store.add_experiment(experiment(folder, name="failed")))["run_id"]:
        store.set_status(run_id, "failed", "The loss is no longer a finite number.")
    store.close()
    return folder


@pytest.fixture(scope="module")
def address(serve: Serve, filled: Path) -> str:
    return serve(APP, PALIMPSEST_DATA=str(filled))


def found_by(axe: str, page: Any) -> list[str]:
    """What is grave, with the elements that it is about."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']]}"
        for each in found["violations"]
        if each["impact"] in GRAVE
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", list(PAGES))
def test_nothing_grave_is_found_on_a_page(browser: Any, address: str, axe: str, path: str, theme: str) -> None:
    page = browser.new_context(color_scheme=theme).new_page()
    page.goto(f"{address}/{path}")
    page.get_by_role("heading", name=PAGES[path], level=1).wait_for()
    page.locator(".palimpsest-tab-title").wait_for(state="attached")  # the end of the page
    page.locator("[data-testid=stSkeleton]").first.wait_for(state="hidden")
    assert found_by(axe, page) == []
    page.context.close()
