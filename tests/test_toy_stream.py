"""The toy stream: its answers are right, exact match counts whole answers, and the whole of it runs."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer

from benchmarks import toy_stream
from benchmarks.toy_figure import as_svg, matrices
from benchmarks.toy_stream import BLOCK_SIZE, SMOKE, TASKS, Size, drawn_pairs, exact_match, make_model
from engine.models.loading import LoadedModel, load_base

ADD = TASKS[0]


@pytest.mark.parametrize(
    ("sign", "pair", "text"),
    [
        ("A", (27, 45), "A27,45=072"),
        ("A", (99, 99), "A99,99=198"),
        ("R", (27, 5), "R27,05=7250"),
        ("S", (27, 5), "S27,05=0257"),
        ("M", (57, 45), "M57,45=02"),
    ],
)
def test_every_task_gives_the_answer_that_is_worked_out_by_hand(sign: str, pair: tuple[int, int], text: str) -> None:
    (task,) = [each for each in TASKS if each.sign == sign]
    assert task.text(*pair) == text


def test_every_sign_is_a_token_and_the_longest_text_fills_a_row(tmp_path: Path) -> None:
    make_model(tmp_path, SMOKE.width, seed=0)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    lengths = []
    for task in TASKS:
        text = task.text(90, 81)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert [tokenizer.convert_ids_to_tokens(each) for each in ids] == list(text)
        lengths.append(len(ids) + 1)  # inputs: bos and the text; eos is a target alone
    assert max(lengths) == BLOCK_SIZE
    assert min(lengths) > BLOCK_SIZE / 2  # no row holds two texts


def test_a_stage_takes_a_thousand_steps_of_256_texts_and_holds_out_what_it_asks() -> None:
    size = Size()
    assert size.pairs * size.epochs == 1000 * size.texts_per_step
    pairs = drawn_pairs(seed=1)
    assert len(set(pairs)) == 10_000 >= size.pairs + size.asked
    assert {number for pair in pairs for number in pair} == set(range(100))


class Script(torch.nn.Module):
    """A model that goes on as it was told, whatever comes first: text i by `lines[i]`, token by token."""

    def __init__(self, lines: list[list[int]], prompt: int, vocabulary: int) -> None:
        super().__init__()
        self.lines, self.prompt, self.vocabulary = torch.tensor(lines), prompt, vocabulary

    def forward(self, input_ids: Tensor) -> SimpleNamespace:
        following = self.lines[:, input_ids.shape[1] - self.prompt]
        logits = torch.zeros(*input_ids.shape, self.vocabulary)
        logits[:, -1] = torch.nn.functional.one_hot(following, self.vocabulary).float()
        return SimpleNamespace(logits=logits)


def test_exact_match_wants_every_digit_and_the_end(tmp_path: Path) -> None:
    """Of four answers one is right, one has a wrong digit, one goes on, one ends early: 1/4."""
    make_model(tmp_path, SMOKE.width, seed=0)
    base = load_base(str(tmp_path))
    tokenizer: Any = base.tokenizer
    pairs = [(27, 45), (1, 1), (30, 3), (50, 70)]
    answers = ["072", "003", "0330", "12"]
    lines = [[*tokenizer(answer, add_special_tokens=False)["input_ids"], base.eos, base.eos][:4] for answer in answers]
    prompt = 1 + len(ADD.prompt(0, 0))
    script: Any = Script(lines, prompt, len(tokenizer))
    scripted = LoadedModel("script", script, base.tokenizer, base.bos, base.eos, base.context, packed=True)
    assert exact_match(scripted, ADD, pairs) == 0.25


def run_of(strategy: str, seed: int, rows: list[list[float]]) -> dict[str, Any]:
    names = [task.name for task in TASKS]
    stages = [
        {"task": task, "exact_match": dict(zip(names, row, strict=True))} for task, row in zip(names, rows, strict=True)
    ]
    return {"strategy": strategy, "seed": seed, "stages": stages}


def test_the_drawing_holds_the_mean_over_seeds_of_each_strategy() -> None:
    runs = [
        run_of("naive", 0, [[1.0, 0.0, 0.0, 0.0]] * 4),
        run_of("self-replay", 0, [[1.0, 1.0, 1.0, 1.0]] * 4),
        run_of("naive", 1, [[0.5, 0.0, 0.0, 0.25]] * 4),
    ]
    found = matrices(runs)
    assert list(found) == ["naive", "self-replay"]
    assert found["naive"] == [[0.75, 0.0, 0.0, 0.125]] * 4
    drawing = as_svg(runs)
    assert drawing.count("75.0 %") == 4
    assert drawing.count("100.0 %") == 16


def test_all_of_it_runs_on_next_to_nothing(tmp_path: Path) -> None:
    out = tmp_path / "toy.json"
    toy_stream.main(["--smoke", "--out", str(out)])
    found = json.loads(out.read_text())
    names = [task.name for task in TASKS]
    assert [run["strategy"] for run in found["runs"]] == ["naive", "self-replay"]
    for run in found["runs"]:
        assert [stage["task"] for stage in run["stages"]] == names
        assert all(list(stage["exact_match"]) == names for stage in run["stages"])
        assert run["seconds"] >= 0  # rounded
    naive, own = (run["stages"] for run in found["runs"])
    assert own[0]["exact_match"] == naive[0]["exact_match"]  # the first stage is one for both
    assert not any(stage["remarks"] for stage in naive)
    assert all("The model wrote 8 texts" in stage["remarks"][0] for stage in own[1:])
    assert (tmp_path / "toy.svg").read_text().startswith("<svg")
