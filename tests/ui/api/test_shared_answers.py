"""Answers are made once for all who ask, and again only when something has changed."""

import asyncio
import threading

import pytest

from ui.api import shared_answers
from ui.api.shared_answers import Answer, Answers


class Store:
    """Counts what is made of it; time passes when told to."""

    def __init__(self) -> None:
        self.version, self.seconds, self.made, self.says = 1, 100.0, 0, b"bread"
        self.slow: threading.Event | None = None
        self.answers = Answers(lambda: self.version, lambda: self.seconds)

    def make(self) -> Answer:
        self.made += 1
        if self.slow is not None:
            assert self.slow.wait(60)
        if self.says == b"fails":
            raise ValueError("fails")
        return Answer(self.says)

    def ask(self) -> tuple[Answer, float]:
        return asyncio.run(self.answers.give("key", self.make))


def test_within_a_moment_nobody_looks_at_the_store() -> None:
    store = Store()
    first, wait = store.ask()
    assert wait == pytest.approx(first.look_again_seconds)
    store.version += 1
    store.seconds += 0.5
    again, wait = store.ask()
    assert (again, store.made) == (first, 1)
    assert wait == pytest.approx(0.5), "all come when it may be made anew"


def test_an_answer_is_made_anew_for_another_version_or_when_it_is_old() -> None:
    store = Store()
    store.ask()
    store.seconds += shared_answers.MOMENT_SECONDS + 0.1
    store.ask()
    assert store.made == 1, "the store is the same"
    store.seconds += shared_answers.STALE_SECONDS
    store.ask()
    assert store.made == 2, "a lost run shows by time alone"
    store.seconds += shared_answers.MOMENT_SECONDS + 0.1
    store.version += 1
    store.ask()
    assert store.made == 3


def test_what_takes_long_to_make_is_good_for_longer_and_not_for_ever() -> None:
    for effort, good_for in (
        (0.001, shared_answers.MOMENT_SECONDS),
        (0.02, 2.0),
        (9.0, shared_answers.LONGEST_SECONDS),
    ):
        store, taken = Store(), iter([0.0, effort, 0.0, effort])
        store.answers.effort = lambda taken=taken: next(taken)  # type: ignore[misc]
        _, first = store.ask()
        assert first <= shared_answers.FIRST_SECONDS + 0.1, "a first one pays for what a server loads once"
        store.version += 1
        store.seconds += 10
        answer, wait = store.ask()
        assert wait == pytest.approx(good_for + answer.look_again_seconds - shared_answers.MOMENT_SECONDS)


def test_a_single_one_that_takes_long_does_not_hold_the_next_up() -> None:
    store, taken = Store(), iter([0.0, 9.0, 0.0, 0.01, 0.0, 0.06])
    store.answers.effort = lambda: next(taken)
    for _ in range(3):
        store.version += 1
        store.seconds += 10
        answer, wait = store.ask()
    assert wait == pytest.approx(2.0 + answer.look_again_seconds - shared_answers.MOMENT_SECONDS), "0.01 + 0.2 · 0.05"


def test_one_that_took_long_once_is_asked_for_as_often_as_its_next_ones_allow() -> None:
    store, taken = Store(), iter([0.0, 3.0, 0.0, 0.005])
    store.answers.effort = lambda: next(taken)
    store.ask()
    store.version += 1
    store.seconds += 10
    answer, wait = store.ask()
    assert wait == pytest.approx(answer.look_again_seconds), "it was up to ten seconds for two minutes"


def test_the_tag_is_another_one_only_where_the_content_is() -> None:
    store, tags = Store(), []
    for says in (b"bread", b"bread", b"tea"):
        store.says = says
        store.version += 1
        store.seconds += 10
        tags.append(store.ask()[0].tag)
    assert tags[0] == tags[1] != tags[2]


def test_who_asks_while_it_is_made_waits_for_the_same() -> None:
    store = Store()
    store.slow = threading.Event()

    async def all_at_once() -> list[tuple[Answer, float]]:
        asked = [asyncio.ensure_future(store.answers.give("key", store.make)) for _ in range(20)]
        await asyncio.sleep(0)
        assert store.slow is not None
        store.slow.set()
        return await asyncio.gather(*asked)

    given = asyncio.run(all_at_once())
    assert store.made == 1
    assert len({id(answer) for answer, _ in given}) == 1


def test_who_leaves_while_it_is_made_takes_it_from_nobody() -> None:
    store = Store()
    store.slow = threading.Event()

    async def one_leaves() -> Answer:
        leaves, stays = (asyncio.ensure_future(store.answers.give("key", store.make)) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        assert store.slow is not None
        store.slow.set()
        return (await stays)[0]

    assert asyncio.run(one_leaves()).body == b"bread"


def test_a_failure_is_everybody_s_and_is_not_kept() -> None:
    store = Store()
    store.says = b"fails"
    with pytest.raises(ValueError, match="fails"):
        store.ask()
    store.says = b"bread"
    assert store.ask()[0].body == b"bread"


def test_only_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_answers, "_KEPT", 3)
    store = Store()

    async def many() -> None:
        for key in range(9):
            await store.answers.give(key, store.make)

    asyncio.run(many())
    assert list(store.answers._kept) == [6, 7, 8]
