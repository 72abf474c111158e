"""What stands beside the matrix of a run: the general text and the guards, in words and as a table."""

from pathlib import Path

import pytest

from engine.driving.driver import drive
from engine.events.control import Control
from engine.store import Store
from tests.fake_runs import FakeRun, experiment
from ui.live.beside import general_words, guards_table, guards_words
from ui.live.feed import Feed, Followed

TASKS = ["bread", "tea"]
GUARDS = [
    {"name": "a [link](x)", "prompt": "p", "contains": "a"},
    {"prompt": "q", "likelier": " b", "than": [" c"]},
    {"name": "loss", "text": "t", "loss_at_most": 2.5},
]


@pytest.fixture
def followed(store: Store, tmp_path: Path) -> Followed:
    store.add_experiment(experiment(tmp_path, strategies=["naive"], guards=GUARDS))
    run_id = store.claim_next()
    assert run_id is not None
    drive(store, run_id, Control(), FakeRun(beside=True))
    return Feed(store).followed(run_id, 1)


def test_the_general_text_is_said_against_the_base_model(followed: Followed) -> None:
    words = general_words(followed.general, "nats_per_token")
    assert words == (
        "General text: 3.000 nats per token after stage 2, +1.000 against the base model. KL from the base model: "
        "0.500 nats per token."
    )
    assert "bits per byte" in general_words(followed.general, "exact_match"), "it has no questions"
    first = followed.general[followed.general["stage"] == 0]
    assert general_words(first, "nats_per_token") == "General text: 2.000 nats per token for the base model."
    assert general_words(first[first["stage"] > 0], "nats_per_token") == ""


def test_guards_that_hold_no_more_are_named_with_their_stage(followed: Followed) -> None:
    words = guards_words(followed.guards, TASKS)
    assert words.startswith("2 of 3 guards hold after stage 2. No longer: a ")
    assert words.endswith("(since stage 2, tea).")
    assert "[link](x)" not in words, "names are data, never markup"


def test_the_table_of_guards_has_a_sign_for_every_stage(followed: Followed) -> None:
    table = guards_table(followed.guards, TASKS)
    assert list(table) == ["Guard", "Must", "Base", "1 · bread", "2 · tea", "Found last"]
    assert table["2 · tea"].tolist() == ["✕", "✓", "✓"]
    assert table["Must"].tolist() == ["contains a", " b likelier", "loss at most 2.5"]


def test_answers_have_curves_of_the_tasks_that_have_questions(followed: Followed) -> None:
    assert followed.has_answers
    curve = followed.curve_of("exact_match")
    assert curve["task"].unique().tolist() == ["bread"]
    assert curve["exact_match"].tolist() == [0.2, 0.8, 0.3]
    assert followed.curve_of("accuracy") is followed.curve
