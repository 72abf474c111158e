import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from engine import events
from engine.common.errors import PlacesError, StoreUnavailableError
from engine.events.control import Control
from engine.experiments.origin import Origin
from engine.running.queue import Runner
from engine.store import Store, schema
from tests.fake_places import FakePlaces
from tests.fake_runs import FakeRun, experiment, wait_until
from ui.api import pictures
from ui.api.sources import Sources
from ui.live import data, feed
from ui.live.queue_view import queue_rows
from ui.server import entrance, session

PAGE = str(Path(__file__).parents[2] / "pages" / "live.py")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    monkeypatch.setattr(session, "store", lambda: made)

    # links need the pages of the whole app, which a test of one page doesn't have
    def link(page: str, experiment_id: str | None, *_: object, **choices: object) -> None:
        links.append((page, experiment_id))
        chosen.append(choices)

    monkeypatch.setattr(session, "experiment_link", link)
    links.clear()
    chosen.clear()
    yield made
    made.close()


links: list[tuple[str, str | None]] = []
chosen: list[dict[str, object]] = []
"""Beside each link, the choices that its address holds."""


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the page asks of the runner."""
    asked: list[tuple[str, str]] = []
    runner = SimpleNamespace(
        watching=None,
        trouble="",
        wake=lambda: None,
        request=lambda run_id, what: asked.append((run_id, what)),
        resume=lambda run_id: asked.append((run_id, "resume")),
    )
    monkeypatch.setattr(session, "runner", lambda: runner)
    return asked


@pytest.fixture
def added(store: Store, tmp_path: Path) -> tuple[str, list[str]]:
    experiment_id = store.add_experiment(experiment(tmp_path))
    return experiment_id, store.runs(experiment_id)["run_id"].tolist()


@pytest.fixture
def play(store: Store) -> Callable[..., None]:
    """Claim the next run and record a fake run's events, up to and with the first that `last` accepts."""

    def go(last: Callable[[events.Event], bool] = lambda _: False) -> None:
        run_id = store.claim_next()
        assert run_id is not None
        experiment_id, spec = store.run_spec(run_id)
        for event in FakeRun()(store.experiment(experiment_id), spec, store.run_folder(run_id), Control(), 0):
            store.record(run_id, event)
            if last(event):
                return
        store.set_status(run_id, "finished")

    return go


def in_stage_two(event: events.Event) -> bool:
    return isinstance(event, events.Evaluated) and event.stage == 2


def show(experiment_id: str | None = None, run_id: str = "", unfolded: str = "") -> AppTest:
    """The page, with this run chosen in the list, and this part unfolded."""
    page = AppTest.from_file(PAGE, default_timeout=300)
    if experiment_id is not None:
        page.query_params["experiment"] = experiment_id
    if run_id:
        page.session_state[f"live_chosen_{run_id.partition('-')[0]}"] = run_id
    if unfolded:
        page.session_state[f"live_{unfolded}_fold"] = True
    page.run()
    assert not page.exception
    return page


def glance(run_id: str) -> dict[str, Any]:
    """What the browser asks the server for."""
    store = session.store()
    return pictures.glance(Sources(store, data.feed_of(store)), {"run_id": run_id})


def statuses(run_id: str) -> list[str]:
    return [row["status"] for row in glance(run_id)["runs"]["rows"]]


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button if button.label]


def press(page: AppTest, label: str) -> AppTest:
    return next(button for button in page.button if button.label == label).click().run()


def test_without_experiments_the_page_says_what_to_do_next() -> None:
    page = show()
    assert "Nothing has run yet" in page.info[0].value
    assert [target for target, _ in links] == [session.EXPERIMENT, session.START]


def test_a_waiting_run_shows_its_place_and_can_be_taken_out_of_the_queue(added: tuple[str, list[str]]) -> None:
    page = show()
    assert statuses(added[1][0]) == ["waiting", "waiting"]
    assert [glance(run_id)["status"]["facts"] for run_id in added[1]] == [["it is the next"], ["behind 1 other run"]]
    assert "Pause" not in labels(page)
    assert "Stop this run" in labels(page)


