"""What programs are told of a store: points, matrices, refusals, and nothing of what lies in the bin."""

from pathlib import Path
from typing import Any

import pytest

from engine import events
from engine.common.errors import AccessError, StoreUnavailableError
from engine.events.scores import SCORE_NAMES
from tests.fake_runs import experiment
from tests.ui.api.conftest import Served
from ui.api import routes
from ui.server.access import Role, Visitor


def test_experiments_and_runs_are_told_as_they_are(served: Served) -> None:
    (found,) = served.client.get("/experiments").json()["experiments"]
    assert (found["name"], found["tasks"], found["runs"], found["status"]) == (
        "kitchen",
        ["bread", "tea"],
        2,
        "running",
    )
    whole = served.client.get(f"/experiments/{served.experiment_id}").json()
    assert whole["strategies"][1] == {"name": "replay", "parameters": {"replay_weight": 0.5}}
    assert whole["training"]["epochs"] == 3
    first, second = served.client.get(f"/experiments/{served.experiment_id}/runs").json()["runs"]
    assert (first["status"], first["stage"], first["step"], first["progress"]) == ("running", 2, 6, 0.75)
    assert (second["status"], second["position"], second["progress"]) == ("queued", 1, 0.0)
    assert served.client.get(f"/runs/{served.run_id}").json() == first


def test_a_run_names_the_tasks_in_its_own_order(served: Served, tmp_path: Path) -> None:
    assert served.client.get(f"/runs/{served.run_id}").json()["order"] == ["bread", "tea"]
    varied = served.store.add_experiment(experiment(tmp_path, orders="reversed", strategies=["naive"]))
    found = served.client.get(f"/experiments/{varied}/runs").json()["runs"]
    assert [(run["label"], run["order"]) for run in found] == [
        ("naive (order=1)", ["bread", "tea"]),
        ("naive (order=2)", ["tea", "bread"]),
    ]
    assert served.client.get(f"/runs/{found[1]['run_id']}").json() == found[1]


def test_points_are_those_of_the_store(served: Served) -> None:
    points = served.client.get(f"/runs/{served.run_id}/points").json()
    assert points["losses"]["new"]["steps"] == [1, 2, 3, 4, 5, 6]
    assert points["losses"]["new"]["stages"] == [1, 1, 1, 1, 2, 2]
    assert points["losses"]["new"]["nats_per_token"] == [3.0 / step for step in range(1, 7)]
    assert points["newest_step"] == 6
    assert [stage["finished"] for stage in points["stages"]] == [True, False]
    curve = served.store.curve([served.run_id])
    for task in ("bread", "tea"):
        own, told = curve[curve["task"] == task], points["held_out"][task]
        assert told["steps"] == own["step"].tolist()
        for name in SCORE_NAMES:
            assert told[name] == own[name].tolist()
    assert points["general_text"]["bits_per_byte"][0] == pytest.approx(2.0 * 0.5 / 0.6931471805599453)


def test_who_knows_a_step_is_told_what_came_after_it(served: Served) -> None:
    after = served.client.get(f"/runs/{served.run_id}/points?after=4").json()
    assert after["losses"]["new"]["steps"] == [5, 6]
    assert after["held_out"]["bread"]["steps"] == [4]
    served.says(events.Evaluated)  # of step 6, which was recorded before
    later = served.client.get(f"/runs/{served.run_id}/points?after=6").json()
    assert later["losses"]["new"]["steps"] == []
    assert later["held_out"]["bread"]["steps"] == [6]


def test_a_stage_that_is_trained_again_has_another_attempt_and_its_own_points(served: Served) -> None:
    assert served.client.get(f"/runs/{served.run_id}/points").json()["attempt"] == 1
    served.store.request(served.store.runs()["run_id"].iloc[1], "stop")
    served.store.set_status(served.run_id, "interrupted", "")
    served.store.requeue(served.run_id)
    assert served.store.claim_next() == served.run_id
    served.store.drop_after_stage(served.run_id, 1)  # as a run does that goes on
    points = served.client.get(f"/runs/{served.run_id}/points").json()
    assert points["attempt"] == 2
    assert points["losses"]["new"]["steps"] == [1, 2, 3, 4]


