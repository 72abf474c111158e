"""Answers of runs that are there."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.common.errors import PalimpsestError
from engine.insight import frames
from engine.insight.requests import Sampling
from engine.insight.telling import Told


@pytest.fixture
def run_id(results: Path) -> str:
    return str(frames.run_ids(results)["run_id"].iloc[0])


def test_an_answer_is_what_transformers_writes_from_the_checkpoint(results: Path, run_id: str) -> None:
    found = frames.answers(results, ["Note 3 of", "Note"], [(run_id, 0), (run_id, 2)], most_tokens=8)
    assert found["stage"].tolist() == [0, 0, 2, 2]
    checkpoint = results / "runs" / run_id / "stage-2"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer.encode("Note 3 of")]])
    written = model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=tokenizer.eos_token_id)
    text = tokenizer.decode(written[0, ids.shape[1] :]).split(tokenizer.eos_token)[0]
    assert found["text"][2] == text
    assert found["text"][0] != text


def test_a_sample_is_the_same_again_and_another_with_another_seed(results: Path, run_id: str) -> None:
    def drawn(seed: int) -> list[str]:
        sampling = Sampling(1.0, seed)
        return list(frames.answers(results, ["Note"], [(run_id, 1)], most_tokens=8, sampling=sampling)["text"])

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_chat_prompt_goes_through_the_template(results: Path, run_id: str) -> None:
    plain = frames.answers(results, ["Hello"], [(run_id, 1)], most_tokens=4)["text"][0]
    spelled_out = frames.answers(results, ["User:\nHello\n\nAssistant:\n"], [(run_id, 1)], most_tokens=4)["text"][0]
    chat = frames.answers(results, ["Hello"], [(run_id, 1)], chat=True, most_tokens=4)["text"][0]
    assert chat == spelled_out
    assert chat != plain


def test_growing_answers_are_told_and_end_as_the_result(results: Path, run_id: str) -> None:
    shown: list[Any] = []

    def look(told: Told) -> None:
        shown.append(told.so_far() if told.so_far is not None else None)

    found = frames.answers(results, ["Note 7"], [(run_id, 2), (run_id, 1)], most_tokens=6, tell=look)
    grown = [each for each in shown if each]
    texts = [[answer["text"] for of_source in so_far for answer in of_source] for so_far in grown]
    assert texts[-1] == found["text"].tolist()
    assert all(later[0].startswith(earlier[0]) for earlier, later in pairwise(texts))


@pytest.mark.parametrize(
    ("prompts", "most_tokens", "words"),
    [
        (["x " * 300], 8, "Prompt 1 has [0-9]+ tokens and its answer up to 8"),
        (["ok", "  "], 8, "an empty prompt"),
        (["caf\udce9"], 8, "bytes that are no text"),
        ([], 8, "an empty prompt"),
        (["x"] * 201, 8, "201 prompts are asked for; 1 to 200 can be"),
        (["x"], 5000, "5000 tokens an answer are asked for"),
    ],
)
def test_too_much_and_nothing_are_refused(
    results: Path, run_id: str, prompts: list[str], most_tokens: int, words: str
) -> None:
    with pytest.raises(PalimpsestError, match=words):
        frames.answers(results, prompts, [(run_id, 1)], most_tokens=most_tokens)
