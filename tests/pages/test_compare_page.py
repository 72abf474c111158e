import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from engine import events
from engine.events.scores import Score
from engine.experiments.experiment import experiment_from
from engine.store import Store
from tests.fake_desk import FakeDesk, state
from ui.compare import words
from ui.compare.parts.run_choice import LEFT_OUT
from ui.compare.table_words import BEHIND
from ui.server import session

PAGE = str(Path(__file__).parents[2] / "pages" / "compare.py")
LOST_NATS = {"naive": 2.0, "replay": 0.5, "joint": 0.1}
links: list[tuple[str, str | None]] = []


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store(tmp_path / "data")
    monkeypatch.setattr(session, "store", lambda: made)
    monkeypatch.setattr(session, "desk", lambda: FakeDesk(lambda request: state("waiting")))
    # links need the pages of the whole app, which a test of one page doesn't have
    monkeypatch.setattr(
        session, "experiment_link", lambda page, experiment_id, *_, **__: links.append((page, experiment_id))
    )
    links.clear()
    yield made
    made.close()


def added(store: Store, name: str = "kitchen", tasks: tuple[str, ...] = ("bread", "tea"), **changes: Any) -> str:
    data = {
        "name": name, "tasks": [{"name": task, "train": f"{task}.txt"} for task in tasks],
        "strategies": ["naive", {"replay": {"replay_weight": 0.5}}, "joint"], "seeds": [0, 1],
    }  # fmt: skip
    return store.add_experiment(experiment_from(data | changes))


def scored(names: list[str], stage: int, step: int, strategy: str, seed: int) -> events.Evaluated:
    """4 nats per token at first, 2 after a task's own stage, then what the strategy loses on top, all on 50 tokens."""
    scores = {}
    for number, name in enumerate(names, start=1):
        nats = 4.0 if stage < number else 2.0 if stage == number else 2.0 + LOST_NATS[strategy] * (1 + 0.01 * seed)
        scores[name] = Score((nats + 0.01 * seed) * 50, 50, 200, 10)
    return events.Evaluated(stage, step, scores, scores)


def play(store: Store, run: Any, until: int = 9, fingerprint: str = "same") -> None:
    """Record the events of a run, up to and with stage `until`."""
    names = [task.name for task in store.experiment(run.experiment_id).tasks]
    facts = tuple(
        {"name": n, "target_tokens": 400, "fingerprint": n, "held_out_fingerprint": fingerprint} for n in names
    )
    store.set_status(run.run_id, "running")
    recorded: list[events.Event] = [events.RunStarted(len(names), len(names), 0, {}, facts)]
    recorded.append(scored(names, 0, 0, run.strategy, run.seed))
    for stage, name in enumerate(names[:until], start=1):
        checkpoint = store.run_folder(run.run_id) / f"stage-{stage}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "model.safetensors").write_bytes(b"weights")
        recorded.append(events.StageStarted(stage, name, stage, 1, 400))
        recorded.append(events.StepDone(stage, stage, {"new": 3.0, "total": 3.0}, 400, 2.0, 1e-3, 1.0))
        recorded.append(scored(names, stage, stage, run.strategy, run.seed))
        recorded.append(events.StageFinished(stage, name, stage, 2.0, 400, checkpoint))
    store.record(run.run_id, *recorded)
    if until >= len(names):
        store.record(run.run_id, events.RunFinished(2.0 * len(names)))
        store.set_status(run.run_id, "finished")


def played(store: Store, experiment_id: str, **how: Any) -> str:
    for run in store.runs(experiment_id).itertuples():
        play(store, run, **how)
    return experiment_id


def shown(*experiment_ids: str, tab: str = words.RESULT, opened: tuple[str, ...] = ()) -> AppTest:
    """The page with one of its tabs open, and with what else is `opened` by its key."""
    page = AppTest.from_file(PAGE, default_timeout=300)
    if experiment_ids:
        page.query_params["experiment"] = list(experiment_ids)
    page.session_state["compare_section"] = tab
    for key in opened:
        page.session_state[key] = True
    page.run()
    assert not page.exception
    return page


def measures_of(*experiment_ids: str) -> AppTest:
    return shown(*experiment_ids, opened=("compare_all_measures",))