def test_long_lines_are_thinned_with_their_ends_and_extremes(served: Served) -> None:
    values = [2.0] * 300
    values[137] = 90.0
    served.store.record(
        served.run_id,
        *(events.StepDone(2, 7 + n, {"new": value}, 100, 0.01, 1e-3, 1.0) for n, value in enumerate(values)),
    )
    line = served.client.get(f"/runs/{served.run_id}/points?most=40").json()["losses"]["new"]
    assert line["is_thinned"]
    assert len(line["steps"]) <= 40
    assert (line["steps"][0], line["steps"][-1], max(line["nats_per_token"])) == (1, 306, 90.0)
    assert line["stages"][-1] == 2
    whole = served.client.get(f"/runs/{served.run_id}/points?most=1000").json()["losses"]["new"]
    assert len(whole["steps"]) == 306
    assert not whole["is_thinned"]


def test_the_matrix_has_a_row_a_stage_and_null_where_nothing_was_scored(served: Served) -> None:
    matrix = served.client.get(f"/runs/{served.run_id}/matrix").json()
    assert matrix["scores"]["nats_per_token"] == [[4.0, 4.0], [2.0, 4.0], [None, None]]
    assert matrix["scores"]["exact_match"] == [[0.2, None], [0.8, None], [None, None]]
    assert matrix["general_text"]["nats_per_token"] == [2.0, 2.5, None]


