"""The Understand page in its states, with a desk that does what a test says."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.common.numerals import percent
from engine.driving.driver import drive
from engine.driving.thinning import thin
from engine.events.control import Control
from engine.insight.measures.probes import PROBES
from engine.insight.prompt_sets import PromptSets
from engine.insight.requests import (
    AnswersRequest,
    PassageRequest,
    PassagesRequest,
    ProbesRequest,
    Prompt,
    Request,
    Sampling,
    Source,
    TurnedRequest,
)
from engine.insight.serving.desk import View
from engine.persistence.shared_results import SharedResults
from engine.store import Store
from tests.fake_desk import FakeDesk, Told, state
from tests.fake_runs import FakeRun, experiment
from ui.server import entrance, session
from ui.server.access import Role, Visitor

PAGE = str(Path(__file__).parents[2] / "pages" / "understand.py")
EVIL = "<script>alert(1)</script> *b*"
links: list[tuple[str, str | None]] = []


def done(request: Request) -> View:
    """What the engine would answer, in little."""
    if isinstance(request, AnswersRequest):
        return state("done", result=[answers(request, f"{EVIL} of model {n}") for n in range(len(request.sources))])
    if isinstance(request, PassagesRequest):
        return state("done", result=[row(number, 0.5 - number) for number in (3, 0)])
    return state("done", result=[piece("<|bos|>", False), piece("Q: ", False), piece(EVIL, True)])


def answers(request: AnswersRequest, text: str) -> list[dict[str, Any]]:
    return [{"text": text, "tokens": 7, "is_cut": True} for _ in request.prompts]


def row(document: int, lost: float) -> dict[str, Any]:
    return {
        "document": document, "target_tokens": 5, "text_bytes": 9, "before": 2.0, "after": 2.0 + lost, "lost": lost,
        "lost_nats": lost, "begins": f"{EVIL}\nof document {document}",
    }  # fmt: skip


def piece(text: str, is_target: bool) -> dict[str, Any]:
    return {"text": text, "is_target": is_target, "change": -2.0, "before": 0.5, "after": 0.07, "instead": EVIL}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "prompt_sets", lambda: PromptSets(tmp_path / "data"))
    monkeypatch.setattr(session, "kept_results", lambda: SharedResults(tmp_path / "kept"))
    # links need the pages of the whole app, which a test of one page doesn't have
    monkeypatch.setattr(
        session, "experiment_link", lambda page, experiment_id, *_, **__: links.append((page, experiment_id))
    )
    links.clear()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    made = FakeDesk(done)
    monkeypatch.setattr(session, "desk", lambda: made)
    return made


@pytest.fixture
def trained(store: Store, tmp_path: Path) -> list[str]:
    """Run ids of a finished experiment, naive and replay, tasks bread and tea."""
    store.add_experiment(experiment(tmp_path))
    while (run_id := store.claim_next()) is not None:
        drive(store, run_id, Control(), FakeRun())
    return list(store.runs()["run_id"])


def show(**query: Any) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=300)
    for name, value in query.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def ask(page: AppTest, text: str = "Bread and") -> AppTest:
    page.text_area[0].set_value(text)
    press(page, "Ask")
    return page


def press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def shown(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def said(page: AppTest) -> str:
    kinds = (page.info, page.error, page.caption, page.warning)
    return "\n".join(each.value.replace("\\", "") for kind in kinds for each in kind)


def address(page: AppTest) -> dict[str, list[str]]:
    found = {name: page.query_params[name] for name in page.query_params}
    return {name: [value] if isinstance(value, str) else list(value) for name, value in found.items()}


def test_without_experiments_the_page_says_what_will_be_here_and_where_to_begin() -> None:
    assert "ask models what they say" in said(show())
    assert [target for target, _ in links] == [session.EXPERIMENT, session.START]


def test_before_any_stage_is_over_the_base_model_can_be_asked_and_passages_are_promised(
    store: Store, tmp_path: Path, desk: FakeDesk
) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    page = ask(show())
    base = Source(str(store.runs()["run_id"].iloc[0]), 0)
    assert desk.asked == [AnswersRequest((base,), (Prompt("Bread and"),))]
    assert "once the first stage" in said(show(view="passages")).replace("\n", " ")
    assert links[-1] == (session.LIVE, experiment_id)
    assert "base model" in shown(page)


def test_the_base_model_and_the_last_stage_of_every_strategy_answer_and_no_text_is_markup(
    trained: list[str], desk: FakeDesk
) -> None:
    page = ask(show())
    (request,) = desk.asked
    assert request.sources == (Source(trained[0], 0), Source(trained[0], 2), Source(trained[1], 2))
    assert request.sampling is None
    text = shown(page)
    assert "Naive after stage 2 · tea" in text
    assert re.search(r"Replay λ\s0\.5 after stage 2 · tea", text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; *b* of model 2" in text
    assert "<script" not in text
    assert "7 tokens, cut at the limit" in text


@pytest.mark.usefixtures("trained")
def test_the_page_says_which_checkpoints_were_not_kept(trained: list[str], store: Store) -> None:
    thin(store, trained[:1], "last")
    text = " ".join(each.value for each in show().caption)
    assert "1 of 4 checkpoints were not kept" in text


@pytest.mark.usefixtures("trained")
def test_a_reload_and_a_restarted_server_ask_for_the_same_again(desk: FakeDesk) -> None:
    page = show()
    next(each for each in page.get("button_group") if each.label == "Tokens are").set_value("Sampled").run()
    next(each for each in page.number_input if each.label == "Seed").set_value(7).run()
    ask(page, "Two lines\nof one prompt")
    (request,) = desk.asked
    assert request.sampling == Sampling(0.8, 7, 0.95)
    desk.states.clear()
    again = show(**address(page))
    assert desk.asked == [request, request]
    assert again.text_area[0].value == "Two lines\nof one prompt"
    assert "of model 2" in shown(again)


@pytest.mark.usefixtures("trained")
def test_other_choices_leave_what_was_asked_on_the_page_and_out_of_its_address(desk: FakeDesk) -> None:
    page = ask(show())
    assert address(page)["asked"] == ["1"]
    page.text_area[0].set_value("Something else").run()
    assert "of model 2" in shown(page)
    assert "asked" not in address(page)
    assert len(desk.asked) == 1


@pytest.mark.usefixtures("trained")
def test_a_waiting_request_says_how_many_come_first_and_can_be_stopped(desk: FakeDesk) -> None:
    desk.usual = lambda request: state("waiting", before=3)
    page = ask(show())
    assert "3 requests before yours" in said(page)
    press(page, "Stop")
    assert desk.stopped == desk.asked
    assert "Stopped" in said(page)
    desk.usual = done
    press(page, "Try again")
    assert len(desk.asked) == 2
    assert "of model 2" in shown(page)


@pytest.mark.usefixtures("trained")
def test_answers_are_shown_while_they_are_written_and_stay_when_they_are_stopped(desk: FakeDesk) -> None:
    told = Told("naive writes", 1, 3, [[{"text": "half a sen", "tokens": 3, "is_cut": False}]])
    desk.usual = lambda request: state("computing", told=told)
    page = ask(show())
    assert page.get("progress")[0].proto.value == 33
    assert page.get("progress")[0].proto.text == "naive writes …"
    assert "half a sen▍" in shown(page)
    assert "understand_answers_pulse_turn" in page.session_state
    press(page, "Stop")
    assert "half a sen<" in shown(page)
    assert "Stop" not in labels(page)


@pytest.mark.usefixtures("trained")
def test_a_failure_is_a_sentence_and_can_be_tried_again(desk: FakeDesk) -> None:
    desk.usual = lambda request: state("failed", reason=f"Because of {EVIL}")
    page = ask(show())
    assert f"Because of {EVIL}" in page.error[0].value.replace("\\", "")
    press(page, "Try again")
    assert len(desk.asked) == 2


@pytest.mark.usefixtures("trained")
def test_what_the_desk_has_dropped_or_another_browser_has_stopped_is_asked_again(desk: FakeDesk) -> None:
    page = ask(show())
    desk.states.clear()
    page.run()
    assert len(desk.asked) == 2
    desk.stop(desk.asked[0])
    page.run()
    assert len(desk.asked) == 3
    assert "of model 2" in shown(page)


@pytest.mark.usefixtures("trained")
def test_the_next_request_takes_the_place_of_one_that_is_not_done(desk: FakeDesk) -> None:
    desk.usual = lambda request: state("computing")
    page = ask(show(), "first")
    ask(page, "second")
    assert [request.prompts[0].text for request in desk.asked] == ["first", "second"]
    assert desk.stopped == desk.asked[:1]


@pytest.mark.usefixtures("trained")
def test_nothing_is_asked_without_a_prompt_or_a_model(desk: FakeDesk) -> None:
    page = ask(show(), "  ")
    assert "There is no prompt" in said(page)
    page.multiselect[0].set_value([]).run()
    ask(page)
    assert "No model is chosen" in said(page)
    assert desk.asked == []


def test_prompts_of_a_task_come_with_what_its_documents_go_on_with(trained: list[str], desk: FakeDesk) -> None:
    page = show(**{"from": "task", "task": "tea", "count": "2"})
    press(page, "Ask")
    (request,) = desk.asked
    assert len(request.prompts) == 2
    assert all(prompt.text.startswith("Note") for prompt in request.prompts)
    assert shown(page).count("The held-out document itself") == 2
    assert "cups." in shown(page)


class OfKind(FakeRun):
    """Its tasks are recorded with these facts."""

    def __init__(self, facts: dict[str, Any]) -> None:
        super().__init__()
        self.facts = facts

    def __call__(self, *args: Any, **options: Any) -> Any:
        for event in super().__call__(*args, **options):
            for fact in getattr(event, "tasks", ()):
                fact.update(self.facts)
            yield event


class Labelled(OfKind):
    """As a run says it of tasks that are scored on their own training text."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        for event in super().__call__(*args, **options):
            for fact in getattr(event, "tasks", ()):
                fact["name"] += " (training text)"
            yield event


