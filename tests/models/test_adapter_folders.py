"""A folder with an adapter as a base model: merged into the model that it names, or refused in a sentence."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from engine.common.errors import ModelError
from engine.common.paths import MODEL_ROOTS
from engine.models import adapters, loading
from engine.models.adapters import CONFIG, WEIGHTS
from tests.builders import tiny_gpt2

TOKENS = torch.arange(40).reshape(2, 20)
pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated", "ignore:fan_in_fan_out"
)  # by peft's own wrapper


def gpt2() -> PreTrainedModel:
    return tiny_gpt2(vocabulary=4096)


def llama() -> PreTrainedModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=4096, max_position_embeddings=64, initializer_range=0.2, **sizes))


def make_base(folder: Path, model: PreTrainedModel) -> Path:
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(loading.locate("tiny-gpt2")).save_pretrained(folder)
    return folder


def make_adapter(folder: Path, base: Path, named: str | None = None, **settings: Any) -> Path:
    """An adapter as peft itself makes and saves one, with a B that is not 0."""
    config = LoraConfig(r=2, lora_alpha=3, target_modules="all-linear", task_type="CAUSAL_LM", **settings)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    return change(folder, base_model_name_or_path=named or str(base))


def own_adapter(folder: Path, build: Callable[[], PreTrainedModel]) -> PreTrainedModel:
    """A model with an adapter of rank 4 and α 3, which `folder` then holds with its base."""
    base, model = make_base(folder / "base", build()), build()
    adapters.put_on(model, adapters.linear_layers(model), 4, 3.0, str(base))
    for layer in adapters.adapted_layers(model).values():
        torch.nn.init.normal_(adapters.factors(layer)[1], std=0.3)
    adapters.save_model(model, folder / "adapter")
    return model


def change(folder: Path, **changes: Any) -> Path:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | changes))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_base(tmp_path / "base", gpt2())


@pytest.fixture
def adapter(tmp_path: Path, base: Path) -> Path:
    return make_adapter(tmp_path / "adapter", base)


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(input_ids=TOKENS).logits


@pytest.mark.parametrize("build", [gpt2, llama])
@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"rank_pattern": {"c_proj|o_proj": 4}}])
def test_an_adapter_is_merged_into_the_base_that_it_names_as_peft_merges_it(
    build: Callable[[], PreTrainedModel], settings: dict[str, Any], tmp_path: Path
) -> None:
    base = make_base(tmp_path / "base", build())
    adapter = make_adapter(tmp_path / "adapter", base, **settings)
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload()
    found = loading.load_base(str(adapter)).model
    assert type(found) is type(build())
    assert {name for name, _ in found.named_parameters()} == {name for name, _ in build().named_parameters()}
    assert all(weight.requires_grad for weight in found.parameters())
    assert torch.allclose(logits(found), logits(merged), atol=1e-5)
    assert not torch.allclose(logits(found), logits(build()), atol=1e-2)


@pytest.mark.parametrize("build", [gpt2, llama])
@pytest.mark.parametrize("use_rslora", [False, True])
def test_merged_weights_are_the_bases_plus_the_scaled_product(
    build: Callable[[], PreTrainedModel], use_rslora: bool, tmp_path: Path
) -> None:
    """W + (α / r) B A, or W + (α / √r) B A, by hand for r 4 and α 3; transposed for a Conv1D."""
    products = {}
    for name, layer in adapters.adapted_layers(own_adapter(tmp_path, build)).items():
        down, up = adapters.factors(layer)
        product = 3 / (2 if use_rslora else 4) * (up @ down).detach()
        products[name] = product.T if isinstance(layer.get_base_layer(), Conv1D) else product
    found = loading.load_base(str(change(tmp_path / "adapter", use_rslora=use_rslora))).model.state_dict()
    for name, each in build().state_dict().items():
        wanted = each + products.get(name.removesuffix(".weight"), torch.zeros(()))
        assert torch.allclose(found[name], wanted, atol=1e-6), name


def test_its_base_is_found_beside_it_by_the_embedded_name_and_where_it_lies_in_the_same_folder(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    wanted = logits(loading.load_base(str(adapter)).model)
    change(adapter, base_model_name_or_path="../base")
    assert torch.equal(logits(loading.load_base(str(adapter)).model), wanted)
    embedded = make_adapter(tmp_path / "of embedded", loading.locate("tiny-gpt2"), "tiny-gpt2")
    plain = AutoModelForCausalLM.from_pretrained(loading.locate("tiny-gpt2"))
    assert not torch.allclose(logits(loading.load_base(str(embedded)).model), logits(plain), atol=1e-2)
    for file in (CONFIG, WEIGHTS):  # a whole model with an adapter beside it: transformers takes both
        (adapter / file).rename(base / file)
    change(base, base_model_name_or_path="nowhere/at-all")
    assert torch.allclose(logits(loading.load_base(str(base)).model), wanted, atol=1e-6)


def test_an_adapter_of_the_embedded_model_finds_it_wherever_that_lies(tmp_path: Path) -> None:
    base = loading.load_base("tiny-gpt2").model
    adapters.put_on(base, adapters.linear_layers(base), 2, 3.0, base.name_or_path)
    adapters.save_model(base, tmp_path / "adapter")
    elsewhere = "/home/somebody/palimpsest/models/tiny-gpt2"
    change(tmp_path / "adapter", base_model_name_or_path=elsewhere)
    assert loading.base_of(tmp_path / "adapter", "mine") == loading.locate("tiny-gpt2")
    assert adapters.is_adapter(tmp_path / "adapter")
    loading.load_base(str(tmp_path / "adapter"))
    (tmp_path / "adapter" / adapters.BASE).write_text('{"weights": "of another version"}')
    with pytest.raises(ModelError, match=f"adapter for '{elsewhere}', which is not on this machine"):
        loading.load_base(str(tmp_path / "adapter"))


def test_the_tokenizer_is_the_adapters_own_or_else_that_of_its_base(base: Path, adapter: Path) -> None:
    assert len(loading.load_tokenizer(str(adapter))) == 4096
    assert loading.tokenizer_folder(str(adapter)) == base
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = "{{ messages[0].content }}"
    tokenizer.save_pretrained(adapter)
    assert loading.load_tokenizer(str(adapter)).chat_template == "{{ messages[0].content }}"


def test_what_names_a_result_changes_with_the_adapter_and_with_its_base(base: Path, adapter: Path) -> None:
    before = loading.weights_hash(adapter, str(adapter))
    assert loading.weights_hash(base, str(base)) in before
    tensors = load_file(base / "model.safetensors")
    save_file({name: each + 1 for name, each in tensors.items()}, base / "model.safetensors", {"format": "pt"})
    assert loading.weights_hash(adapter, str(adapter)) != before


@pytest.mark.parametrize("named", ["no/such-model", "/no/such/folder", "no such name"])
def test_a_base_that_is_not_on_this_machine_is_named(adapter: Path, named: str) -> None:
    change(adapter, base_model_name_or_path=named)
    with pytest.raises(ModelError, match=f"adapter for '{named}', which is not on this machine"):
        loading.load_base(str(adapter))


def test_a_base_outside_of_where_models_may_lie_is_not_read(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODEL_ROOTS, str(adapter))
    with pytest.raises(ModelError, match="may not be read here"):
        loading.load_base(str(adapter))
    change(adapter, base_model_name_or_path="../base")
    with pytest.raises(ModelError, match="may not be read here"):
        loading.load_base(str(adapter))
    monkeypatch.setenv(MODEL_ROOTS, str(tmp_path))
    assert loading.load_base(str(adapter)).packed


def test_an_adapter_of_an_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    second = make_adapter(tmp_path / "second", tmp_path / "base", str(adapter))
    with pytest.raises(ModelError, match="which is an adapter itself"):
        loading.load_base(str(second))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peft_type": "IA3"}, "peft_type = 'IA3'"),
        ({"peft_type": None}, "peft_type = 'None'"),
        ({"use_dora": True}, "use_dora = True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"alpha_pattern": {"c_attn": 9}}, "alpha_pattern"),
        ({"bias": "all"}, "bias = all"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights = pissa"),
        ({"of_another_time": 1}, "of_another_time"),
        ({"auto_mapping": {"parent_library": "os", "base_model_class": "x"}}, r"code from elsewhere \(auto_mapping\)"),
        ({"auto_mapping": {"parent_library": "transformers.models/../x"}}, r"code from elsewhere \(auto_mapping\)"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, r"code from elsewhere \(megatron_config\)"),
        ({"lora_alpha": "3"}, "lora_alpha = '3', which is no number"),
        ({"lora_alpha": None}, "lora_alpha = .*which is no number"),
        ({"base_model_name_or_path": None}, "names no base model; .* as base_model_name_or_path"),
    ],
)
def test_more_than_plain_lora_and_what_asks_for_code_are_refused_with_the_field_named(
    adapter: Path, changes: dict[str, Any], words: str
) -> None:
    change(adapter, **changes)
    with pytest.raises(ModelError, match=words):
        loading.load_base(str(adapter))


def test_pickled_weights_a_pointer_and_a_damaged_file_are_refused(adapter: Path) -> None:
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps({}))
    assert loading.load_base(str(adapter)).packed  # the safetensors are read, whatever lies beside them
    (adapter / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ModelError, match="Git LFS pointer"):
        loading.load_base(str(adapter))
    (adapter / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="damaged or cut off"):
        loading.load_base(str(adapter))
    (adapter / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"adapter_model\.bin can run code"):
        loading.load_base(str(adapter))
    (adapter / "adapter_model.bin").unlink()
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors; it is missing"):
        loading.load_base(str(adapter))


def test_an_adapter_of_another_base_is_refused_before_anything_is_loaded(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))
    change(adapter, base_model_name_or_path="tiny-gpt2")  # of another width
    with pytest.raises(ModelError, match=r"do not fit its .* weights; base_model_name_or_path"):
        loading.load_base(str(adapter))
    change(adapter, base_model_name_or_path=str(make_base(tmp_path / "other", llama())))
    with pytest.raises(ModelError, match="belongs to no linear layer of its base model; base_model_name_or_path"):
        loading.load_base(str(adapter))


def test_a_factor_that_is_missing_or_of_another_rank_is_refused(tmp_path: Path) -> None:
    own_adapter(tmp_path, gpt2)
    weights = tmp_path / "adapter" / WEIGHTS
    tensors = load_file(weights)
    name = next(each for each in tensors if "lora_A" in each)
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, weights)
    with pytest.raises(ModelError, match="do not fit"):
        loading.load_base(str(weights.parent))
    save_file(tensors | {name: torch.zeros(3, tensors[name].shape[1])}, weights)
    with pytest.raises(ModelError, match="do not fit"):
        loading.load_base(str(weights.parent))