def test_a_running_run_shows_progress_and_can_be_paused(
    added: tuple[str, list[str]], play: Callable[..., None], asked: list[tuple[str, str]]
) -> None:
    play(in_stage_two)
    page = show()
    assert statuses(added[1][0]) == ["running", "waiting"]
    assert glance(added[1][0])["status"]["facts"][:2] == ["stage 2 of 2: tea", "step 6 of 8"]
    next(button for button in page.button if button.label == "Pause").click().run()
    assert asked == [(added[1][0], "pause")]


def test_what_is_shown_unless_a_run_is_chosen_is_what_runs_and_then_what_came_last(
    added: tuple[str, list[str]], play: Callable[..., None], asked: list[tuple[str, str]]
) -> None:
    play()
    play(in_stage_two)
    press(show(), "Pause")
    press(show(run_id="gone-000"), "Pause")
    assert asked == [(added[1][1], "pause")] * 2
    assert labels(show(run_id=added[1][0])) == [], "this one has finished"


def test_two_runs_at_once_are_counted_timed_and_reached_each(
    added: tuple[str, list[str]], store: Store, play: Callable[..., None], asked: list[tuple[str, str]]
) -> None:
    play(in_stage_two)
    play(in_stage_two)
    for run_id, pace in zip(added[1], (30.0, 90.0), strict=True):
        store.record(run_id, seconds_per_step=pace, steps_measured=6)
    assert statuses(added[1][0]) == ["running", "running"]
    words = glance(added[1][0])["runs"]["note"]
    assert words == "2 running; about 3\u202fmin left in all"  # two steps of 90 s, beside two of 30 s
    press(show(run_id=added[1][1]), "Pause")
    assert asked == [(added[1][1], "pause")]


def test_a_stop_is_asked_for_only_by_the_second_button(
    added: tuple[str, list[str]], play: Callable[..., None], asked: list[tuple[str, str]]
) -> None:
    play(in_stage_two)
    page = show()
    assert "Stop" not in labels(page)
    next(button for button in page.button if button.label == "Stop this run").click().run()
    assert asked == [(added[1][0], "stop")]


def test_stopping_everything_empties_the_queue_before_it_stops_what_runs(
    added: tuple[str, list[str]], play: Callable[..., None], asked: list[tuple[str, str]]
) -> None:
    play(in_stage_two)
    page = show()
    next(button for button in page.button if button.label == "Stop all runs of this experiment").click().run()
    assert asked == [(added[1][1], "stop"), (added[1][0], "stop")]


def test_a_run_that_failed_before_its_first_step_is_promised_no_points(
    added: tuple[str, list[str]], store: Store
) -> None:
    for run_id in added[1]:
        store.claim_next()
        store.set_status(run_id, "failed", "The model could not be read.")
    page = show()
    page.selectbox(key=f"live_stage_{added[0]}").select(1)
    page.selectbox(key=f"live_task_{added[0]}").select("tea").run()
    text = " ".join([*(info.value for info in page.info), *(caption.value for caption in page.caption)])
    assert "was not scored here: the run ended before" in text
    figures = data.feed()
    run = store.runs(added[0]).iloc[0]
    assert "there are no points" in figures.losses(run, ["bread", "tea"], "nats_per_token").drawn.alt
    assert "waits for" not in figures.matrix(run, ["bread", "tea"], "nats_per_token").figure


def test_a_finished_run_shows_neither_stop_nor_pause(
    added: tuple[str, list[str]], store: Store, play: Callable[..., None]
) -> None:
    play()
    play()
    page = show()
    assert labels(page) == ["Add a task"]
    assert [target for target, _ in links] == [session.COMPARE, session.UNDERSTAND, session.EXPERIMENT]


def test_whose_stages_a_run_began_with_is_said(
    store: Store, added: tuple[str, list[str]], play: Callable[..., None]
) -> None:
    play()
    origin = Origin("continued", "before", "kit*chen", run_id="before-000", stages=1, environment={"device": "cuda"})
    with store.writing() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.run_id == added[1][0]).values(origin=origin.data))
    said = [caption.value for caption in show(added[0], run_id=added[1][0]).caption if "trained in" in caption.value]
    assert len(said) == 1
    assert said[0].startswith("Stage 1 was trained in “kit\\*chen”\\.")
    assert "another arithmetic \\(device\\)" in said[0]


