"""`benchmarks.smollm2`: a GGUF file becomes the model that it was made of, texts become tasks, numbers become rows."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.smollm2 import convert, table, texts
from engine.common.errors import ModelError, TaskError
from engine.experiments.yaml_file import load_experiment
from engine.models.loading import load_base
from engine.tasks.documents import kind_of
from engine.tasks.load import load_task

EXPERIMENT = Path(__file__).resolve().parent.parent / "benchmarks" / "smollm2.yaml"
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
needs_gguf = pytest.mark.skipif(
    find_spec("gguf") is None, reason="reading GGUF takes the package gguf; install requirements-gguf.txt"
)


def pieces(rule: str, text: str) -> list[str]:
    return [piece for piece, _ in convert.splitting_rule(rule).pre_tokenize_str(text)]


def test_the_rule_of_smollm_keeps_digits_apart_and_the_spaces_before_them_together() -> None:
    assert pieces("smollm", "in  12") == ["in", "ĠĠ", "1", "2"]
    assert pieces("gpt-2", "in  12") == ["in", "Ġ", "Ġ12"]


def test_a_rule_that_is_not_known_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'llama-bpe', and this script knows gpt-2 and smollm alone"):
        convert.splitting_rule("llama-bpe")


def test_the_quantisation_is_named_by_its_share_of_the_weights_by_hand() -> None:
    tensors = {"a": ("Q4_1", 500), "b": ("Q8_0", 250), "c": ("Q4_1", 250)}
    assert convert.quantisation(tensors) == "1,000 weights: 75.0 % in Q4_1, 25.0 % in Q8_0"


def small_llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=260, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=48, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def vocabulary() -> list[str]:
    return [*CONTROL, *sorted(pre_tokenizers.ByteLevel.alphabet()), "ĠĠ"]


def as_ggml_orders_rotation(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """GGUF stores the two halves of a head's rotated rows alternating, transformers one after the other."""
    return weight.view(heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def write_gguf(path: Path, model: LlamaForCausalLM) -> None:
    """The model in GGUF's names and order, in float32, with a tokenizer of single bytes and of two spaces."""
    from gguf import GGUFWriter, TokenType

    config, writer = model.config, GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(vocabulary())
    kinds = [TokenType.CONTROL if token in CONTROL else TokenType.NORMAL for token in vocabulary()]
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ġ Ġ"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    weights = model.state_dict()
    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
    parts = {
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    for layer in range(config.num_hidden_layers):
        names |= {f"model.layers.{layer}.{ours}": f"blk.{layer}.{theirs}" for ours, theirs in parts.items()}
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for ours, theirs in names.items():
        weight = weights[f"{ours}.weight"]
        rotated = heads.get(theirs.rpartition(".")[2])
        stored = as_ggml_orders_rotation(weight, rotated) if rotated else weight
        writer.add_tensor(f"{theirs}.weight", stored.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@needs_gguf
def test_a_converted_file_is_the_model_that_it_was_made_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    original = small_llama()
    write_gguf(tmp_path / "small.gguf", original)
    assert convert.main([str(tmp_path / "small.gguf"), "--out", str(tmp_path / "model")]) == 0
    assert "100.0 % in F32" in capsys.readouterr().out
    base = load_base(str(tmp_path / "model"))
    ids = torch.arange(40)[None]
    with torch.no_grad():
        torch.testing.assert_close(base.model.eval()(input_ids=ids).logits, original(input_ids=ids).logits)
    assert (base.tokenizer.bos_token, base.tokenizer.eos_token, base.context) == ("<|im_start|>", "<|im_end|>", 48)
    assert base.tokenizer.chat_template == TEMPLATE
    assert "quantization_config" not in json.loads((tmp_path / "model" / "config.json").read_text())


@needs_gguf
def test_a_converted_tokenizer_gives_the_tokens_of_one_that_is_built_by_hand(tmp_path: Path) -> None:
    write_gguf(tmp_path / "small.gguf", small_llama())
    convert.convert(tmp_path / "small.gguf", tmp_path / "model")
    by_hand = Tokenizer(models.BPE({token: n for n, token in enumerate(vocabulary())}, [("Ġ", "Ġ")]))
    by_hand.pre_tokenizer = convert.splitting_rule("smollm")
    by_hand.decoder = decoders.ByteLevel()
    tokenizer = load_base(str(tmp_path / "model")).tokenizer
    for text in ("in  12 and  3", "😀 白日", "two  spaces"):
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == by_hand.encode(text).ids
        assert tokenizer.decode(by_hand.encode(text).ids) == text


@needs_gguf
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.gguf").write_text("not a model, but long enough to be looked at", encoding="utf-8")
    for name, said in (("page.gguf", "can't be read as a GGUF file"), ("missing.gguf", "is no file")):
        assert convert.main([str(tmp_path / name), "--out", str(tmp_path / "model")]) == 1
        assert f"{tmp_path / name} {said}" in capsys.readouterr().err


def test_without_the_package_that_reads_gguf_the_remedy_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"pip install -r requirements-gguf\.txt"):
        convert.convert(tmp_path / "small.gguf", tmp_path)


def test_a_question_with_its_topic_becomes_a_conversation() -> None:
    assert texts.conversation(" Where is my card?\n", "Card_arrival") == [
        {"role": "system", "content": "Name the topic of the question."},
        {"role": "user", "content": "Where is my card?"},
        {"role": "assistant", "content": "card arrival"},
    ]


def test_the_same_conversations_are_drawn_whatever_the_order_of_the_rows() -> None:
    rows = [(f"Question {n}?", f"topic_{n % 3}") for n in range(9)]
    drawn = texts.conversations(rows, 5)
    assert drawn == texts.conversations([*reversed(rows), rows[0]], 5)
    assert len({turns[1]["content"] for turns in drawn}) == 5


def test_the_beginning_of_a_text_is_whole_documents_counted_in_bytes_by_hand() -> None:
    text = "éé\n\nfour\n \nlast\n"  # 4, 4 and 4 bytes, and 2 behind each
    assert texts.beginning(text, 12) == "éé\n\nfour\n"
    assert texts.beginning(text, 11) == texts.beginning(text, 1) == "éé\n"


def test_the_experiment_reads_the_texts_as_one_chat_task_and_two_of_text(tmp_path: Path) -> None:
    for task in ("bank", "medicine", "shakespeare"):
        (tmp_path / "sources" / task).mkdir(parents=True)
    for side, count in (("train", 450), ("test", 150)):
        with (tmp_path / "sources" / "bank" / f"{side}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerows([("text", "category"), *((f"Is {side} {n}\nlate?", "late_card") for n in range(count))])
        for task in ("medicine", "shakespeare"):
            plain = "\n\n".join(f"In the {side} of {task} stands document {n}." for n in range(20))
            (tmp_path / "sources" / task / f"{side}.txt").write_text(plain, encoding="utf-8")
    assert texts.main([str(tmp_path / "sources"), "--out", str(tmp_path / "texts" / "smollm2")]) == 0
    (tmp_path / EXPERIMENT.name).write_text(EXPERIMENT.read_text(encoding="utf-8"), encoding="utf-8")
    chat, *plain_tasks = [load_task(spec) for spec in load_experiment(tmp_path / EXPERIMENT.name).tasks]
    assert (kind_of(chat.train), len(chat.train), len(chat.held_out)) == ("chat", 400, 120)
    assert [kind_of(task.train) for task in plain_tasks] == ["text", "text"]
    assert not chat.reading.remarks


def test_a_source_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"train\.csv is missing"):
        texts.write(tmp_path, tmp_path / "out")


def numbers(**others: Any) -> dict[str, Any]:
    """A run of two tasks, whose halves hold 1 and 3 bytes of the first and as many of the second."""
    halves = {
        "A": {"bits_per_byte": [[8.0, 8.0], [2.0, 7.0], [6.0, 3.0]], "text_bytes": [1, 5]},
        "B": {"bits_per_byte": [[4.0, 6.0], [2.0, 7.0], [2.0, 1.0]], "text_bytes": [3, 5]},
    }
    return {
        "line": "kl", "setting": "", "seed": 0, "halves": halves, "tokens": {"forward": 2_600, "backward": 2_000},
        "processor_seconds": 12.4, "memory": {"kept_bytes": 1_000_000, "held_bytes": 500_000},
        "clipping": [{"kept_share": 0.5}, {"kept_share": 0.7}], "training": {}, "tasks": [{"name": "a"}, {"name": "b"}],
    } | others  # fmt: skip


def test_the_halves_come_together_by_their_bytes_by_hand() -> None:
    assert table.bits_per_byte(numbers()) == [[5.0, 7.0], [2.0, 7.0], [3.0, 2.0]]


def test_a_row_says_what_a_run_kept_and_what_it_cost_by_hand() -> None:
    rows = table.as_markdown([numbers()]).splitlines()
    assert rows[2] == "| base model |  |  | 6.000 |  | 5.000 | 7.000 |  |  |  |  |"
    assert rows[3] == "| `kl` | 0 | 1.000 | 2.500 | 2.000 | 2.000 → 3.000 | 2.000 | 3 k, 2 k | 12 | 1.5 MB | 60 % |"
    assert {row.count("|") for row in rows} == {12}


def test_the_table_has_a_row_for_every_planned_run_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, folder = tmp_path / "smollm2.md", tmp_path / "numbers"
    page.write_text(f"Before.\n{table.BEGIN}\nold\n<!-- Up to here. -->\nAfter.\n", encoding="utf-8")
    folder.mkdir()
    given = ["--numbers", str(folder), "--document", str(page)]
    assert table.main(given) == 1
    assert "holds no numbers of runs yet" in capsys.readouterr().err
    for line, seed in (("kl", 1), ("naive", 0), ("kl", 0), ("of another experiment", 0)):
        run = json.dumps(numbers(line=line, seed=seed))
        (folder / f"{line}-seed-{seed}.json").write_text(run, encoding="utf-8")
    assert table.main(given) == 0
    assert "3 of 16 runs are there" in capsys.readouterr().out
    before, *rows, after = page.read_text(encoding="utf-8").splitlines()
    assert (before, after) == ("Before.", "After.")
    assert [row.split("|")[1:3] for row in rows[4:-1]] == [[" `naive` ", " 0 "], [" `kl` ", " 0 "], [" `kl` ", " 1 "]]


def test_a_page_without_a_place_for_the_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kl.json").write_text(json.dumps(numbers()), encoding="utf-8")
    assert table.main(["--numbers", str(tmp_path), "--document", str(tmp_path / "none.md")]) == 1
    assert "put each in once" in capsys.readouterr().err
