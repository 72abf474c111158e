"""Where things come from, in sentences."""

import pandas as pd
import pytest

from engine.experiments.origin import Origin
from ui.runs.lineage import came_from, data_facts, made_from_it


@pytest.mark.parametrize(
    ("origin", "name_now", "run_name", "sentence"),
    [
        (Origin("continued", "e1", "kitchen", stages=2), "kitchen", "", "Continues kitchen after 2 stages."),
        (
            Origin("continued", "e1", "kitchen", "e1-003", 3), "larder", "Replay λ 1, seed 0",
            "Continues larder (then “kitchen”), run Replay λ 1, seed 0 after 3 stages.",
        ),
        (Origin("duplicated", "e1", "kitchen"), None, "", "Duplicate of kitchen, which is not here any more."),
        (Origin("duplicated", "e1", "kitchen", "e1-003"), "kitchen", "", "Duplicate of kitchen, run e1-003."),
        (Origin("continued", "e1", "kitchen", stages=1, folder="/results"), None, "",
         "Continues kitchen after 1 stage, in /results."),
        (Origin("edited", "e1", "kitchen"), "kitchen", "", "Started again from kitchen."),
        (Origin("duplicated", "e1", "kitchen", changed={}), "kitchen", "", "Duplicate of kitchen, unchanged."),
        (
            Origin("edited", "e1", "kitchen", "e1-003", changed={"learning rate": ["0.001", "0.0003"],
                                                                 "seeds": ["0", "0, 1"]}),
            "kitchen", "Naive, seed 0",
            "Started again from kitchen, run Naive, seed 0, with learning rate 0.0003 instead of 0.001; seeds 0, 1 "
            "instead of 0.",
        ),
    ],
)  # fmt: skip
def test_an_origin_in_a_sentence(origin: Origin, name_now: str | None, run_name: str, sentence: str) -> None:
    assert came_from(origin, name_now, run_name) == sentence


def test_what_was_made_from_an_experiment_is_found() -> None:
    table = pd.DataFrame(
        {
            "experiment_id": ["e1", "e2", "e3"], "name": ["kitchen", "larder", "pantry"],
            "origin": [None, Origin("duplicated", "e1", "kitchen").data, Origin("continued", "e2", "larder").data],
        }
    )  # fmt: skip
    assert made_from_it("e1", table) == [("e2", "larder")]
    assert made_from_it("e3", table) == []


def test_each_task_says_its_documents_and_its_fingerprint() -> None:
    facts = pd.DataFrame({"name": ["bread"], "documents": [1200], "fingerprint": ["0123456789abcdef"]})
    assert data_facts(facts) == ["bread: 1,200 documents, fingerprint 0123456789ab"]
    assert data_facts(facts.iloc[:0]) == []