def text_of(page: AppTest) -> str:
    parts = [*page.markdown, *page.info, *page.warning, *page.error, *page.caption, *page.subheader]
    return "\n".join(part.value for part in parts).replace("\\", "")


def headline_of(page: AppTest) -> str:
    (found,) = [part.value for part in page.markdown if part.value.startswith("## ")]
    return found.removeprefix("## ").replace("\\", "")


def html_of(page: AppTest, mark: str) -> list[str]:
    """The texts of the HTML that holds `mark`, one an element."""
    (body,) = [part.proto.body for part in page.get("html") if mark in part.proto.body]
    found = re.sub(r"<style>.*?</style>", "", body, flags=re.DOTALL)
    return [unescape(text).strip().replace("\u202f", " ") for text in re.split(r"<[^>]*>", found) if text.strip()]


def figures_of(page: AppTest) -> list[str]:
    return html_of(page, 'class="compare-figures"')


def labels_of_runs(page: AppTest) -> list[str]:
    found = [part.proto.popover.label for part in page.get("popover")]
    return [label for label in found if label.endswith(("run", "runs"))]


def frame(page: AppTest, column: str) -> pd.DataFrame:
    """The first table that has a column of this title."""
    return next(table.value for table in page.dataframe if column in table.value.columns)


def charts(page: AppTest) -> list[str]:
    """The keys of the charts that were drawn."""
    found = [re.search(r"compare_chart_\w+", part.proto.id) for part in page.get("bidi_component")]
    return [match.group() for match in found if match]


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.get("download_button")]


def test_without_experiments_the_page_says_what_to_do_next() -> None:
    page = shown()
    assert "nothing to compare yet" in page.info[0].value
    assert [page for page, _ in links] == [session.EXPERIMENT, session.START]


def test_a_finished_experiment_is_read_at_a_glance(store: Store) -> None:
    page = shown(played(store, added(store)))
    assert headline_of(page) == "Replay λ 0.5 kept most: more than Naive, the next best, in every one of 2 seeds."
    # In both seeds bread begins at 4 nats a token, learns down to 2 and ends at 2.5 (and 0.005 with seed 1), with naive
    # at 4: replay keeps 75 % (74.87) of what it learnt, naive nothing. A token has four bytes.
    # naive and replay differ by 1.5 and 1.515 nats, half their interval 12.706 · 0.0075, all by 4 ln 2; t = 201,
    # p = 1 − 2/π · arctan t
    assert figures_of(page) == [
        "Kept", "75 %", "of what was learnt", "naive −0.5 %", "0.181 bits per byte lost",
        "Learnt", "0.723", "bits per byte", "as well as joint",
        "Cost", "1×", "naive's tokens", "800 tokens a run", "4 s, as long as naive",
        "How sure", "Established", "0.544 ± 0.034 bits per byte more than Naive", "p = 0.00317, 2 seeds",
    ]  # fmt: skip
    assert "For reference, Joint" in text_of(page), "the verdict in full stands behind a button"
    assert "replay (" not in text_of(page), "strategies go by their short names"


def test_the_strategies_stand_beside_the_figure_the_one_that_kept_most_first(store: Store) -> None:
    page = shown(played(store, added(store)))
    table = html_of(page, 'class="palimpsest-table"')
    assert table[:8] == ["Strategy", "Earlier tasks", "Kept", "Learnt", "Behind the best", "p", "Tokens", "Time"]
    assert [cell for cell in table if cell in ("Naive", "Replay λ 0.5", "Joint")] == ["Replay λ 0.5", "Naive", "Joint"]
    assert table[8:15] == ["Replay λ 0.5", "0.904", "± 0.034", "75 %", "0.723", "± 0.023", "best"]


