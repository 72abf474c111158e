"""What passages say is what a loop over single tokens says, and what the score matrix says of all of them together."""

import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.common.errors import PalimpsestError
from engine.insight import frames
from engine.insight.measures.passages import opened, passages, whole_characters
from engine.insight.measures.token_scores import TokenScores, token_scores
from engine.models.loading import load_tokenizer
from engine.running.headless import run_experiment
from engine.store import Store
from engine.tokens.encoded_documents import EncodedDocuments
from tests.builders import base_of, document, random_documents, tiny_gpt2
from tests.fake_runs import experiment
from tests.insight.conftest import TRAINING

TOKENIZER = load_tokenizer("tiny-gpt2")


def scores(nats: list[float], likeliest: list[int] | None = None) -> TokenScores:
    return TokenScores(np.array(nats, np.float32), np.array(likeliest or [0] * len(nats), np.int32))


@pytest.mark.parametrize("packed", [True, False])
def test_every_token_is_scored_as_a_loop_over_its_contexts_scores_it(packed: bool) -> None:
    documents = [*random_documents(7, seed=2), document([0, 3, 5, 7, 9, 0], first_target=3)]
    base = base_of(tiny_gpt2())
    object.__setattr__(base, "packed", packed)
    block = 8
    found = token_scores(base, EncodedDocuments.of(documents), block)
    nats, likeliest = [], []
    for each in documents:
        ids, mask = each.token_ids.long(), each.mask
        for at in range(1, len(ids)):
            start = (at - 1) // block * block
            with torch.no_grad():
                law = base.model.eval()(input_ids=ids[start:at][None]).logits[0, -1].log_softmax(-1)
            if mask[at]:
                nats.append(-float(law[ids[at]]))
                likeliest.append(int(law.argmax()))
    assert found.nats == pytest.approx(nats, abs=1e-4)
    assert found.likeliest.tolist() == likeliest


def test_progress_is_told_to_the_end_and_may_stop_the_work() -> None:
    told: list[tuple[int, int]] = []
    documents = EncodedDocuments.of(random_documents(5, seed=1))
    token_scores(base_of(tiny_gpt2()), documents, 16, lambda done, of: told.append((done, of)))
    assert told[-1] == (documents.target_tokens, documents.target_tokens)

    def stop(done: int, of: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        token_scores(base_of(tiny_gpt2()), documents, 16, stop)


def test_documents_are_ranked_by_the_bits_per_byte_that_they_lost() -> None:
    documents = EncodedDocuments.of([document([0, 1, 2]), document([0, 1, 2, 3, 4]), document([0, 4])])
    before, after = scores([1, 1, 1, 1, 1, 1, 2]), scores([2, 2, 1.75, 1.75, 1.75, 1.75, 1])
    table = passages(documents, before, after)
    assert table["document"].tolist() == [0, 1, 2]
    assert table["lost_nats"].tolist() == [2, 3, -1]
    assert table["lost"].tolist() == pytest.approx([2 / 3 / math.log(2), 3 / 5 / math.log(2), -1 / 2 / math.log(2)])
    assert table["before"].tolist() == pytest.approx([2 / 3 / math.log(2), 4 / 5 / math.log(2), 2 / 2 / math.log(2)])


def test_an_opened_document_shows_the_change_of_each_piece_and_what_stands_there_instead() -> None:
    ids = TOKENIZER.encode(" to be 好 or", add_special_tokens=False)
    whole = document([0, *ids], first_target=3)
    targets = ids[2:]
    other = TOKENIZER.encode("x", add_special_tokens=False)[0]
    likeliest = [other, *targets[1:]]
    after = scores([0.5 + number for number in range(len(targets))], likeliest)
    pieces = opened(TOKENIZER, whole, scores([0.25] * len(targets)), after)
    assert "".join(piece.text for piece in pieces[1:]) == " to be 好 or"
    first = next(piece for piece in pieces if piece.is_target)
    assert (first.change, first.instead) == (pytest.approx(-0.25), "x")
    assert not any(piece.instead for piece in pieces if piece is not first)
    assert first.before == pytest.approx(math.exp(-0.25))
    assert sum(piece.change for piece in pieces) == pytest.approx(float(np.sum(0.25 - after.nats)))
    assert all(piece.change == 0 for piece in pieces if not piece.is_target)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_pieces_hold_whole_characters_and_joined_are_the_text(text: str) -> None:
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    stretches = whole_characters(lambda each: str(TOKENIZER.decode(each, clean_up_tokenization_spaces=False)), ids)
    assert "".join(piece for _, _, piece in stretches) == text
    assert [start for start, _, _ in stretches] == [0, *(end for _, end, _ in stretches)][:-1]
    if "\N{REPLACEMENT CHARACTER}" not in text:
        assert not any("\N{REPLACEMENT CHARACTER}" in piece for _, _, piece in stretches)


def test_passages_of_a_real_run_add_up_to_the_cells_of_its_score_matrix(results: Path) -> None:
    run = frames.run_ids(results).iloc[0]
    table = frames.passages(results, run["run_id"], "bread")
    store = Store(results)
    cells = store.matrix([run["run_id"]]).set_index(["task", "stage"])["bits_per_byte"]
    store.close()
    for column, stage in (("before", 1), ("after", 2)):
        mean = np.average(table[column], weights=table["text_bytes"])
        assert mean == pytest.approx(cells["bread", stage], rel=1e-5)
    assert len(table) < 20, "the run is scored on a part of the held-out text"


def test_the_numbers_are_those_of_plain_transformers_on_the_checkpoint(results: Path) -> None:
    run = frames.run_ids(results).iloc[0]
    pieces = frames.passage(results, run["run_id"], "bread", 1)
    checkpoint = results / "runs" / run["run_id"] / "stage-2"
    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer.encode("".join(pieces["text"][1:-1]))]])
    ids = torch.cat([ids, torch.tensor([[tokenizer.eos_token_id]])], 1)
    assert ids.shape[1] <= 32
    with torch.no_grad():
        law = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    expected = -law.gather(1, ids[0, 1:, None]).sum()
    assert -np.log(pieces.loc[pieces["is_target"], "after"]).sum() == pytest.approx(float(expected), rel=1e-4)