def test_the_same_is_not_sent_twice_and_news_is(served: Served) -> None:
    address = f"/runs/{served.run_id}/points"
    first = served.client.get(address)
    known = {"If-None-Match": first.headers["ETag"]}
    again = served.client.get(address, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    served.store.beat([(served.run_id, 1)])  # the store's version is another one, what it says of the run the same
    assert served.client.get(address, headers=known).status_code == 304
    served.says(events.StepDone)
    news = served.client.get(address, headers=known)
    assert news.status_code == 200
    assert news.headers["ETag"] != first.headers["ETag"]


def test_answers_are_squeezed_for_those_who_take_it(served: Served) -> None:
    address = f"/runs/{served.run_id}/figures/losses"
    squeezed = served.client.get(address)
    plain = served.client.get(address, headers={"Accept-Encoding": "identity"})
    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert squeezed.json() == plain.json()


def test_who_has_the_figure_is_sent_what_came_after_it(served: Served) -> None:
    address = f"/runs/{served.run_id}/figures/losses"
    whole = served.client.get(address).json()
    served.store.record(served.run_id, events.StepDone(2, 7, {"new": 1.0, "total": 1.0}, 100, 0.01, 1e-3, 1.0))
    news = served.client.get(address, params={"base": whole["base"]}).json()
    assert news["base"] == whole["base"]
    assert "figure" not in news
    assert news["newest_step"] == 6 + 1
    assert set(news["tail"]) == {"new", "total"}
    assert "figure" in served.client.get(address, params={"base": "another"}).json()


def test_what_is_said_below_the_curves_comes_with_them(served: Served) -> None:
    notes = served.client.get(f"/runs/{served.run_id}/figures/losses").json()["notes"]
    assert notes == ["No step was clipped at 1.", "Stage 2: A sentence with <b>a mark</b>."]


def test_a_page_asks_seldom_once_a_run_has_ended(served: Served) -> None:
    address = f"/runs/{served.run_id}/figures/losses"
    assert float(served.client.get(address).headers["Palimpsest-Look-Again"]) == pytest.approx(1.0, abs=0.05)
    served.store.set_status(served.run_id, "stopped", "")
    assert float(served.client.get(address).headers["Palimpsest-Look-Again"]) > 10


def test_a_glance_says_what_the_page_is_made_of(served: Served) -> None:
    def structure() -> Any:
        return served.client.get(f"/runs/{served.run_id}/glance").json()["structure"]

    before = structure()
    served.says(events.StepDone)
    assert structure() == before
    served.says(events.StageFinished)
    assert structure() != before


@pytest.mark.parametrize("run", [False, True], ids=["experiment", "run"])
def test_what_lies_in_the_bin_is_not_there(served: Served, run: bool) -> None:
    served.throw_away(run)
    for address in (f"/runs/{served.run_id}", f"/runs/{served.run_id}/points", f"/runs/{served.run_id}/figures/losses"):
        answer = served.client.get(address)
        assert answer.status_code == 404
        assert "may have been deleted" in answer.json()["error"]
    if run:
        left = served.client.get(f"/experiments/{served.experiment_id}/runs").json()["runs"]
        assert [each["status"] for each in left] == ["queued"]
    else:
        assert served.client.get("/experiments").json() == {"experiments": []}
        assert served.client.get(f"/experiments/{served.experiment_id}").status_code == 404
        assert served.client.get(f"/experiments/{served.experiment_id}/runs").status_code == 404


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/runs/nobody", 404, "no run 'nobody'"),
        ("/experiments/nobody/runs", 404, "no experiment 'nobody'"),
        ("/nothing", 404, "openapi.json describes"),
        ("/experiments?after=1", 400, "no parameter 'after'"),
        ("/runs/RUN/points?after=soon", 400, "after must be a whole number"),
        ("/runs/RUN/points?after=1&after=2", 400, "given twice"),
        ("/runs/RUN/points?most=7", 400, "from 8"),
        ("/runs/RUN/figures/losses?score=luck", 400, "score must be one of"),
        ("/runs/RUN/figures/cell?stage=1", 400, "task is missing"),
        ("/runs/RUN/figures/cell?stage=9&task=tea", 404, "no cell"),
    ],
)
def test_a_wrong_question_is_answered_by_a_sentence(served: Served, address: str, status: int, said: str) -> None:
    answer = served.client.get(address.replace("RUN", served.run_id))
    assert answer.status_code == status
    assert said in answer.json()["error"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(served: Served, method: str) -> None:
    answer = served.client.request(method, f"/runs/{served.run_id}")
    assert answer.status_code == 405
    assert "ask with GET" in answer.json()["error"]


def test_only_those_are_answered_whom_the_pages_answer(served: Served) -> None:
    for address in ("/experiments", f"/runs/{served.run_id}/points", "/openapi.json"):
        served.visitor[0] = Visitor("somebody", Role.NOTHING)
        answer = served.client.get(address)
        assert (answer.status_code, "Log in" in answer.json()["error"]) == (401, True)
        assert "WWW-Authenticate" in answer.headers
        served.visitor[0] = Visitor("sam", Role.NOTHING, "sam is not on this server's list.")
        answer = served.client.get(address)
        assert (answer.status_code, answer.json()) == (403, {"error": "sam is not on this server's list."})


def test_a_store_that_can_t_be_read_is_said_and_then_answers_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise StoreUnavailableError("/data can't be read; mend that.")

    with monkeypatch.context() as patch:
        patch.setattr(served.store, "run_state", gone)
        answer = served.client.get(f"/runs/{served.run_id}")
        assert (answer.status_code, answer.json()) == (503, {"error": "/data can't be read; mend that."})
    assert served.client.get(f"/runs/{served.run_id}").status_code == 200


def test_a_server_that_lets_nobody_in_says_so(served: Served) -> None:
    def refuse(_: object) -> Visitor:
        raise AccessError("The secrets can't be read.")

    client = type(served.client)(routes.api(lambda: None, refuse))  # type: ignore[arg-type, return-value]
    answer = client.get("/experiments")
    assert (answer.status_code, answer.json()) == (403, {"error": "The secrets can't be read."})


def test_answers_are_kept_by_nobody_else(served: Served) -> None:
    headers = served.client.get("/experiments").headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"
