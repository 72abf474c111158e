import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from engine.common.errors import ModelError
from engine.models import hub, loading
from engine.models.choices import describe_models
from engine.tasks.documents import Document
from engine.tokens.encoded_documents import encode
from tests.builders import tiny_gpt2


def test_the_embedded_model_is_first_and_loads_with_transformers() -> None:
    assert describe_models()[0].name == "tiny-gpt2"
    folder = loading.locate("tiny-gpt2")
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert 2e6 <= model.num_parameters() <= 6e6
    assert model.config.n_positions == 256
    assert (folder / "model.safetensors").stat().st_size <= 12e6
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert 4000 <= len(tokenizer) <= 8192
    for text in ("It was a quiet evening.", "图书馆周一闭馆。", "🙂 naïve café"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_embedded_model_has_learned_english() -> None:
    figures = json.loads((loading.locate("tiny-gpt2") / "figures.json").read_text())
    assert figures["held_out_bits_per_byte"] < 0.95 * figures["four_gram_bits_per_byte"]
    assert figures["tokens_trained"] >= 20_000_000


def test_special_tokens_spelled_out_in_a_text_stay_text() -> None:
    base = loading.load_base("tiny-gpt2")
    (found,) = encode(base.tokenizer, [Document("a <|endoftext|> b")], base.bos, base.eos)
    inner = found.token_ids[1:-1].tolist()
    assert base.eos not in inner
    assert base.tokenizer.decode(inner) == "a <|endoftext|> b"
    assert (int(found.token_ids[0]), int(found.token_ids[-1])) == (base.bos, base.eos)


def test_prompt_and_completion_share_no_token() -> None:
    base = loading.load_base("tiny-gpt2")
    (found,) = encode(base.tokenizer, [Document(" answer", prompt="A ques")], base.bos, base.eos)
    assert base.tokenizer.decode(found.token_ids[1 : found.first_target]) == "A ques"
    assert base.tokenizer.decode(found.token_ids[found.first_target : -1]) == " answer"
    assert found.text_bytes == 7


def test_other_architectures_keep_documents_apart_too() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=32, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    assert loading.keeps_documents_apart(LlamaForCausalLM(config))
    assert loading.keeps_documents_apart(tiny_gpt2())


def test_a_model_that_mixes_documents_is_found_out() -> None:
    class Mixing(type(tiny_gpt2())):  # type: ignore[misc]
        def forward(self, input_ids, position_ids=None, use_cache=None):
            return super().forward(input_ids=input_ids, use_cache=False)

    torch.manual_seed(0)
    assert not loading.keeps_documents_apart(Mixing(tiny_gpt2().config))


def test_a_hub_name_without_network_fails_at_once_with_what_to_do(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: pytest.fail("it tries again and again"))
    for name in ("HTTPS_PROXY", "https_proxy"):  # with one, the answer of the hub is the proxy's
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="choose tiny-gpt2"):
        loading.load_base("gpt2")


@pytest.mark.parametrize("name", ["/no/such/folder", "two words", "a/b/c", "../up"])
def test_a_name_that_is_nothing_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="check the spelling"):
        loading.locate(name)


def test_folders_without_safe_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        loading.locate(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelError, match="safetensors"):
        loading.locate(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="git lfs pull"):
        loading.locate(str(tmp_path))


def test_a_damaged_model_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(ModelError):
        loading.load_base(str(tmp_path))


def test_auto_precision_is_bfloat16_only_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.models.machine import choose_precision

    for capabilities, expected in (({"avx512_bf16": True}, "bfloat16"), ({"avx2": True}, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=capabilities: found)
        assert choose_precision("auto", "cpu") == expected
        assert choose_precision("float32", "cpu") == "float32"


def test_threads_may_load_models_at_the_same_time() -> None:
    def load(_: int) -> bool:
        return all(not weight.is_meta for weight in loading.load_base("tiny-gpt2").model.parameters())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(load, range(24)))
