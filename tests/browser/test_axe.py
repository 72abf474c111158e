"""axe-core, which looks for what keeps people from using a page, on every page of the app in both themes."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from engine.common.errors import TrainingError
from engine.driving.driver import drive
from engine.events.control import Control
from engine.housekeeping import Chosen, changes, wastebin
from engine.housekeeping.chosen import Thing
from engine.store import Store
from engine.tasks import load_task, samples
from engine.tasks.library import Library
from tests.browser.conftest import Serve
from tests.fake_runs import FakeRun, experiment

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TABLE = "[data-testid=stDataFrame] canvas"
CHART = ".main-svg .infolayer"
LIVE = (f".st-key-live_losses_chart {CHART}", f".st-key-live_matrix {CHART}")
PAGES = {
    "": ("Palimpsest", ()),
    "tasks": ("Tasks", ()),
    "experiment": ("Experiment", ()),
    "runs": ("Runs", (TABLE,)),
    "runs?runs_view=Runs": ("Runs", (TABLE,)),
    "runs?runs_view=Bin": ("Runs", (TABLE,)),
    "runs?runs_view=Log": ("Runs", (TABLE,)),
    "live?experiment={finished}": ("Live", LIVE),
    "live?experiment={failed}": ("Live", ("[data-testid=stAlert]", *LIVE)),
    "compare?experiment={finished}": ("Compare", (".palimpsest-table", f".stMain {CHART}")),
    "understand?experiment={finished}": ("Understand", ()),
    "understand?experiment={finished}&view=passages": ("Understand", ()),
    "understand?experiment={finished}&view=turned": ("Understand", ()),
    "understand?experiment={finished}&view=abilities": ("Understand", ()),
    "glossary": ("Glossary", ()),
}
"""The title of each page, and what is drawn on it last."""
IS_DARK = "getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'"
GRAVE = ("serious", "critical")
APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, from the wheel of axe-playwright-python."""
    package = pytest.importorskip("axe_playwright_python")
    return files(package).joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("axe")


@pytest.fixture(scope="module")
def experiments(folder: Path) -> dict[str, str]:
    """The ids of a finished experiment and of a failed one, in a data folder with tasks and a third one in the bin."""
    library, store = Library(folder), Store(folder)
    for sample in samples()[:2]:
        library.add(load_task(sample.spec), ["a sample"])
    ids = {}
    diverged = TrainingError("The loss is no longer a finite number.")
    for name, run in (
        ("finished", FakeRun(beside=True)),
        ("failed", FakeRun(fail_at=6, error=diverged)),
        ("binned", FakeRun()),
    ):
        ids[name] = store.add_experiment(experiment(folder, name=name))
        while (run_id := store.claim_next()) is not None:
            drive(store, run_id, Control(), run)
    wastebin.put(store, Chosen((ids["binned"],)))
    changes.record(store, "", "moved to the bin", [Thing("experiment", ids["binned"], "binned")])
    store.close()
    return ids


@pytest.fixture(scope="module")
def address(serve: Serve, folder: Path, experiments: dict[str, str]) -> str:
    return serve(APP, PALIMPSEST_DATA=str(folder))


def found_by(page: Any) -> list[str]:
    """What axe finds grave, with the elements that it is about."""
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {[node['html'] for node in each['nodes']]}"
        for each in found["violations"]
        if each["impact"] in GRAVE
    ]


@pytest.mark.parametrize("path", list(PAGES))
def test_nothing_grave_is_found_on_a_page_in_either_theme(
    browser: Any, address: str, experiments: dict[str, str], axe: str, path: str
) -> None:
    title, drawn = PAGES[path]
    page = browser.new_context(color_scheme="light").new_page()
    page.goto(f"{address}/{path.format(**experiments)}")
    page.get_by_role("heading", name=title, exact=True, level=1).wait_for()
    page.locator(".palimpsest-tab-title").wait_for(state="attached")  # the end of the page
    page.locator("[data-testid=stSkeleton]").first.wait_for(state="hidden")
    for selector in drawn:
        page.locator(selector).first.wait_for(state="attached")
    page.evaluate(axe)
    assert found_by(page) == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(IS_DARK)
    assert found_by(page) == []
    page.context.close()