def of_kind(store: Store, tmp_path: Path, kind: str) -> str:
    """The id of a finished run whose tasks are of this kind."""
    store.add_experiment(experiment(tmp_path, strategies=["naive"]))
    run_id = store.claim_next()
    assert run_id is not None
    drive(store, run_id, Control(), OfKind({"kind": kind}))
    return run_id


def turned(request: Request) -> View:
    """Three questions: one answer is lost, one gained, one stays wrong."""
    exact = ((True, False), (False, True), (False, False))
    rows = [
        {
            "document": number, "prompt": f"Q{number} {EVIL}", "expected": "yes",
            "before": {"text": f"before {number}", "exact": before, "f1": 0.5},
            "after": {"text": f"after {number}", "exact": after, "f1": 0.25},
        }
        for number, (before, after) in enumerate(exact)
    ]  # fmt: skip
    scores = {"before": {"exact": 1 / 3, "f1": 0.5}, "after": {"exact": 1 / 3, "f1": 0.25}}
    classes = {"before": {"yes": (3, 1 / 3)}, "after": {"yes": (3, 0.0)}}
    return state(
        "done",
        result={"rows": rows, "scores": scores, "lost": 1, "gained": 1, "p": 1.0, "classes": classes, "left_out": 2},
    )


def test_answers_that_turned_stand_in_a_table_with_their_scores(store: Store, desk: FakeDesk, tmp_path: Path) -> None:
    run_id = of_kind(store, tmp_path, "pairs")
    desk.usual = turned
    page = show(view="turned")
    assert desk.asked == [TurnedRequest("bread", Source(run_id, 1), Source(run_id, 2))]
    assert {metric.label: metric.value for metric in page.metric} == {
        "Exactly right": f"{percent(1 / 3)} → {percent(1 / 3)}", "Token F1": f"{percent(0.5)} → {percent(0.25)}",
    }  # fmt: skip
    assert "1 answer turned wrong and 1 turned right: p = 1" in said(page)
    assert "2 questions fill the context and were left out" in said(page)
    lost = page.dataframe[0].value
    assert lost["Before"].tolist() == ["✓ before 0"]
    assert lost["Question"].tolist() == [f"Q0 {EVIL}"]
    page.segmented_control(key="understand_turned").set_value("All").run()
    assert page.dataframe[0].value["After"].tolist() == ["✗ after 0", "✓ after 1", "✗ after 2"]
    assert page.dataframe[1].value["After"].tolist() == [percent(0.0)]


