"""The main journey in a real browser: own texts in, the first strategies trained and compared, a model taken home."""

import csv
import io
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import torch
from playwright.sync_api import expect
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.strategies import title_of
from tests.browser.conftest import PATIENCE, ROOT, Serve
from ui.drafts.draft import FIRST_ON

pytestmark = pytest.mark.browser

ROWS, LETTERS = 120, 100
REASONS = (
    "arrived late",
    "came with a torn label",
    "has the wrong colour",
    "was billed twice",
    "makes a humming noise",
)
THINGS = ("kettle", "garden lamp", "winter coat", "desk", "bicycle bell", "radio", "set of glasses", "rug")
REMEDIES = ("send a new one", "give the money back", "have it collected", "mend it free of charge", "call the carrier")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
SKIES = ("fog over the estuary", "a clear sky", "rain from the west", "sleet until noon", "a low sun behind clouds")
SIGHTS = ("two herring boats", "a seal on the slip", "the mail steamer", "gannets diving", "a raft of timber")
WORKS = ("trimmed the wicks", "painted the north rail", "hauled coal up the stairs", "cleaned the great lens")


def support_table(path: Path) -> Path:
    """Prompts and completions in quoted cells, with line breaks, commas and quotes inside."""
    draw = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "completion"])
        for number in range(ROWS):
            thing, reason, day = draw.choice(THINGS), draw.choice(REASONS), draw.choice(DAYS)
            writer.writerow(
                [
                    f'Order {4100 + number}: "{thing}"\nBought on {day}, and it {reason}. What can you do?',
                    f"Hello,\nthe {thing} {reason}, and we are sorry. We can {draw.choice(REMEDIES)} by "
                    f"{draw.choice(DAYS)} or {draw.choice(REMEDIES)}, whichever suits you.\nYour shop, desk {number}",
                ]
            )
    return path


def lighthouse_letters(path: Path) -> Path:
    """Documents of two lines, with blank lines between them."""
    draw = random.Random(2)
    letters = [
        f"Entry {number}. {draw.choice(DAYS)}, {draw.choice(SKIES)}, wind force {draw.randint(0, 9)}. In the morning I "
        f"{draw.choice(WORKS)} and saw {draw.choice(SIGHTS)}.\nToward evening {draw.choice(SKIES)}; the keeper "
        f"{draw.choice(WORKS)} and counted {draw.randint(2, 40)} sails beyond {draw.choice(SIGHTS)}."
        for number in range(LETTERS)
    ]
    path.write_text("\n\n".join(letters), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, serve: Serve, tmp_path: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: complain(page, message))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    # One thread: two that wait for each other at every operation crawl on a machine that is busy with other things.
    page.goto(serve(ROOT / "app.py", PALIMPSEST_DATA=str(tmp_path / "data"), OMP_NUM_THREADS="1"))
    yield page
    context.close()


def complain(page: Any, message: Any) -> None:
    """Note errors of the app, not of look-ups elsewhere, nor of Streamlit looking for its root below a page."""
    address = urlsplit(message.location.get("url") or "")
    of_streamlit = re.fullmatch(r"/\w+/_stcore/[\w-]+", address.path)
    if message.type == "error" and address.hostname in (None, "127.0.0.1") and not of_streamlit:
        page.complaints.append(f"{message.text} {address.path}")


def settle(page: Any) -> None:
    """Wait until the server has had nothing more to draw for a while: what was clicked may not have reached it yet."""
    page.evaluate("() => { window.quietSince = null; }")
    page.wait_for_function(
        """() => {
          const isQuiet = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning";
          window.quietSince = isQuiet ? window.quietSince ?? performance.now() : null;
          return isQuiet && performance.now() - window.quietSince > 1000;
        }"""
    )


def open_page(page: Any, name: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=name).click()
    page.get_by_role("heading", name=name, exact=True, level=1).wait_for()
    settle(page)


def add_task(page: Any, file: Path, name: str, recognised: str, division: str) -> None:
    page.get_by_test_id("stFileUploader").first.locator("input[type=file]").set_input_files(str(file))
    page.get_by_text(recognised).wait_for()
    field = page.get_by_role("textbox", name="Name of the task")
    field.fill(name)
    field.press("Enter")
    page.get_by_text(division).wait_for()
    settle(page)
    page.get_by_role("button", name="Add to the library").click()
    page.get_by_test_id("stMarkdownContainer").get_by_text(name, exact=True).first.wait_for()
    page.get_by_text("Preview", exact=True).first.wait_for()
    settle(page)


