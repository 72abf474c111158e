"""Turned answers of a run that was trained for real on questions with labels."""

import json
from contextlib import closing
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.common.errors import PalimpsestError
from engine.guards.guard import normalised
from engine.insight import frames
from engine.insight.performing import Performer
from engine.insight.requests import Source, TurnedRequest
from engine.store import Store
from tests.insight.conftest import trained_on_labels

GUARDS = [
    {"name": "a letter", "prompt": "Is 4 even?\n", "matches": "aye|nay", "answer_tokens": 8},
    {"name": "odd", "prompt": "Is 5 even?\n", "likelier": " nay", "than": [" aye"]},
    {"name": "state", "text": "The Congress of the United States", "loss_at_most": 4.0},
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the same tasks and on plain text after them, with guards."""
    return trained_on_labels(tmp_path_factory, ["naive"], story=True, guards=GUARDS)


def test_answers_that_turned_are_those_of_plain_transformers_on_both_checkpoints(labelled: Path) -> None:
    run_id = str(frames.run_ids(labelled)["run_id"].iloc[0])
    table = frames.turned_answers(labelled, run_id, "letters", 1, 2)
    assert len(table) >= 4
    for side, stage in (("before", 1), ("after", 2)):
        checkpoint = labelled / "runs" / run_id / f"stage-{stage}"
        model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
        for row in table.to_dict("records")[:3]:
            ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer.encode(row["prompt"])]])
            most = 2 * max(len(tokenizer.encode(f" {label}")) for label in ("aye", "nay")) + 8
            written = model.generate(ids, max_new_tokens=most, do_sample=False, pad_token_id=tokenizer.eos_token_id)
            assert row[f"{side}_text"] == tokenizer.decode(written[0, ids.shape[1] :]).split(tokenizer.eos_token)[0]
            assert row[f"{side}_exact"] == (normalised(row[f"{side}_text"]) == normalised(row["expected"]))
    assert table["before_exact"].mean() > table["after_exact"].mean(), "the second task has other labels"


def test_the_counts_are_those_of_the_rows(labelled: Path) -> None:
    run_id = str(frames.run_ids(labelled)["run_id"].iloc[0])
    store = Store(labelled)
    found = Performer(store).perform(TurnedRequest("letters", Source(run_id, 1), Source(run_id, 2)))
    store.close()
    rows = found["rows"]
    assert found["lost"] == sum(row["before"]["exact"] > row["after"]["exact"] for row in rows)
    assert found["gained"] == sum(row["before"]["exact"] < row["after"]["exact"] for row in rows)
    assert found["scores"]["before"]["exact"] == pytest.approx(sum(row["before"]["exact"] for row in rows) / len(rows))
    assert set(found["classes"]["before"]) == {"aye", "nay"}
    assert sum(count for count, _ in found["classes"]["before"].values()) == len(rows)


def test_plain_text_has_no_expected_answers_and_says_so(results: Path) -> None:
    run_id = str(frames.run_ids(results)["run_id"].iloc[0])
    with pytest.raises(PalimpsestError, match="bread is plain text"):
        frames.turned_answers(results, run_id, "bread")


def test_the_matrix_holds_the_marks_of_the_answers_that_each_checkpoint_gives(guarded: Path) -> None:
    run_id = str(frames.run_ids(guarded)["run_id"].iloc[0])
    with closing(Store(guarded)) as store:
        cells = store.matrix(run_id).set_index(["stage", "task"])
    for task in ("letters", "numbers"):
        for before, after in ((0, 1), (1, 2), (2, 3)):
            table = frames.turned_answers(guarded, run_id, task, before, after)
            for side, stage in (("before", before), ("after", after)):
                cell = cells.loc[stage, task]
                assert cell["questions"] == len(table)
                assert cell["exact_match"] == pytest.approx(table[f"{side}_exact"].mean())
                assert cell["token_f1"] == pytest.approx(table[f"{side}_f1"].mean())
    assert (cells.xs("story", level="task")["questions"] == 0).all()
    assert cells.xs("story", level="task")[["exact_match", "token_f1"]].isna().all(axis=None)


def test_guards_that_were_checked_while_training_are_those_of_the_checkpoints(guarded: Path) -> None:
    with closing(Store(guarded)) as store:
        guards = store.experiment(str(store.experiments()["experiment_id"].item())).guards
    recorded, recomputed = (frames.verification(guarded, each, None) for each in (None, guards))
    assert recorded == recomputed
    by_name = {each["guard"]: each for each in recorded["guards"]}
    assert by_name["a letter"]["by_stage"][1:] == [True, False, False], "the labels of the first task are forgotten"
    assert by_name["a letter"]["lost_at"] == 2
    assert recorded["decision"] == "HOLD"


def test_results_say_what_became_of_answers_guards_and_the_general_text(guarded: Path) -> None:
    found = json.loads((guarded / "results.json").read_text(encoding="utf-8"))
    (run,) = found["runs"]
    assert [task["questions"] > 0 for task in found["tasks"]] == [True, True, False]
    exact = run["scores"]["exact_match"]
    assert [row[2] for row in exact] == [None] * 4
    assert list(found["unscored"]["exact_match"]) == ["story"]
    forgotten = [max(row[j] for row in exact[1:3]) - exact[3][j] for j in (0, 1)]
    assert run["summary"]["exact_match"]["forgetting"] == pytest.approx(sum(forgotten) / 2)
    assert run["summary"]["exact_match"]["average"] == pytest.approx(sum(exact[3][:2]) / 2)
    assert [guard["guard"] for guard in run["guards"]] == ["a letter", "odd", "state"]
    assert run["general"]["drift"][0] == 0.0
    assert all(value > 0 for value in run["general"]["drift"][1:])
    assert len(run["general"]["scores"]["bits_per_byte"]) == 4
    assert found["general"]["name"] == "general"