def test_all_measures_are_folded_and_settings_runs_and_downloads_are_tabs(store: Store) -> None:
    experiment_id = played(store, added(store))
    measures = frame(measures_of(experiment_id), "Seeds")
    assert list(measures[BEHIND]) == ["0.544 ± 0.034 (p = 0.00317)", "best mean", "reference"]
    assert list(measures["Strategy"]) == ["Naive", "Replay λ 0.5", "Joint"]
    assert list(frame(shown(experiment_id, tab=words.RUNS), "Seed")["Status"]) == ["finished"] * 6
    settings = shown(experiment_id, tab=words.SETTINGS, opened=("compare_all_settings",))
    different, every = (table.value for table in settings.dataframe)
    assert "replay_weight" in list(different["Setting"])
    assert "training.learning_rate" not in list(different["Setting"])
    assert "training.learning_rate" in list(every["Setting"])
    assert labels(shown(experiment_id, tab=words.DOWNLOADS))[2:] == [
        "Report (HTML)",
        "Scores (CSV)",
        "Differences (CSV)",
        "Everything (JSON)",
        "Experiment (YAML)",
    ]


def test_what_stands_in_a_tab_is_not_made_before_it_is_opened(store: Store) -> None:
    page = shown(played(store, added(store)))
    assert labels(page) == ["Report"], "which is the page's main action"
    assert not page.dataframe
    assert charts(page) == ["compare_chart_keeping"]


@pytest.mark.parametrize("tab", [words.MATRICES, words.LOSSES, words.COST])
def test_a_tab_shows_its_figure(store: Store, tab: str) -> None:
    assert charts(shown(played(store, added(store)), tab=tab)) == [f"compare_chart_{tab.split()[0]}_0"]


def test_a_parameter_with_two_values_has_a_figure_and_one_without_a_sentence(store: Store) -> None:
    assert words.NOTHING_VARIED in text_of(shown(played(store, added(store)), tab=words.VARIED))
    varied = added(store, "varied", strategies=["naive", {"replay": {"replay_weight": [0.5, 1.0]}}])
    assert charts(shown(played(store, varied), tab=words.VARIED)) == ["compare_chart_λ_0"]


def test_a_change_of_a_run_is_seen_and_what_did_not_change_is_read_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = added(store), added(store, "other")
    first, *rest = store.runs(one).itertuples()
    play(store, first)
    page = shown(one)
    assert "1 of 6 runs complete" in text_of(page)
    reads: list[Any] = []
    monkeypatch.setattr(Store, "matrix", lambda self, ids, _own=Store.matrix: reads.append(ids) or _own(self, ids))
    play(store, next(store.runs(other).itertuples()))
    assert "1 of 6 runs complete" in text_of(page.run())
    assert reads == []
    play(store, rest[0])
    assert "2 of 6 runs complete" in text_of(page.run())
    assert len(reads) == 1


def test_with_one_seed_the_page_says_that_it_cannot_tell(store: Store) -> None:
    page = measures_of(played(store, added(store, seeds=[0])))
    assert headline_of(page) == (
        "Replay λ 0.5 kept most in the one seed that was compared, which can't show what is chance."
    )
    figures = figures_of(page)
    assert figures[figures.index("How sure") :] == [
        "How sure", "One seed", "0.541 bits per byte more than Naive",
        "One seed can't tell a difference from chance: run two or more.",
    ]  # fmt: skip
    assert "in one seed (0) alone" in text_of(page)
    assert list(frame(page, "Seeds")[BEHIND]) == ["0.541 (one seed)", "best mean", "reference"]