def test_plain_text_has_no_turned_answers_and_nothing_is_asked(store: Store, desk: FakeDesk, tmp_path: Path) -> None:
    of_kind(store, tmp_path, "text")
    page = show(view="turned")
    assert "bread is plain text" in said(page)
    assert desk.asked == []


def test_a_plain_task_that_is_scored_on_its_own_training_text_is_told_too(store: Store, tmp_path: Path) -> None:
    described = experiment(tmp_path, strategies=["naive"])
    tasks = tuple(task.model_copy(update={"held_out": "train"}) for task in described.tasks)
    store.add_experiment(described.model_copy(update={"tasks": tasks}))
    run_id = store.claim_next()
    assert run_id is not None
    drive(store, run_id, Control(), Labelled({"kind": "text"}))
    assert "bread is plain text" in said(show(view="turned"))


def test_pairs_are_asked_with_the_separator_of_their_task(store: Store, desk: FakeDesk, tmp_path: Path) -> None:
    rows = "\n".join(json.dumps({"prompt": f"Q{n}?", "completion": f"A{n}."}) for n in range(20))
    (tmp_path / "pairs.jsonl").write_text(rows, encoding="utf-8")
    task = {
        "name": "qa", "train": [str(tmp_path / "pairs.jsonl")], "prompt_column": "prompt",
        "completion_column": "completion", "separator": " =>",
    }  # fmt: skip
    store.add_experiment(experiment(tmp_path, tasks=[task]))
    run_id = store.claim_next()
    assert run_id is not None

    drive(store, run_id, Control(), OfKind({"kind": "pairs", "separator": " =>", "chat_template": None}))
    page = ask(show(), "What?")
    assert next(box for box in page.selectbox if box.label == "Format").value.title == "Prompt as in task qa"
    assert desk.asked[0].prompts == (Prompt("What? =>"),)