def set_up_experiment(page: Any, tasks: tuple[str, ...]) -> None:
    """From the library on: both tasks in their order, the strategies that are on at first, a name."""
    page.get_by_role("link", name="Set up an experiment", exact=True).click()
    page.get_by_role("heading", name="Experiment", exact=True, level=1).wait_for()
    expect(page.get_by_role("radio", name="Quick").first).to_be_checked()
    for task in tasks:
        page.get_by_test_id("stMultiSelect").get_by_text(task, exact=True).first.wait_for()
    page.get_by_role("button", name=f"Start {len(FIRST_ON)} runs").wait_for()
    for strategy in map(title_of, FIRST_ON):
        expect(page.get_by_role("switch", name=re.compile(re.escape(strategy))).first).to_be_checked()
    name = page.get_by_role("textbox", name="Name", exact=True)
    name.fill("Shop, then sea")
    name.press("Enter")


def wait_for_step(page: Any) -> None:
    page.wait_for_function(
        "() => /step [1-9]/.test(document.querySelector('.palimpsest-status .facts')?.innerText ?? '')"
    )


def watch(page: Any) -> None:
    """See it run, reload the page in mid-run, see it go on, and see it end."""
    page.get_by_role("heading", name="Live", exact=True, level=1).wait_for()
    page.get_by_text(re.compile("1 running")).wait_for()
    wait_for_step(page)
    address = page.url
    assert "experiment=" in address

    page.reload()
    wait_for_step(page)
    assert page.url == address
    expect(page.locator("p", has_text="Shop, then sea")).to_be_visible()
    expect(page.locator(".palimpsest-status .badge")).to_contain_text(re.compile("Running|Finished"))

    page.get_by_text(re.compile(f"{len(FIRST_ON)} finished")).wait_for(timeout=3 * PATIENCE)
    matrix = page.get_by_role("figure", name="Score matrix")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.palimpsest-chart')].some((chart) =>"
        " /Score matrix/.test(chart.getAttribute('aria-label') ?? ''))"
    )
    assert "sea" in (matrix.get_attribute("aria-label") or "")


def test_own_files_become_tasks_strategies_train_and_a_model_is_taken_home(page: Any, tmp_path: Path) -> None:
    open_page(page, "Tasks")
    table = support_table(tmp_path / "support.csv")
    add_task(page, table, "shop", f"CSV table, {ROWS} rows × 2 columns", "108 documents to train on and 12 held out.")
    letters = lighthouse_letters(tmp_path / "letters.txt")
    add_task(page, letters, "sea", "plain text", "90 documents to train on and 10 held out.")

    set_up_experiment(page, ("shop", "sea"))
    page.get_by_role("button", name=f"Start {len(FIRST_ON)} runs").click()
    watch(page)

    link = page.get_by_test_id("stMain").get_by_role("link", name="Compare", exact=True)
    expect(link).to_have_count(1)  # while the page is drawn anew, what it was may stand beside what it becomes
    link.click()
    page.get_by_role("heading", name="Compare", exact=True, level=1).wait_for()
    assert "experiment=" in page.url
    page.get_by_role("heading", name="Learning against keeping").wait_for()
    page.locator(".palimpsest-chart .main-svg").first.wait_for()
    settle(page)

    page.get_by_role("tab", name="Downloads").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile(r"^\W*(download )?Model \(zip")).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert_model_works(file, tmp_path / "model")
    assert page.complaints == []


def assert_model_works(file: Path, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as archive:
        archive.extractall(folder)
    (config,) = folder.rglob("config.json")
    tokenizer = AutoTokenizer.from_pretrained(config.parent)
    model = AutoModelForCausalLM.from_pretrained(config.parent)
    prompt = tokenizer("Entry 12. Monday,", return_tensors="pt")
    with torch.no_grad():
        generated = model.generate(**prompt, max_new_tokens=5, min_new_tokens=5, do_sample=False)
    assert generated.shape[1] == prompt["input_ids"].shape[1] + 5