def test_a_difference_that_chance_may_have_made_is_the_headline(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment_id = added(store)
    for run in store.runs(experiment_id).itertuples():
        with monkeypatch.context() as patch:
            patch.setitem(LOST_NATS, "replay", 0.5 + 1.2 * run.seed)
            play(store, run)
    page = shown(experiment_id)
    assert headline_of(page) == "Replay λ 0.5 kept most, but that it kept more than Naive is not established."
    assert figures_of(page)[-3:] == [
        "Not established",
        "0.325 ± 2.743 bits per byte more than Naive",
        "p = 0.373, 2 seeds",
    ]
    headline = text_of(page)
    # nats a token: 2 − 0.5 and 2.02 − 1.717: 0.9015 ± 12.706 · 0.5985, by 4 ln 2; p = 1 − 2/π · arctan(0.9015 / 0.5985)
    assert "It is not established which strategy kept most" in headline
    assert "in every one of 2 seeds, by 0.325 ± 2.743 bits per byte" in headline
    assert "p = 0.373" in headline


def test_without_two_finished_strategies_there_is_no_column_of_differences(store: Store) -> None:
    experiment_id = played(store, added(store, strategies=["naive", "joint"]))
    page = measures_of(experiment_id)
    assert BEHIND not in frame(page, "Seeds").columns
    assert headline_of(page) == "Naive kept most; no other strategy that can be compared with it is finished."
    assert figures_of(page)[-2:] == ["–", words.NO_RIVAL]
    assert "Differences (CSV)" not in labels(shown(experiment_id, tab=words.DOWNLOADS))


def test_the_checkpoint_that_kept_most_is_chosen_first(store: Store) -> None:
    page = shown(played(store, added(store)), tab=words.DOWNLOADS)
    assert page.selectbox(key="compare_checkpoint_run").options[0] == "Replay λ 0.5, seed 0 · kept most"
    assert labels(page)[1].startswith("Model (zip")


def test_the_newest_experiment_is_shown_where_the_address_names_none(store: Store) -> None:
    played(store, added(store, "first"))
    second = added(store, "second")
    assert shown().multiselect(key="compare_experiments").value == [second]


def test_an_experiment_that_is_gone_costs_a_sentence_and_nothing_else(store: Store) -> None:
    kept = played(store, added(store))
    page = shown(kept, "gone")
    assert "Not found here" in page.warning[0].value
    assert page.multiselect(key="compare_experiments").value == [kept]


def test_partial_results_are_called_partial(store: Store) -> None:
    experiment_id = added(store)
    first, second, *_ = store.runs(experiment_id).itertuples()
    play(store, first)
    play(store, second, until=1)
    page = shown(experiment_id)
    text = text_of(page)
    assert "Partial results." in text
    assert "1 of 6 runs complete; 4 waiting, 1 running" in text
    assert "This may change: 5 of 6 runs are still to come" in text
    assert "running, 1 of 2 stages scored" in list(frame(shown(experiment_id, tab=words.RUNS), "Seed")["Status"])
    assert (session.LIVE, experiment_id) in links


def test_before_the_first_score_the_page_says_what_it_waits_for(store: Store) -> None:
    experiment_id = added(store)
    page = shown(experiment_id)
    assert "No scores yet" in text_of(page)
    assert figures_of(page) == []
    assert "Checkpoints appear here" in text_of(shown(experiment_id, tab=words.DOWNLOADS))
    for tab in words.TABS:
        assert shown(experiment_id, tab=tab)


def test_a_failed_run_is_shown_with_its_reason(store: Store) -> None:
    experiment_id = added(store)
    *others, last = store.runs(experiment_id).itertuples()
    for run in others:
        play(store, run)
    store.set_status(last.run_id, "failed", "The loss is no longer finite: lower the *learning rate*.")
    page = shown(experiment_id)
    assert "1 run failed" in page.error[0].value
    assert "lower the \\*learning rate\\*" in page.error[0].value


def test_runs_on_other_held_out_text_are_marked_and_left_out_of_the_verdict(store: Store) -> None:
    one = played(store, added(store, "one"))
    two = played(store, added(store, "two", strategies=["naive"]), fingerprint="other")
    page = measures_of(one, two)
    assert "two: the held-out text is another (bread, tea)" in text_of(page)
    assert list(frame(shown(one, two, tab=words.RUNS), "Seed")["Differs in"]) == [""] * 6 + ["held-out text"] * 2
    assert "the verdict leaves 2 runs out" in text_of(page)
    assert frame(page, "Seeds")[BEHIND].iloc[-1] == "–"
    page.toggle(key="compare_judge_all").set_value(True).run()
    assert not page.exception
    assert "the verdict uses them all the same" in text_of(page)


def test_runs_left_out_stay_left_out_when_the_rows_change(store: Store) -> None:
    one = played(store, added(store, "one"))
    left_out = store.runs(one)["run_id"].iloc[1]
    two = added(store, "two")
    page = AppTest.from_file(PAGE, default_timeout=300)
    page.query_params["experiment"] = [one]
    page.session_state[LEFT_OUT] = frozenset({left_out})
    page.run()
    assert labels_of_runs(page) == ["5 of 6 runs"]
    page.multiselect(key="compare_experiments").set_value([two, one]).run()
    assert not page.exception
    assert labels_of_runs(page) == ["11 of 12 runs"]
    assert page.session_state[LEFT_OUT] == {left_out}


def test_without_a_chosen_run_the_page_says_so_and_all_brings_them_back(store: Store) -> None:
    experiment_id = played(store, added(store))
    page = AppTest.from_file(PAGE, default_timeout=300)
    page.session_state[LEFT_OUT] = frozenset(store.runs(experiment_id)["run_id"])
    page.session_state["compare_runs"] = True
    page.run()
    assert "No run is chosen" in text_of(page)
    assert len(frame(page, "Seed")) == 6
    page.button(key="compare_choose_All").click().run()
    assert not page.exception
    assert labels_of_runs(page) == ["6 runs"]


def test_one_task_leaves_dashes_with_their_reason(store: Store) -> None:
    page = measures_of(played(store, added(store, tasks=("bread",))))
    assert set(frame(page, "Seeds")["Forgetting"]) == {"–"}
    assert "it takes two tasks or more" in str(page.dataframe[0].proto.columns).replace("\\", "")
    assert figures_of(page)[:3] == ["Kept", "–", "it takes two tasks or more."]


def test_every_score_can_be_chosen(store: Store) -> None:
    page = shown(played(store, added(store)))
    for score in ("nats_per_token", "perplexity", "accuracy"):
        page.selectbox(key="compare_score").set_value(score).run()
        assert not page.exception
        assert "kept most" in text_of(page)


def test_names_are_printed_as_they_are_typed(store: Store) -> None:
    name = "<b>Loud</b> [link](x) *s*"
    first = played(store, added(store, name))
    page = shown(first, played(store, added(store, "other")))
    assert all(name not in part.value for part in page.markdown)
    assert name in text_of(page)


WEIGHTS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def drawn(app: AppTest) -> list[list[str]]:
    """The choices of what is drawn: one on a page that asks, none where all is drawn."""
    return [each.value for each in app.multiselect if each.label == "Drawn in colour"]


def test_few_strategies_are_all_drawn_without_a_question(store: Store) -> None:
    assert drawn(shown(played(store, added(store)))) == []


def test_finished_runs_lead_to_their_models(store: Store) -> None:
    experiment_id = added(store)
    shown(played(store, experiment_id))
    assert (session.UNDERSTAND, experiment_id) in links


def test_of_many_strategies_the_best_few_are_drawn_and_the_others_are_a_click_away(store: Store) -> None:
    many = ["joint", {"replay": {"replay_weight": WEIGHTS}}, "naive"]
    app = shown(played(store, added(store, strategies=many, seeds=[0])))
    assert not app.exception
    (chosen,) = drawn(app)
    assert chosen == ["joint", *(f"replay (replay_weight={weight:g})" for weight in WEIGHTS[:6]), "naive"]
    (question,) = [each for each in app.multiselect if each.label == "Drawn in colour"]
    question.set_value(["naive", "replay (replay_weight=0.8)"]).run()
    assert not app.exception
    assert drawn(app) == [["naive", "replay (replay_weight=0.8)"]]
    question = next(each for each in app.multiselect if each.label == "Drawn in colour")
    question.set_value([]).run()
    assert not app.exception


def test_clipped_steps_are_a_column_of_the_runs_and_a_sentence_where_most_were(store: Store) -> None:
    app = shown(played(store, added(store, training={"gradient_clip": 0.25})), tab=words.RUNS)
    assert app.dataframe[0].value["Clipped steps"].tolist() == [1.0] * 6
    (said,) = [each.value.replace("\\", "") for each in app.caption if "clipped" in each.value]
    assert said.startswith("Most steps of every strategy were clipped at 0.25.")


def test_without_a_limit_nothing_is_shown_of_clipping(store: Store) -> None:
    app = shown(played(store, added(store, training={"gradient_clip": None})), tab=words.RUNS)
    assert "Clipped steps" not in app.dataframe[0].value
    assert not [each for each in app.caption if "clipped" in each.value]