@pytest.mark.usefixtures("trained")
def test_a_set_of_prompts_is_kept_chosen_again_and_deleted(desk: FakeDesk) -> None:
    page = show()
    page.text_area[0].set_value("first\n\nsecond").run()
    next(each for each in page.toggle).set_value(True).run()
    press(page, "Keep as a set")
    assert "needs a name" in said(page)
    page.text_input[0].set_value("My *two*")
    press(page, "Keep as a set")
    assert "My *two*" in page.success[0].value.replace("\\", "")
    again = show(**{"from": "kept"})
    press(again, "Ask")
    assert [prompt.text for prompt in desk.asked[0].prompts] == ["first", "second"]
    press(again, "Delete the set")
    assert "No set is kept yet" in said(show(**{"from": "kept"}))


def test_passages_go_from_the_end_of_the_task_s_own_stage_to_the_last_one(trained: list[str], desk: FakeDesk) -> None:
    page = show(view="passages")
    request = PassagesRequest("bread", Source(trained[0], 1), Source(trained[0], 2))
    assert desk.asked == [request, PassageRequest("bread", request.before, request.after, 3)]
    table = page.dataframe[0].value
    assert table["Lost"].tolist() == [-2.5, 0.5]
    assert table["Document"].tolist()[0] == f"{EVIL} of document 3"
    assert "1 of 2 held-out documents lost" in said(page)
    text = shown(page)
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "<|bos|>" not in text
    assert "bos" not in text
    assert page.dataframe[1].value["Token"].tolist() == [EVIL]


