"""Logging in with a real provider in a real browser, as an editor, as a reader and as somebody else."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.servers import EDITOR, READER, STRANGER, app_with_log_in, openid_provider

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The addresses of a server that asks for a log-in, and of the provider."""
    with (
        openid_provider() as provider,
        app_with_log_in(tmp_path_factory.mktemp("shared"), provider) as server,
    ):
        yield server.address, provider


@pytest.fixture
def visit(browser: Any, servers: tuple[str, str]) -> Iterator[Callable[[str], Any]]:
    """`visit(user)` logs in as that user in a browser of its own, and gives its page."""
    contexts = []

    def log_in(user: str) -> Any:
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.goto(servers[0])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{servers[1]}/**")
        page.get_by_role("button", name=user).click()
        page.wait_for_url(f"{servers[0]}/**")
        return page

    yield log_in
    for context in contexts:
        context.close()


def test_an_editor_may_start_and_stays_logged_in_after_a_reload(visit: Callable[[str], Any]) -> None:
    page = visit(EDITOR)
    for _ in range(2):
        expect(page.get_by_role("button", name="Run the demo")).to_be_enabled()
        expect(page.get_by_test_id("stSidebar")).to_contain_text(EDITOR.split("@")[0])
        page.reload()


def test_a_reader_sees_the_same_pages_with_their_controls_disabled(visit: Callable[[str], Any]) -> None:
    page = visit(READER)
    expect(page.get_by_role("button", name="Run the demo")).to_be_disabled()
    expect(page.get_by_text("may see, not change")).to_be_visible()
    page.get_by_role("link", name="Tasks").first.click()
    expect(page.get_by_role("button", name="Add all 4")).to_be_disabled()
    expect(page.locator("[data-testid=stFileUploaderDropzone] button").first).to_be_disabled()
    page.get_by_role("button", name="Add all 4").hover(force=True)
    expect(page.get_by_text("You may see everything here and change nothing")).to_be_visible()


def test_somebody_else_is_told_so_and_can_log_out_to_be_another(
    visit: Callable[[str], Any], servers: tuple[str, str]
) -> None:
    page = visit(STRANGER)
    expect(page.get_by_text("is not on this server's list")).to_be_visible()
    expect(page.get_by_role("button", name="Run the demo")).to_have_count(0)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{servers[1]}/**")  # ends the provider's log-in too
    page.get_by_role("button").first.click()
    page.wait_for_url(f"{servers[0]}/**")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_page_elsewhere_reaches_nothing_of_a_visitor_who_is_logged_in(
    visit: Callable[[str], Any], servers: tuple[str, str]
) -> None:
    page = visit(EDITOR)
    expect(page.get_by_role("button", name="Run the demo")).to_be_enabled()
    page.goto(f"{servers[1]}/.well-known/openid-configuration")
    assert page.evaluate(SOCKET, servers[0].replace("http", "ws") + "/_stcore/stream") == "refused"
    page.evaluate(FRAME, servers[0])
    page.wait_for_function("() => window.framed")
    assert servers[0] not in [frame.url.rstrip("/") for frame in page.frames]


SOCKET = """(address) => new Promise((tell) => {
  const socket = new WebSocket(address, ["streamlit"]);
  socket.onopen = () => tell("opened");
  socket.onerror = () => tell("refused");
})"""
FRAME = """(address) => {
  const frame = document.createElement("iframe");
  frame.onload = () => { window.framed = true; };
  frame.src = address;
  document.documentElement.append(frame);
}"""
