"""Guards held against models, and the decision that follows."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from engine.common.errors import ConfigError, PalimpsestError
from engine.guards.guard import Guard
from engine.insight import frames
from engine.insight.measures.guard_checks import check_guards
from engine.models.loading import load_base
from tests.running.test_cli import call


def test_likelihoods_and_losses_are_those_of_a_loop_over_tokens() -> None:
    base = load_base("tiny-gpt2")
    model, tokenizer = base.model.eval(), base.tokenizer

    def nats(before: str, text: str) -> list[float]:
        first = [base.bos, *tokenizer.encode(before)]
        ids = torch.tensor([[*first, *tokenizer.encode(text)]])
        with torch.no_grad():
            law = model(input_ids=ids).logits[0].log_softmax(-1)
        return [-float(law[at - 1, ids[0, at]]) for at in range(len(first), ids.shape[1])]

    text = "We the people of the United States"
    loss = sum(nats("", text)) / len(nats("", text))
    after_prompt = sum(nats("the United", " States")) / len(nats("the United", " States"))
    ahead = sum(nats("the United", " Nations")) - sum(nats("the United", " States"))
    assert ahead > 0
    found = check_guards(
        base,
        [
            Guard(text=text, loss_at_most=loss + 1e-3),
            Guard(text=text, loss_at_most=loss - 1e-3),
            Guard(prompt="the United", text=" States", loss_at_most=after_prompt + 1e-3),
            Guard(prompt="the United", text=" States", loss_at_most=after_prompt - 1e-3),
            Guard(prompt="the United", likelier=" States", than=(" Nations", "\N{BEETLE} soup")),
            Guard(prompt="the United", likelier=" Nations", than=(" States",)),
        ],
    )
    assert [outcome.holds for outcome in found] == [True, False, True, False, True, False]
    assert found[0].found == f"a loss of {loss:.3f} nats per token"
    assert found[4].found == f"{ahead:.2f} nats likelier than ' Nations'"


def test_a_guard_that_no_model_can_read_is_named() -> None:
    with pytest.raises(ConfigError, match=r"The guard 'long' has [0-9,]+ tokens, more than the 256"):
        check_guards(load_base("tiny-gpt2"), [Guard(name="long", text="word " * 2000, loss_at_most=1)])
    with pytest.raises(ConfigError, match=r"The guard 'long' has [0-9,]+ tokens and its answer up to 64"):
        check_guards(load_base("tiny-gpt2"), [Guard(name="long", prompt="word " * 2000, contains="x")])


@pytest.fixture
def judged(results: Path) -> dict[str, Any]:
    run_id = frames.run_ids(results)["run_id"].iloc[0]
    checkpoint = results / "runs" / run_id / "stage-2"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(checkpoint), AutoTokenizer.from_pretrained(checkpoint)
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer.encode("Note 3 of")]])
    written = model.generate(ids, max_new_tokens=4, do_sample=False, pad_token_id=tokenizer.eos_token_id)
    answer = tokenizer.decode(written[0, ids.shape[1] :])
    guards = [
        Guard(name="kept", prompt="Note 3 of", equals=answer, answer_tokens=4),
        Guard(name="never", prompt="Note 3 of", equals="nobody says this", answer_tokens=4),
        Guard(name="bread", prompt="Note 3 of", likelier=" bread", than=(" tea",)),
    ]
    return frames.verification(results, guards, most_forgetting=None)


def test_what_holds_no_more_is_named_with_the_stage_that_lost_it(judged: dict[str, Any]) -> None:
    by_name = {each["guard"]: each for each in judged["guards"]}
    assert judged["decision"] == "HOLD"
    assert by_name["kept"]["holds"]
    assert (by_name["never"]["by_stage"], by_name["never"]["lost_at"]) == ([False, False, False], None)
    assert by_name["bread"]["by_stage"][1:] == [True, False]
    assert by_name["bread"]["lost_at"] == 2
    assert any("'bread' holds no more since stage 2 (tea)" in reason for reason in judged["reasons"])
    assert any("'never' does not hold, and held at no stage" in reason for reason in judged["reasons"])
    assert len(judged["reasons"]) == 2


def test_forgetting_is_that_of_the_score_matrix_and_its_limit_decides(results: Path) -> None:
    scores = json.loads((results / "results.json").read_text(encoding="utf-8"))["runs"][0]["scores"]["bits_per_byte"]
    lost = scores[2][0] - scores[1][0]
    assert lost > 0
    shipped = frames.verification(results, (), lost + 1e-6)
    assert (shipped["decision"], shipped["reasons"]) == ("SHIP", [])
    assert shipped["forgetting"] == {"bread": pytest.approx(lost)}
    held = frames.verification(results, (), lost - 1e-6)
    assert held["decision"] == "HOLD"
    assert held["reasons"] == [f"bread forgot {lost:.3f} bits per byte, more than {lost - 1e-6:g}"]
    assert math.isfinite(lost)


def test_a_run_is_found_by_label_or_id_or_named_as_missing(results: Path) -> None:
    run_id = frames.run_ids(results)["run_id"].iloc[0]
    assert frames.verification(results, (), 9.0, run="naive")["run_id"] == run_id
    with pytest.raises(PalimpsestError, match="'other' is none of the runs; there are naive"):
        frames.verification(results, (), 9.0, run="other")


def test_the_command_line_gives_one_line_of_json_and_an_exit_code(results: Path, tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text("- {prompt: Note, matches: 'of|.'}", encoding="utf-8")
    code, out, _ = call("verify", str(results), "--guards", str(tmp_path / "g.yaml"), "--forgetting", "9")
    assert (code, json.loads(out)["decision"]) == (0, "SHIP")
    assert out.count("\n") == 1
    code, out, err = call("verify", str(results), "--forgetting", "0")
    assert (code, json.loads(out)["decision"]) == (1, "HOLD")
    assert "bread forgot" in err
    code, out, err = call("verify", str(results))
    assert (code, out) == (2, "")
    assert "Say what must hold" in err