def test_a_paused_run_can_be_resumed(
    added: tuple[str, list[str]], store: Store, play: Callable[..., None], asked: list[tuple[str, str]]
) -> None:
    play(in_stage_two)
    store.set_pause(added[1][0], True)
    page = show()
    assert "Pause" not in labels(page)
    next(button for button in page.button if button.label == "Resume").click().run()
    assert asked == [(added[1][0], "resume")]


def test_a_failed_run_says_why_and_can_be_resumed(
    added: tuple[str, list[str]], store: Store, play: Callable[..., None]
) -> None:
    play(in_stage_two)
    store.set_status(added[1][0], "failed", "The memory of this machine ran out; choose a smaller block size.")
    page = show(run_id=added[1][0])
    assert "choose a smaller block size" in page.error[0].value
    assert "Resume" in labels(page)
    assert (session.EXPERIMENT, added[0]) in links
    edit = chosen[links.index((session.EXPERIMENT, added[0]))]
    assert edit["run"] == added[1][0]
    assert "Stage 1 is trained and is taken over" in str(edit["help"])
    assert "it goes on with stage 2" in str(edit["help"])


def test_a_run_that_waits_says_for_what_and_then_no_longer(
    store: Store, added: tuple[str, list[str]], play: Callable[..., None]
) -> None:
    play(in_stage_two)
    run_id = added[1][0]
    store.record(run_id, events.Waiting("The disk is full."))
    page = show()
    assert "The disk is full" in page.warning[0].value
    assert "Pause" in labels(page)
    store.record(run_id, events.Waiting(""))
    data.feed().look_again()
    assert not show().warning


def of_elsewhere(page: AppTest) -> list[str]:
    icons = (":material/moving:", ":material/dns:")
    return [each.value.replace("\\", "") for each in page.caption if each.value.startswith(icons)]


def test_a_run_says_how_often_it_was_cut_short_elsewhere_and_why(
    store: Store, added: tuple[str, list[str]], play: Callable[..., None]
) -> None:
    play(in_stage_two)
    run_id = added[1][0]
    details = partial(show, run_id=run_id, unfolded="details")
    assert of_elsewhere(details()) == []
    store.requeue_lost(run_id, "The node *a* is gone.")
    data.feed().look_again()
    page = details()
    assert of_elsewhere(page) == [":material/moving: Cut short 1 time, and waits to go on. The node *a* is gone."]
    assert page.info[0].value == "The node \\*a\\* is gone\\."
    assert store.claim(run_id)
    assert of_elsewhere(details()) == [":material/moving: Went on elsewhere 1 time. The node *a* is gone."]
    store.requeue_lost(run_id, "The node b is gone.")
    assert store.claim(run_id)
    page = details()
    assert of_elsewhere(page) == [":material/moving: Went on elsewhere 2 times. Last: The node b is gone."]
    said = next(each for each in page.caption if each.value.startswith(":material/moving:"))
    assert said.help.endswith("\n\n1. The node \\*a\\* is gone\\.\n2. The node b is gone\\.")


def test_a_run_that_is_resumed_by_hand_still_says_how_often_it_had_gone_on_elsewhere(
    store: Store, added: tuple[str, list[str]], play: Callable[..., None]
) -> None:
    play(in_stage_two)
    run_id = added[1][0]
    store.requeue_lost(run_id, "The node a is gone.")
    assert store.claim(run_id)
    store.set_status(run_id, "interrupted", "The program was shut down.")
    store.requeue(run_id)
    store.set_status(added[1][1], "finished")
    said = [":material/moving: Went on elsewhere 1 time. The node a is gone."]
    assert of_elsewhere(show(unfolded="details")) == said
    store.set_status(run_id, "failed", "The node a is gone.")  # which waits no more
    assert of_elsewhere(show(unfolded="details")) == said