def test_a_link_from_a_cell_opens_what_lies_behind_it(trained: list[str], desk: FakeDesk) -> None:
    page = show(view="passages", run=trained[1], task="tea", stage="2")
    assert desk.asked[0] == PassagesRequest("tea", Source(trained[1], 0), Source(trained[1], 2))
    assert address(page)["before"] == ["0"]
    box = next(box for box in page.selectbox if box.label == "Task")
    box.select("bread").run()
    assert desk.asked[-2] == PassagesRequest("bread", Source(trained[1], 1), Source(trained[1], 2))
    assert address(page)["task"] == ["bread"]


def test_an_address_with_an_opened_document_opens_it(trained: list[str], desk: FakeDesk) -> None:
    show(view="passages", run=trained[0], task="bread", before="0", stage="1", document="1")
    assert desk.asked[-1] == PassageRequest("bread", Source(trained[0], 0), Source(trained[0], 1), 0)


def test_the_same_model_before_and_after_is_refused_in_a_sentence(trained: list[str], desk: FakeDesk) -> None:
    page = show(view="passages", run=trained[0], task="bread", before="2", stage="2")
    assert "the same model" in said(page)
    assert desk.asked == []


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("view", ["answers", "passages"])
def test_a_reader_sees_what_was_asked_and_has_nothing_computed(
    view: str, desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ask(show())
    there = address(page)
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("ray@example.org", Role.SEE))
    seen = show(**(there if view == "answers" else {"view": view}))
    assert len(desk.asked) == 1
    if view == "answers":
        assert "of model 2" in shown(seen)
        assert next(button for button in seen.button if button.label == "Ask").disabled
    else:
        assert "not computed yet" in said(seen)


@pytest.mark.usefixtures("trained")
def test_what_is_kept_is_said_and_can_be_cleared(tmp_path: Path, desk: FakeDesk) -> None:
    kept = SharedResults(tmp_path / "kept")
    kept.files("one", lambda folder: (folder / "scores").write_bytes(bytes(5000)) and None)
    page = ask(show())
    assert "(5.1\u202fkB now" in said(page)  # the sums beside the file are a part of it
    press(page, "Clear")
    assert kept.total_bytes() == 0
    assert "Clear" not in labels(page)


@pytest.mark.usefixtures("trained")
def test_an_experiment_that_is_gone_is_said() -> None:
    assert "not in the data folder" in said(show(experiment="gone"))


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("query", [{"from": "typed"}, {"from": "task", "temperature": "1"}, {"view": "passages"}])
def test_every_control_has_a_help(query: dict[str, str]) -> None:
    page = show(**query)
    controls = [
        *page.button, *page.selectbox, *page.multiselect, *page.text_area, *page.number_input, *page.toggle,
        *page.get("button_group"),
    ]  # fmt: skip
    assert len(controls) >= 5
    assert [control.label for control in controls if not control.help] == []


def ability(source: Source, probe: str, **more: Any) -> dict[str, Any]:
    return {
        "run_id": source.run_id, "stage": source.stage, "probe": probe, "items": 200, "right": 124, "share": 0.62,
        "low": 0.551, "high": 0.684, "chance": 0.25, "written": 0.07 if probe == "copying" else None,
        "is_at_chance": False, "change": "",
    } | more  # fmt: skip


