"""A desk that does what a test says, for pages that ask models."""

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.insight.requests import Request
from engine.insight.serving.desk import View


class Told(NamedTuple):
    """As the desk's process tells how far it has come."""

    words: str
    done: int = 0
    of: int = 0
    so_far: Any = None


class FakeDesk:
    """Takes requests in and gives each the state that a test has set, or `usual`."""

    def __init__(self, usual: Callable[[Request], View]) -> None:
        self.asked: list[Request] = []
        self.stopped: list[Request] = []
        self.states: dict[Request, View] = {}
        self.usual = usual

    def ask(self, request: Request) -> None:
        self.asked.append(request)
        self.states[request] = self.usual(request)

    def look(self, request: Request) -> View | None:
        return self.states.get(request)

    def stop(self, request: Request) -> None:
        self.stopped.append(request)
        self.states[request] = state("stopped")

    def forget(self) -> None:
        self.states.clear()


def state(status: Any, before: int = 0, told: Any = None, result: Any = None, reason: str = "") -> View:
    return View(status, before, told, result, reason)