def test_a_queued_run_with_a_reason_of_another_kind_says_it(store: Store, added: tuple[str, list[str]]) -> None:
    store.set_status(added[1][0], "queued", "The *disk* was full.")
    page = show(unfolded="details")
    assert page.info[0].value == "The \\*disk\\* was full\\."
    assert of_elsewhere(page) == []


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ({"0": "here"}, ""), ({"0": "<b>"}, "<b>"), ({"0": "here", "1": "b"}, "here"), ({"1": "b"}, ""), ({}, ""),
        ({"0": "here", "1": "here"}, ""),
    ],
)  # fmt: skip
def test_the_node_is_named_where_there_are_several_or_it_is_another_machine(
    nodes: dict[str, str], said: str, store: Store, added: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "here")
    for number, run_id in enumerate(added[1]):
        assert store.claim(run_id)
        facts: dict[str, Any] = {"device": "cpu"} | ({"node": nodes[str(number)]} if str(number) in nodes else {})
        store.record(run_id, events.RunStarted(10, 2, 0, facts, ()))
    page = show(run_id=added[1][0], unfolded="details")
    assert of_elsewhere(page) == ([f":material/dns: Node: {said}"] if said else [])


def test_while_a_run_is_queued_the_page_says_why_no_machine_takes_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, added: tuple[str, list[str]]
) -> None:
    class NoCluster(FakePlaces):
        def take(self, *_: object) -> None:
            raise PlacesError("No Ray cluster answers at 10.0.0.1:6379; check PALIMPSEST_RAY_ADDRESS.")

    runner = Runner(store, places=NoCluster(1, FakeRun())).start()
    monkeypatch.setattr(session, "runner", lambda: runner)
    try:
        wait_until(lambda: bool(runner.trouble))
        page = show()
        assert [each.value.replace("\\", "") for each in page.warning] == [
            "No Ray cluster answers at 10.0.0.1:6379; check PALIMPSEST_RAY_ADDRESS."
        ]
        assert store.runs(added[0])["status"].tolist() == ["queued", "queued"]
    finally:
        runner.close()


@pytest.fixture
def queue(store: Store, tmp_path: Path) -> list[str]:
    """The waiting runs of two experiments."""
    ids = [store.add_experiment(experiment(tmp_path, name=name)) for name in ("first", "a *second*")]
    return [run_id for each in ids for run_id in store.runs(each)["run_id"]]


def waiting(store: Store) -> list[str]:
    return [run.run_id for run in store.runs_in_play() if run.status == "queued"]


def test_waiting_runs_of_all_experiments_are_put_into_another_order(store: Store, queue: list[str]) -> None:
    page = show(unfolded="queue")
    assert [each.label for each in page.expander if each.label.startswith("Queue")] == ["Queue: 4 runs waiting"]
    assert page.button(key="live_queue_arrow_upward").disabled, "the first one is chosen"
    page.button(key="live_queue_arrow_downward").click().run()
    assert waiting(store) == [queue[1], queue[0], *queue[2:]]
    page.session_state["live_queue_chosen"] = queue[3]
    page.run()
    assert page.button(key="live_queue_arrow_downward").disabled
    page.button(key="live_queue_arrow_upward").click().run()
    assert waiting(store) == [queue[1], queue[0], queue[3], queue[2]]
    page.button(key="live_queue_first_page").click().run()
    assert waiting(store) == [queue[3], queue[1], queue[0], queue[2]]
    rows = queue_rows(data.feed().queue())
    assert [(row.id, row.detail, row.sign) for row in rows[:2]] == [(queue[3], "next", "1"), (queue[1], "", "2")]
    assert rows[0].name.endswith("seed 0 · a *second*"), "the list prints it as it is"


def test_a_run_is_taken_out_of_the_queue_or_run_next_and_a_late_click_is_told_so(
    store: Store, queue: list[str], asked: list[tuple[str, str]]
) -> None:
    page = show(unfolded="queue")
    page.button(key="live_queue_remove").click().run()
    assert asked == [(queue[0], "stop")]
    assert store.claim(queue[0])
    page.button(key="live_queue_first_page").click().run()
    assert "no longer waiting" in page.toast[0].value
    press(show(queue[3].partition("-")[0], queue[3]), "Run next")
    assert waiting(store) == [queue[3], queue[1], queue[2]]
    assert glance(queue[3])["status"]["facts"] == ["it is wanted next, and begins as soon as it can"]


def test_interrupted_runs_can_all_be_resumed_at_once(
    added: tuple[str, list[str]], store: Store, asked: list[tuple[str, str]]
) -> None:
    for run_id in added[1]:
        store.set_status(run_id, "interrupted", "The program was shut down.")
    page = show()
    assert "interrupted" in page.warning[0].value
    next(button for button in page.button if button.label == "Resume all 2").click().run()
    assert asked == [(run_id, "resume") for run_id in added[1][::-1]], "each goes to the front of the queue"