def test_scores_are_kept_by_content_and_found_again(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = frames.run_ids(results).iloc[0]
    first = frames.passages(results, run["run_id"], "tea", before=0, after=2)

    def never(*given: object) -> TokenScores:
        raise AssertionError

    monkeypatch.setattr("engine.insight.workshop.token_scores", never)
    again = frames.passages(results, run["run_id"], "tea", before=0, after=2)
    assert again.equals(first)


@pytest.mark.parametrize(
    ("task", "after", "words"),
    [("soup", None, "'soup' is no task of this run; it has bread, tea"), ("tea", 3, "has 2 stages; there is none")],
)
def test_what_is_not_there_is_said(results: Path, task: str, after: int | None, words: str) -> None:
    run = frames.run_ids(results).iloc[0]
    with pytest.raises(PalimpsestError, match=words):
        frames.passages(results, run["run_id"], task, after=after)


def test_a_folder_without_results_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(PalimpsestError, match="no folder of results"):
        frames.run_ids(tmp_path)
    assert not list(tmp_path.iterdir())


def test_each_seed_is_read_on_the_documents_that_it_drew(tmp_path: Path) -> None:
    described = experiment(tmp_path, training=TRAINING | {"held_out_tokens": 30}, strategies=["naive"], seeds=[0, 4])
    tasks = tuple(task.model_copy(update={"held_out_share": 0.5}) for task in described.tasks)
    run_experiment(described.model_copy(update={"tasks": tasks}), tmp_path / "out")
    read = []
    with closing(Store(tmp_path / "out")) as store:
        for run_id in frames.run_ids(tmp_path / "out")["run_id"]:
            cells = store.matrix(run_id).set_index(["task", "stage"])["bits_per_byte"]
            table = frames.passages(tmp_path / "out", run_id, "bread", 1, 2)
            for side, stage in (("before", 1), ("after", 2)):
                bits = (table[side] * table["text_bytes"]).sum() / table["text_bytes"].sum()
                assert bits == pytest.approx(cells["bread", stage], rel=1e-5)
            read.append(sorted(table["begins"]))
    assert read[0] != read[1], "of a text beyond the limit every seed draws its own documents"
