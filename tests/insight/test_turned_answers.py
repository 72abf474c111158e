"""Turned answers of a run that was trained for real on questions with labels."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.common.errors import PalimpsestError
from engine.insight import frames
from engine.insight.measures.guards import normalised
from engine.insight.performing import Performer
from engine.insight.requests import Source, TurnedRequest
from engine.store import Store


def test_answers_that_turned_are_those_of_plain_transformers_on_both_checkpoints(labelled: Path) -> None:
    run_id = str(frames.run_ids(labelled)["run_id"].iloc[0])
    table = frames.turned_answers(labelled, run_id, "letters")
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