def test_a_finished_run_can_learn_one_more_task_and_leads_to_the_comparison(
    added: tuple[str, list[str]], play: Callable[..., None]
) -> None:
    play()
    play()
    page = show()
    assert labels(page) == ["Add a task"]
    assert glance(added[1][0])["status"]["share"] == 1.0
    assert (session.COMPARE, added[0]) in links
    page = show(unfolded="details")
    remarks = [caption.value for caption in page.caption if caption.value.startswith("Stage 2")]
    assert remarks == ["Stage 2\\: A sentence with \\<b\\>a mark\\<\\/b\\>\\."], "what a strategy says is no markup"
    assert page.dataframe[0].value["State"].tolist() == ["trained", "trained"]


@pytest.mark.usefixtures("added")
def test_while_another_server_runs_the_page_only_watches(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    play(in_stage_two)
    monkeypatch.setattr(session, "runner", lambda: SimpleNamespace(watching="process 7 on *kitchen*", trouble=""))
    page = show()
    assert "only watches" in page.info[0].value
    assert "\\*kitchen\\*" in page.info[0].value
    assert labels(page) == []


def test_the_address_chooses_the_experiment_and_an_unknown_one_is_said_to_be_gone(
    added: tuple[str, list[str]], store: Store, tmp_path: Path
) -> None:
    newer = store.add_experiment(experiment(tmp_path, name="newer"))
    assert show(added[0]).selectbox[0].value == added[0]
    assert show().selectbox[0].value == newer
    page = show("gone")
    assert "not in the data folder" in page.warning[0].value
    assert page.query_params["experiment"] in (newer, [newer])


def test_a_cell_opens_its_exact_numbers_its_curve_and_its_checkpoint(
    added: tuple[str, list[str]], store: Store, play: Callable[..., None]
) -> None:
    play()
    page = show(run_id=added[1][0])
    page.selectbox(key=f"live_stage_{added[0]}").select(2)
    page.selectbox(key=f"live_task_{added[0]}").select("bread").run()
    assert not page.exception
    numbers = page.dataframe[0].value.set_index("Score")
    assert numbers.loc["Loss (nats per token)"].tolist() == ["3.000", "−1.000", "+1.000"]
    line = (
        "**bread, after stage 2:** 3.000 nats per token, +1.000 since the end of its own stage, −1.000 against the base"
    )
    assert [each.value for each in page.markdown if each.value.startswith("**bread")] == [f"{line} model"]
    assert page.code[0].value == f"runs/{added[1][0]}/stage-2"
    way = {"view": "passages", "run": added[1][0], "task": "bread", "stage": "2"}
    assert links[-1] == (session.UNDERSTAND, added[0])
    assert way.items() <= chosen[-1].items()
    (caption,) = [caption for caption in page.caption if caption.value.startswith("Checkpoint after stage 2")]
    assert str(store.folder) not in caption.value
    assert str(store.run_folder(added[1][0]) / "stage-2") in caption.help.replace("\\", "")


def test_a_visitor_of_a_shared_server_sees_none_of_its_paths_behind_a_cell(
    added: tuple[str, list[str]], store: Store, play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "is_private", lambda: False)
    monkeypatch.setenv("PALIMPSEST_OPEN_TO_ALL", "1")
    play()
    page = show(run_id=added[1][0])
    page.selectbox(key=f"live_stage_{added[0]}").select(2)
    page.selectbox(key=f"live_task_{added[0]}").select("bread").run()
    said = [page.code[0].value, *(f"{caption.value} {caption.help}" for caption in page.caption)]
    assert not any(str(store.folder) in text.replace("\\", "") for text in said)


def test_a_cell_that_was_not_reached_says_when_it_will_be(
    added: tuple[str, list[str]], play: Callable[..., None]
) -> None:
    play(in_stage_two)
    page = show()
    page.selectbox(key=f"live_stage_{added[0]}").select(2)
    page.selectbox(key=f"live_task_{added[0]}").select("tea").run()
    assert "once stage 2 is over" in page.info[0].value


@pytest.mark.usefixtures("added")
def test_every_control_has_a_help(play: Callable[..., None]) -> None:
    play(in_stage_two)
    page = show()
    controls = [*page.button, *page.selectbox, *page.get("button_group")]
    assert len(controls) >= 6
    assert all(control.help for control in controls if hasattr(control, "help"))


def seen(page: AppTest) -> dict[str, object]:
    return page.session_state["live_seen"]


@pytest.mark.usefixtures("added")
def test_a_page_draws_no_chart_itself(play: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    drawings: list[str] = []
    for name in ("loss_figure", "matrix_figure"):
        monkeypatch.setattr(feed, name, lambda *a, _name=name, **k: drawings.append(_name))
    play(in_stage_two)
    show()
    assert drawings == []


def test_a_change_has_only_those_parts_drawn_again_that_are_made_of_others(
    added: tuple[str, list[str]], store: Store, play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "KEEP_SECONDS", 0.0)  # what looks that follow each other at once would see
    play(in_stage_two)
    page = show()
    run_id, watched = added[1][0], data.feed()
    word = glance(run_id)["structure"]

    def changed() -> list[str]:
        view = partial(watched.view, added[0])
        parts = data.parts_of_matrix(watched.followed(run_id, 1))
        now = {"live_whole": (view(data.outline), "", watched.followed(run_id, 1).has_answers)}
        now |= dict.fromkeys(("live_past", "live_cell", "live_details"), parts)
        now["live_queue"] = data.queue_facts(watched.queue())
        assert set(now) == set(seen(page))
        return [part for part, what in now.items() if seen(page)[part] != what]

    assert changed() == []
    store.record(run_id, events.StepDone(2, 7, {"new": 1.0, "total": 1.0}, 100, 0.01, 1e-3, 1.0))
    assert changed() == []
    assert glance(run_id)["structure"] == word
    store.set_pause(run_id, True)
    assert changed() == ["live_whole"]
    assert glance(run_id)["structure"] != word
    page.run()
    assert changed() == []
    word = glance(run_id)["structure"]
    assert store.claim(added[1][1])  # so that nothing waits any more
    assert changed() == ["live_whole", "live_queue"]
    assert glance(run_id)["structure"] != word


def test_a_page_looks_for_changes_while_there_is_something_to_follow_and_no_longer(
    added: tuple[str, list[str]], store: Store, play: Callable[..., None]
) -> None:
    play()
    assert "live_watch_turn" in show().session_state
    store.request(added[1][1], "stop")
    assert "live_watch_turn" not in show().session_state


class Gone:
    """Stands for a store whose disk was taken away."""

    def __init__(self, store: Store) -> None:
        self.store, self.is_gone = store, False

    def __call__(self) -> Store:
        if self.is_gone:
            raise StoreUnavailableError("/data can't be made (Permission denied); mend that.")
        return self.store


def test_a_store_that_is_gone_is_said_in_a_sentence_at_the_next_look_and_at_a_click(
    store: Store, added: tuple[str, list[str]], asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Gone(store)
    monkeypatch.setattr(session, "store", gone)
    script = (
        "import runpy\nfrom ui.widgets.error_notes import with_error_notes\n"
        f"with_error_notes(lambda: runpy.run_path({PAGE!r}))()"
    )
    page = AppTest.from_string(script, default_timeout=300)
    page.query_params["experiment"] = added[0]
    page.run()
    assert not page.error
    gone.is_gone = True
    next(button for button in page.button if button.label == "Stop all runs of this experiment").click().run()
    assert not page.exception
    assert [each.value.replace("\\", "") for each in (*page.error, *page.toast)] == [
        "/data can't be made (Permission denied); mend that."
    ] * 2
    assert not asked
    gone.is_gone = False
    page.run()
    assert not page.error
    assert page.button


def test_what_one_run_refuses_keeps_the_others_from_nothing(
    added: tuple[str, list[str]], play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    play(in_stage_two)
    reached: list[str] = []

    def request(run_id: str, what: str) -> None:
        if run_id == added[1][1]:
            raise StoreUnavailableError("palimpsest.db: the disk is full; free some space.")
        reached.append(run_id)

    runner = SimpleNamespace(watching=None, trouble="", request=request)
    monkeypatch.setattr(session, "runner", lambda: runner)
    page = show(added[0])
    next(button for button in page.button if button.label == "Stop all runs of this experiment").click().run()
    assert reached == [added[1][0]]
    assert "the disk is full" in page.toast[0].value
