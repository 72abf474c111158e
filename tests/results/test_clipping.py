"""Oracles: norms 0.5, 1, 2, 4 at limit 1 leave 1 + 1 + 1/2 + 1/4 of four gradients; two of the four were clipped."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine import events
from engine.results.clipping import Clipping, clipping_by_stage, whole
from engine.results.clipping_columns import with_clipping
from engine.results.clipping_words import UNDER_ADAMW, adds_to_the_loss, clipping_sentences, in_words
from engine.results.export import results
from engine.store import Store
from tests.fake_runs import experiment

NORMS = {1: [0.5, 1.0, 2.0, 4.0], 2: [8.0, 8.0]}


def recorded(store: Store, folder: Path, **training: Any) -> str:
    """An experiment whose first run has taken steps with these gradients."""
    experiment_id = store.add_experiment(experiment(folder, training=training))
    run_id = store.runs(experiment_id)["run_id"].iloc[0]
    step = 0
    for stage, norms in NORMS.items():
        for norm in norms:
            step += 1
            store.record(run_id, events.StepDone(stage, step, {"new": 1.0, "total": 1.0}, 10, 0.1, 1e-3, norm))
    return experiment_id


def test_a_step_counts_as_clipped_beyond_the_limit_and_not_at_it(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "data")) as store:
        run_ids = store.runs(recorded(store, tmp_path))["run_id"].tolist()
        stages = clipping_by_stage(store.clipped_steps(run_ids, 1.0), 1.0)
    assert stages == {1: Clipping(1.0, 4, 2, 2.75), 2: Clipping(1.0, 2, 2, 0.25)}
    assert (stages[1].share, stages[1].kept_share) == (0.5, 2.75 / 4)
    assert whole(stages) == Clipping(1.0, 6, 4, 3.0)


def test_steps_are_counted_in_parts_that_add_up_to_the_whole(store: Store, tmp_path: Path) -> None:
    run_ids = store.runs(recorded(store, tmp_path))["run_id"].tolist()
    parts = pd.concat([store.clipped_steps(run_ids, 1.0, *span) for span in ((0, 2), (2, 5), (5, None))])
    assert clipping_by_stage(parts, 1.0) == clipping_by_stage(store.clipped_steps(run_ids, 1.0), 1.0)


def test_a_norm_that_was_not_finite_is_left_out(store: Store, tmp_path: Path) -> None:
    experiment_id = recorded(store, tmp_path)
    run_id = store.runs(experiment_id)["run_id"].iloc[0]
    store.record(run_id, events.StepDone(2, 7, {"new": 1.0}, 10, 0.1, 1e-3, float("nan")))
    assert store.clipped_steps(run_id, 1.0)["steps"].tolist() == [4, 2]


def test_results_hold_the_shares_of_a_run_and_of_its_stages(store: Store, tmp_path: Path) -> None:
    first, second = results(store, recorded(store, tmp_path))["runs"]
    assert json.loads(json.dumps(first["clipping"])) == {
        "limit": 1.0, "clipped_share": 4 / 6, "kept_share": 0.5,
        "stages": [
            {"stage": 1, "clipped_share": 0.5, "kept_share": 2.75 / 4},
            {"stage": 2, "clipped_share": 1.0, "kept_share": 0.125},
        ],
    }  # fmt: skip
    assert second["clipping"] is None


def test_where_no_limit_is_set_nothing_is_said_of_clipping(store: Store, tmp_path: Path) -> None:
    experiment_id = recorded(store, tmp_path, gradient_clip=None)
    assert [run["clipping"] for run in results(store, experiment_id)["runs"]] == [None, None]
    runs = store.runs(experiment_id).assign(configuration="x")
    found = with_clipping(runs, {experiment_id: store.experiment(experiment_id)}, store)
    assert found["clipped_share"].isna().all()
    assert clipping_sentences(found) == []


def test_a_run_is_counted_again_only_when_it_has_gone_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id = recorded(store, tmp_path)
    configured, counted = {experiment_id: store.experiment(experiment_id)}, []
    count = store.clipped_steps
    monkeypatch.setattr(store, "clipped_steps", lambda ids, limit: counted.append(list(ids)) or count(ids, limit))
    run_ids = store.runs(experiment_id)["run_id"].tolist()
    for _ in range(2):
        found = with_clipping(store.runs(experiment_id), configured, store)
        assert found["clipped_share"].tolist()[:1] == [4 / 6]
        assert found["clipped_share"].isna().tolist() == [False, True]
    assert counted == [run_ids]
    second = run_ids[1]
    store.record(second, events.StepDone(1, 1, {"new": 1.0, "total": 1.0}, 10, 0.1, 1e-3, 5.0))
    assert with_clipping(store.runs(experiment_id), configured, store)["clipped_share"].tolist() == [4 / 6, 1.0]
    assert counted[1:] == [[second]]


def test_the_words_name_shares_limit_and_stages() -> None:
    stages = {1: Clipping(1.0, 4, 2, 2.75), 2: Clipping(1.0, 2, 2, 0.25)}
    assert in_words(stages) == (
        "67\u202f% of the steps were clipped at 1; on average 50\u202f% of a step's gradient was left "
        "(stage 1: 50\u202f%; stage 2: 100\u202f%). "
        f"{UNDER_ADAMW}"
    )
    assert in_words({1: stages[1]}).endswith("69\u202f% of a step's gradient was left.")  # half of them is not most
    assert in_words({1: Clipping(0.5, 9, 0, 9.0)}) == "No step was clipped at 0.5."
    assert "(stages: 50\u202f% to 100\u202f% clipped)" in in_words(dict.fromkeys(range(3, 12), stages[2]) | stages)
    assert in_words({}) == ""


def rows(**shares: tuple[str, float, float]) -> pd.DataFrame:
    columns = ["configuration", "strategy", "clipped_share", "kept_share"]
    frame = pd.DataFrame([(name, *values) for name, values in shares.items()], columns=columns)
    return frame.assign(experiment_id="e", gradient_clip=1.0)


def test_less_than_half_of_what_naive_keeps_is_told_with_what_it_means_under_adamw() -> None:
    found = rows(
        plain=("naive", 0.9, 0.4), near=("kl", 0.95, 0.2), far=("kl", 1.0, 0.19), more=("kl", 0.6, 0.1),
        free=("kl", 0.5, 0.1), held=("l2", 0.9, 0.1),
    )  # fmt: skip
    assert clipping_sentences(found) == [
        "Clipping at 1 left less than half as much of the gradients of far (100\u202f% of steps clipped, 19\u202f% of "
        "gradients left), more (60\u202f% of steps clipped, 10\u202f% of gradients left) as of plain's (40\u202f%): "
        "what is added to the loss makes these longer. AdamW's steps are about as long either way, so that less of "
        "each serves the new task.",
        f"Most steps of plain, near, held were clipped at 1. {UNDER_ADAMW}",
    ]


def test_one_sentence_is_enough_where_most_steps_of_every_strategy_were_clipped() -> None:
    (sentence,) = clipping_sentences(rows(plain=("naive", 1.0, 0.4), other=("kl", 0.9, 0.4)))
    assert sentence == f"Most steps of every strategy were clipped at 1. {UNDER_ADAMW}"


@pytest.mark.parametrize("naive", [{}, {"plain": ("naive", 0.0, 1.0)}])
def test_without_naive_beside_it_gradients_are_not_said_to_be_longer(naive: dict[str, Any]) -> None:
    (sentence,) = clipping_sentences(rows(far=("kl", 1.0, 0.1), **naive))
    assert ("longer" in sentence) is bool(naive)


def test_what_adds_no_term_to_the_clipped_gradient_is_not_said_to_make_it_longer() -> None:
    adding = ("replay", "kl", "der", "self-replay", "replay+ewc")
    assert all(adds_to_the_loss(name) for name in adding)
    assert not any(adds_to_the_loss(name) for name in ("naive", "joint", "freeze", "ewc", "l2", "agem", "of old"))
    (sentence,) = clipping_sentences(rows(plain=("naive", 1.0, 0.4), held=("ewc", 0.9, 0.1)))
    assert sentence.startswith("Most steps of every strategy were clipped at 1.")