def measured(request: Request) -> View:
    assert isinstance(request, ProbesRequest)
    rows = [ability(source, probe.name) for source in request.sources for probe in PROBES]
    rows[-1] |= {"change": "fell", "share": 0.31, "is_at_chance": True}
    return state("done", result=rows)


def harness_file(accuracy: Any, model: str = "") -> bytes:
    task = {"alias": "arc", "acc,none": accuracy, "acc_stderr,none": 0.04}
    found = {"results": {f"arc {EVIL}": task}, "n-samples": {f"arc {EVIL}": {"effective": 1234}}, "model_name": model}
    return json.dumps(found).encode()


def table_of(page: AppTest) -> str:
    (table,) = (element.proto.body for element in page.get("html") if "<table" in element.proto.body)
    return str(table)


def test_before_any_stage_is_over_it_is_said_what_will_be_here(store: Store, tmp_path: Path, desk: FakeDesk) -> None:
    experiment_id = store.add_experiment(experiment(tmp_path))
    page = show(view="abilities")
    assert "what no task teaches" in said(page)
    assert links[-1] == (session.LIVE, experiment_id)
    assert desk.asked == []


def test_base_model_and_every_stage_of_a_run_stand_in_a_table(trained: list[str], desk: FakeDesk) -> None:
    desk.usual = measured
    page = show(view="abilities")
    base, first, last = (Source(trained[0], stage) for stage in range(3))
    assert desk.asked == [ProbesRequest((base, first, last))]
    table = table_of(page)
    assert table.count("<tr>") == 4
    assert table.count(percent(0.62)) == 3 * len(PROBES) - 1
    assert table.count("written: ") == 3
    assert table.count("▼</span> fell") == 1
    assert table.count("as by chance") == 1
    assert f"chance {percent(0.5)}" in table
    assert f"55 to {percent(0.684)}" in table
    assert "Tests follow" not in said(page)
    assert "Choices: " in shown(page)


def test_runs_and_stages_are_chosen_and_stay_in_the_address(trained: list[str], desk: FakeDesk) -> None:
    desk.usual = measured
    page = show(view="abilities")
    page.multiselect[0].set_value([trained[1]]).run()
    next(each for each in page.get("button_group") if each.label == "Of each run").set_value("last").run()
    last = ProbesRequest((Source(trained[0], 0), Source(trained[1], 2)))
    assert desk.asked[-1] == last
    assert (address(page)["run"], address(page)["stages"]) == ([trained[1]], ["last"])
    again = show(**address(page))
    assert desk.asked[-1] == last
    again.multiselect[0].set_value([]).run()
    assert "No run is chosen" in said(again)


@pytest.mark.usefixtures("trained")
def test_what_there_is_stands_there_while_the_rest_is_computed_and_can_be_stopped(desk: FakeDesk) -> None:
    def computing(request: Request) -> View:
        assert isinstance(request, ProbesRequest)
        return state(
            "computing", told=Told("the base model: Sorting", 1, 4, [ability(request.sources[0], "arithmetic")])
        )

    desk.usual = computing
    page = show(view="abilities")
    assert page.get("progress")[0].proto.value == 25
    assert page.get("progress")[0].proto.text.replace("\\", "") == "the base model: Sorting …"
    table = table_of(page)
    assert (table.count(percent(0.62)), table.count("…</td>")) == (1, 3 * len(PROBES) - 1)
    assert "Tests follow once all models are done" in said(page)
    press(page, "Stop")
    assert desk.stopped == desk.asked
    assert "Stopped" in said(page)
    assert percent(0.62) in table_of(page)


@pytest.mark.usefixtures("trained")
def test_a_failure_is_a_sentence(desk: FakeDesk) -> None:
    desk.usual = lambda request: state("failed", reason=f"The probe Copying has {EVIL}")
    page = show(view="abilities")
    assert f"The probe Copying has {EVIL}" in page.error[0].value.replace("\\", "")
    press(page, "Try again")
    assert len(desk.asked) == 2


@pytest.fixture
def with_checkpoints(trained: list[str], store: Store) -> list[str]:
    """The run ids, once each last stage has the files of a whole model."""
    for run_id in trained:
        for name in ("config.json", "model.safetensors"):
            (store.run_folder(run_id) / "stage-2").mkdir(parents=True, exist_ok=True)
            (store.run_folder(run_id) / "stage-2" / name).write_text("{}", encoding="utf-8")
    return trained


def test_the_command_for_the_chosen_model_is_shown(with_checkpoints: list[str], store: Store, desk: FakeDesk) -> None:
    desk.usual = measured
    page = show(view="abilities")
    words = shlex.split(page.code[0].value)
    folder = (store.run_folder(with_checkpoints[0]) / "stage-2").resolve()
    assert words[:5] == ["lm_eval", "--model", "hf", "--model_args", f"pretrained={folder},dtype=float32"]
    next(box for box in page.text_input if box.label == "Tasks").set_value("a b; rm").run()
    assert "'b;' is no name of a task" in page.error[0].value.replace("\\", "")
    next(box for box in page.text_input if box.label == "Tasks").set_value("mmlu, arc_easy").run()
    assert "mmlu,arc_easy" in shlex.split(page.code[0].value)


@pytest.mark.usefixtures("with_checkpoints")
def test_a_results_file_becomes_a_column_and_can_be_deleted(desk: FakeDesk) -> None:
    desk.usual = measured
    page = show(view="abilities")
    page.file_uploader[0].upload("results_2026.json", harness_file(0.875, "gpt2"), "application/json").run()
    press(page, "Keep these results")
    assert "1 value kept with Naive after stage 2" in page.success[0].value.replace("\\", "")
    assert "The file names the model gpt2: make sure" in page.success[0].value.replace("\\", "")
    table = table_of(page)
    assert "0.875" in table
    assert "± 0.04" in table
    assert "is its standard error" in said(page)
    assert "1,234 items" in table
    assert "arc &lt;script&gt;alert(1)&lt;/script&gt; *b*" in table
    assert "<script" not in table
    press(page, "Delete")
    assert "0.875" not in table_of(page)


@pytest.mark.usefixtures("with_checkpoints")
def test_a_file_that_is_none_is_refused_with_what_is_wrong(desk: FakeDesk) -> None:
    desk.usual = measured
    page = show(view="abilities")
    page.file_uploader[0].upload("r.json", b'{"results": {"t": 3}}', "application/json").run()
    press(page, "Keep these results")
    assert "r.json: results, 't': write its metrics as fields" in page.error[0].value.replace("\\", "")
    page.file_uploader[0].upload("r.json", harness_file(float("nan")), "application/json").run()
    press(page, "Keep these results")
    assert "none of its tasks has a metric with a number" in page.error[0].value.replace("\\", "")
    assert "Delete" not in labels(page)


@pytest.mark.usefixtures("with_checkpoints")
def test_who_may_only_see_can_keep_and_delete_nothing(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.usual = measured
    page = show(view="abilities")
    page.file_uploader[0].upload("r.json", harness_file(0.5), "application/json").run()
    press(page, "Keep these results")
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("reader", Role.SEE))
    again = show(view="abilities")
    assert again.file_uploader[0].disabled
    assert next(button for button in again.button if button.label == "Delete").disabled
    assert "0.5" in table_of(again)


@pytest.mark.usefixtures("with_checkpoints")
def test_a_visitor_of_a_shared_server_sees_none_of_its_paths_in_a_command(
    desk: FakeDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.usual = measured
    monkeypatch.setattr(entrance, "is_private", lambda: False)
    monkeypatch.setattr(entrance, "_visitor", lambda: Visitor("ray@example.org", Role.CHANGE))
    page = show(view="abilities")
    assert len(page.code) == 0
    assert "shown on its own machine alone" in said(page)
    assert str(store.folder) not in said(page)
