"""Low-rank adapters: what starts, what trains, what is saved, and what is refused."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from engine import events, strategies
from engine.common.durable_files import is_whole
from engine.common.errors import ConfigError
from engine.common.random_streams import Streams
from engine.experiments.experiment import experiment_from
from engine.forecast.estimate import TaskSize, estimate
from engine.forecast.machine_speed import Speed
from engine.forecast.trained_weights import stage_weights
from engine.models import adapters, lm_head
from engine.models.likelihood import interruptible
from engine.models.loading import LoadedModel, keeps_documents_apart, load_base
from engine.persistence.checkpoints import save_checkpoint
from engine.persistence.shared_results import SharedResults
from engine.strategies.base import StageView
from engine.strategies.tools import fisher
from engine.strategies.tools.fisher import diagonal_fisher
from engine.training.loop import train
from tests.builders import BLOCK, VOCABULARY, base_of, loaded, random_documents, small_setup, tiny_gpt2
from tests.strategies.test_contract import same_weights, scores_of, terms_of, weights_after

TOKENS = torch.arange(20).reshape(2, 10)


def tiny_llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, initializer_range=0.2, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def shapes() -> GPT2LMHeadModel:
    with torch.device("meta"):
        return GPT2LMHeadModel(tiny_gpt2().config)


def prepared(model: PreTrainedModel, stage: int = 1, **parameters: Any) -> PreTrainedModel:
    strategies.build("lora", parameters).prepare(model, stage, Streams(0))
    return model


def moved(model: PreTrainedModel) -> PreTrainedModel:
    """The model with a B that is not 0, as after training."""
    torch.manual_seed(1)
    for layer in adapters.adapted_layers(model).values():
        torch.nn.init.normal_(adapters.factors(layer)[1], std=0.3)
    return model


@torch.no_grad()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model.eval()(input_ids=TOKENS).logits


def trained(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def frozen(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize("build", [tiny_gpt2, tiny_llama])
@pytest.mark.parametrize("between_stages", ["continued", "merged"])
def test_before_the_first_step_the_model_is_the_base_bit_for_bit(
    build: Callable[[], PreTrainedModel], between_stages: str
) -> None:
    model = prepared(build(), between_stages=between_stages)
    assert torch.equal(logits(model), logits(build()))
    assert lm_head.plain_head(model) is not None
    assert keeps_documents_apart(model)


@pytest.mark.parametrize("build", [tiny_gpt2, tiny_llama])
def test_a_layer_computes_its_own_product_and_the_scaled_one_of_both_factors(
    build: Callable[[], PreTrainedModel],
) -> None:
    """y = W x + (α / r) B A x of a layer by hand, with r 2 and α 3."""
    model = moved(prepared(build(), rank=2, alpha=3.0))
    for name, layer in adapters.adapted_layers(model).items():
        down, up = adapters.factors(layer)
        plain = build().get_submodule(name)
        x = torch.randn(5, down.shape[1])
        assert torch.allclose(layer(x), plain(x) + 3 / 2 * x @ down.T @ up.T, atol=1e-6)


def test_a_begins_within_one_over_the_root_of_its_inputs_from_a_stream_of_its_own() -> None:
    torch.manual_seed(5)
    first = trained(prepared(tiny_gpt2(), rank=16))
    torch.manual_seed(6)
    assert all(torch.equal(first[name], each) for name, each in trained(prepared(tiny_gpt2(), rank=16)).items())
    downs = {name: each for name, each in first.items() if "lora_A" in name}
    for down in downs.values():
        bound = down.shape[1] ** -0.5
        assert 0.9 * bound < down.abs().max() <= bound
        assert down.var() == pytest.approx(bound**2 / 3, rel=0.3)  # of a uniform law
    values = torch.stack([down.flatten()[:8] for down in downs.values()])
    assert len(values.unique(dim=0)) == len(downs)
    assert not any(each.any() for name, each in first.items() if "lora_B" in name)


def test_the_factors_alone_train_and_preparing_again_changes_nothing() -> None:
    model = moved(prepared(tiny_gpt2()))
    before, still = trained(model), frozen(model)
    assert {name.split(".")[-3] for name in before} == {"lora_A", "lora_B"}
    assert all(".lora_" not in name for name in still)
    model.requires_grad_(True)
    prepared(model, stage=2)
    assert trained(model).keys() == before.keys()
    assert all(torch.equal(each, before[name]) for name, each in trained(model).items())


def test_a_fresh_adapter_of_each_stage_is_another_and_one_that_has_moved_stays() -> None:
    model = prepared(tiny_gpt2(), 1, between_stages="merged")
    first = trained(model)
    second = trained(prepared(model, 2, between_stages="merged"))
    assert not any(torch.equal(each, first[name]) for name, each in second.items() if "lora_A" in name)
    assert all(torch.equal(e, second[n]) for n, e in trained(prepared(tiny_gpt2(), 2, between_stages="merged")).items())
    reached = trained(moved(model))
    assert all(torch.equal(e, reached[n]) for n, e in trained(prepared(model, 2, between_stages="merged")).items())


@pytest.mark.parametrize("build", [tiny_gpt2, tiny_llama])
def test_merging_adds_the_scaled_product_to_the_weights_and_leaves_the_function(
    build: Callable[[], PreTrainedModel],
) -> None:
    """W + (α / r) B A, transposed for a Conv1D."""
    model = moved(prepared(build(), rank=2, alpha=3.0, between_stages="merged"))
    before, plain = logits(model), build()
    products = {}
    for name, layer in adapters.adapted_layers(model).items():
        down, up = adapters.factors(layer)
        product = (3 / 2 * up @ down).detach()
        products[name] = product.T if isinstance(plain.get_submodule(name), Conv1D) else product
    strategies.build("lora", {"rank": 2, "alpha": 3.0, "between_stages": "merged"}).settle(model, 1, Streams(0))
    for name, product in products.items():
        found = adapters.adapted_layers(model)[name].get_base_layer().weight
        assert torch.allclose(found, plain.get_submodule(name).weight + product, atol=1e-6)
    assert torch.allclose(logits(model), before, atol=1e-4)
    assert adapters.adds_nothing(model)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # by peft's own wrapper
@pytest.mark.parametrize("build", [tiny_gpt2, tiny_llama])
def test_a_saved_adapter_loads_in_plain_peft_and_transformers_to_equal_logits(
    build: Callable[[], PreTrainedModel], tmp_path: Path
) -> None:
    build().save_pretrained(tmp_path / "base")
    model = moved(prepared(AutoModelForCausalLM.from_pretrained(tmp_path / "base")))
    save_checkpoint(tmp_path / "saved", model, base_of(model).tokenizer)
    names = {file.name for file in (tmp_path / "saved").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= names
    assert not names & {"config.json", "model.safetensors", "adapter_model.bin"}
    wanted = logits(model)
    by_peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tmp_path / "base"), tmp_path / "saved")
    assert torch.equal(logits(by_peft), wanted)
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "saved")), wanted)  # finds its base
    assert torch.allclose(logits(by_peft.merge_and_unload()), wanted, atol=1e-4)


@pytest.mark.parametrize("build", [tiny_gpt2, tiny_llama])
def test_a_merged_checkpoint_is_a_plain_model_and_a_point_inside_a_stage_holds_both(
    build: Callable[[], PreTrainedModel], tmp_path: Path
) -> None:
    model = moved(prepared(build(), between_stages="merged"))
    inside = logits(model)
    save_checkpoint(tmp_path / "point", model, base_of(model).tokenizer)
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "point")), inside)
    strategies.build("lora", {"between_stages": "merged"}).settle(model, 1, Streams(0))
    save_checkpoint(tmp_path / "end", model, base_of(model).tokenizer)
    assert not adapters.is_adapter(tmp_path / "end")
    plain = type(model).from_pretrained(tmp_path / "end")
    assert not adapters.adapted_layers(plain)
    assert {name for name, _ in plain.named_parameters()} == {name for name, _ in build().named_parameters()}
    assert torch.equal(logits(plain), logits(model))
    assert load_file(tmp_path / "end" / "model.safetensors").keys() <= plain.state_dict().keys()


def test_the_base_does_not_drift_over_the_stages_of_a_run(tmp_path: Path) -> None:
    kept: list[dict[str, torch.Tensor]] = []
    setup = small_setup(strategies.build("lora", {}), tmp_path, weight_decay=0.5)

    def load(checkpoint: Path | None) -> Any:
        base = loaded(checkpoint)
        models.append(base.model)
        return base

    models: list[PreTrainedModel] = []
    for event in train(replace(setup, load_model=load)):
        if isinstance(event, events.StageFinished):
            kept.append(frozen(models[0]))
    assert len(kept) == 3
    plain = adapters.without_adapter(models[0])
    assert all(torch.equal(plain[name], each) for name, each in tiny_gpt2().state_dict().items())
    assert all(torch.equal(each, kept[0][name]) for later in kept for name, each in later.items())


MERGED = {"between_stages": "merged"}


@pytest.mark.parametrize("optimizer_state", ["reset", "keep"])
def test_a_run_that_merges_and_is_resumed_after_a_stage_gives_the_same_numbers(
    optimizer_state: str, tmp_path: Path
) -> None:
    setup = small_setup(strategies.build("lora", MERGED), tmp_path, optimizer_state=optimizer_state)
    whole = list(train(setup))
    weights = weights_after(tmp_path, 3)
    resumed = list(train(replace(setup, finished_stages=1)))
    assert terms_of(resumed) == [e for e in terms_of(whole) if e[0] >= terms_of(resumed)[0][0]]
    assert scores_of(resumed) == [s for s in scores_of(whole) if s[0] > 1]
    assert all(torch.equal(weights[key], value) for key, value in weights_after(tmp_path, 3).items())


def test_a_run_that_merges_and_is_stopped_after_any_step_gives_the_same_numbers(tmp_path: Path) -> None:
    whole = list(train(small_setup(strategies.build("lora", MERGED), tmp_path / "whole", tasks=2)))
    setup = replace(small_setup(strategies.build("lora", MERGED), tmp_path / "cut", tasks=2), point_seconds=0.0)
    heard: dict[int, Any] = {}
    scored: dict[tuple[int, int], Any] = {}
    finished = 0
    while finished < 2:
        for event in train(replace(setup, finished_stages=finished)):
            if isinstance(event, events.StepDone):
                is_new = event.step not in heard
                heard[event.step] = (event.terms, event.gradient_norm)
                if is_new:
                    setup.control.stop()
            elif isinstance(event, events.Evaluated):
                scored[event.stage, event.step] = (event.sample, event.whole)
            elif isinstance(event, events.StageFinished):
                finished = event.stage
        setup = replace(setup, control=type(setup.control)())
    assert [(step, *found) for step, found in sorted(heard.items())] == terms_of(whole)
    assert [(*at, *found) for at, found in sorted(scored.items())] == scores_of(whole)
    assert same_weights(tmp_path / "whole", tmp_path / "cut", 2)


def test_a_run_that_merges_and_takes_stages_over_or_is_given_one_more_task_ends_with_the_same_weights(
    tmp_path: Path,
) -> None:
    whole = small_setup(strategies.build("lora", MERGED), tmp_path / "whole")
    list(train(whole))
    shared = SharedResults(tmp_path / "shared")
    for folder in ("first", "second"):
        setup = replace(whole, folder=tmp_path / folder, shared=shared, content="texts")
        heard = list(train(setup))
        assert same_weights(tmp_path / "whole", tmp_path / folder, 3)
    assert all(e.shared for e in heard if isinstance(e, events.StageStarted))
    added = replace(whole, folder=tmp_path / "added")
    list(train(replace(added, tasks=whole.tasks[:2])))
    list(train(replace(added, finished_stages=2)))
    assert same_weights(tmp_path / "whole", tmp_path / "added", 3)


def test_an_adapter_that_is_taken_over_calls_its_base_as_the_run_that_takes_it_does(tmp_path: Path) -> None:
    def called(folder: str) -> list[str]:
        def load(checkpoint: Path | None) -> LoadedModel:
            base = loaded(None)
            adapters.name_base(base.model, f"/models/{folder}", None)
            if checkpoint is not None:
                adapters.load_onto(base.model, checkpoint)
            return base

        setup = small_setup(strategies.build("lora", {}), tmp_path / folder, tasks=2)
        shared = SharedResults(tmp_path / "shared")
        heard = list(train(replace(setup, load_model=load, shared=shared, content="texts")))
        assert all(e.shared == (folder == "second") for e in heard if isinstance(e, events.StageStarted))
        assert all(is_whole(tmp_path / folder / f"stage-{stage}") for stage in (1, 2))
        configs = [tmp_path / each / "stage-2" / adapters.CONFIG for each in ("first", folder)]
        return [json.loads(each.read_text())["base_model_name_or_path"] for each in configs]

    assert called("first") == ["/models/first"] * 2
    assert called("second") == ["/models/first", "/models/second"]


def test_the_scored_weights_of_a_merged_stage_are_the_saved_ones(tmp_path: Path) -> None:
    from engine.training.evaluation import evaluate

    setup = small_setup(strategies.build("lora", MERGED), tmp_path, tasks=2)
    scored = {e.stage: e.whole for e in train(setup) if isinstance(e, events.Evaluated) and e.whole}
    for stage in (1, 2):
        assert not adapters.is_adapter(tmp_path / f"stage-{stage}")
        plain = base_of(GPT2LMHeadModel.from_pretrained(tmp_path / f"stage-{stage}"))
        assert evaluate(setup, plain, setup.scored, stage, 0, whole=True).whole == scored[stage]


def by_plain_loop(model: PreTrainedModel, documents: Any) -> dict[str, torch.Tensor]:
    """(1/N) Σ_d (∇ Σ_i −log p_i)², each document alone in a plain pass."""
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(p) for name, p in weights.items()}
    for document in documents:
        ids = document.token_ids.long()[None]
        nats = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:], reduction="sum")
        for name, gradient in zip(weights, torch.autograd.grad(nats, list(weights.values())), strict=True):
            total[name] += gradient.square()
    tokens = sum(len(document.token_ids) - 1 for document in documents)
    return {name: each / tokens for name, each in total.items()}


@pytest.mark.parametrize("build", [tiny_gpt2, tiny_llama])
def test_the_fisher_of_the_factors_is_that_of_a_plain_loop_over_documents(
    build: Callable[[], PreTrainedModel],
) -> None:
    documents, model = random_documents(6, seed=3), build()
    assert fisher.gradients_come_apart(model)  # asked before the adapter was there
    model = moved(prepared(model)).eval()
    assert fisher.gradients_come_apart(model)
    wanted = by_plain_loop(model, documents)
    for packed in (True, False):  # documents together, and each alone
        found = diagonal_fisher(StageView(1, model, documents, BLOCK, packed, lambda: None), documents)
        assert found.keys() == wanted.keys()
        assert all(torch.allclose(found[name], each, rtol=1e-4, atol=1e-9) for name, each in wanted.items())


def test_ewc_holds_the_factors_to_where_the_stage_before_has_left_them(tmp_path: Path) -> None:
    """With an immense λ the factors that the first task's Fisher knows hardly move in the second stage."""
    for name, folder in (("lora", "free"), ("lora+ewc", "held")):
        parameters = {"ewc_lambda": 1e9} if "ewc" in name else {}
        list(train(small_setup(strategies.build(name, parameters), tmp_path / folder, tasks=2)))

    def moved_by(folder: str) -> float:
        first, second = weights_after(tmp_path / folder, 1), weights_after(tmp_path / folder, 2)
        return sum(float((second[key] - each).square().sum()) for key, each in first.items())

    assert moved_by("held") < 1e-2 * moved_by("free")


def test_the_teacher_of_kl_is_the_adapter_as_the_stage_before_has_left_it(tmp_path: Path) -> None:
    """KL(π ‖ p) is 0 in the first step of the second stage, and not after it; so it is after a resume."""
    setup = small_setup(strategies.build("kl+lora", {}), tmp_path, tasks=2)
    whole = list(train(setup))
    first, *others = [e.terms["kl"] for e in whole if isinstance(e, events.StepDone) and e.stage == 2]
    assert first == pytest.approx(0.0, abs=1e-6)
    assert all(each > 1e-4 for each in others)
    weights = weights_after(tmp_path, 2)
    resumed = terms_of(list(train(replace(setup, finished_stages=1))))
    assert resumed == terms_of(whole)[-len(resumed) :]
    assert all(torch.equal(weights[key], each) for key, each in weights_after(tmp_path, 2).items())


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"rank": 17}, r"^rank: 17 is above 16, the smaller side of transformer\.h\.0\.attn\.c_attn"),
    ({"target_modules": "c_atn"}, "^target_modules: 'c_atn' is no linear layer.*c_attn"),
    ({"target_modules": "lm_head"}, "^target_modules: 'lm_head' is no linear layer"),
    ({"target_modules": "wte"}, "^target_modules: 'wte' is no linear layer"),
]


@pytest.mark.parametrize(("parameters", "sentence"), REFUSED)
def test_what_the_model_lacks_is_refused_with_the_field_named(parameters: dict[str, Any], sentence: str) -> None:
    model = shapes()
    found = strategies.build("lora", parameters).refusal(model)
    assert found is not None
    assert re.search(sentence, found)
    assert found.endswith(".")
    assert strategies.build("lora", {"rank": 16}).refusal(model) is None


def test_a_rank_up_to_the_smaller_side_of_every_layer_is_taken_and_no_larger_one() -> None:
    of_sixteen_by_24 = {"target_modules": "gate_proj down_proj"}
    assert strategies.build("lora", {"rank": 16} | of_sixteen_by_24).refusal(tiny_llama()) is None
    assert strategies.build("lora", {"rank": 17} | of_sixteen_by_24).refusal(tiny_llama()) is not None


def test_the_projection_to_the_vocabulary_is_no_layer_for_an_adapter() -> None:
    assert "lm_head" not in adapters.linear_layers(tiny_llama())
    assert "lm_head" not in adapters.linear_layers(tiny_gpt2())


def test_an_adapter_that_is_merged_is_joined_to_no_pull() -> None:
    with pytest.raises(ConfigError, match=r"ewc\+lora\.between_stages: merged .* ewc"):
        strategies.build("ewc+lora", MERGED)
    with pytest.raises(ConfigError, match=r"lora\+ewc\.between_stages"):
        strategies.build("lora+ewc", MERGED)
    with pytest.raises(ConfigError, match=r"kl\+lora\.between_stages: merged .* kl can't compare with the base model"):
        strategies.build("kl+lora", MERGED | {"teacher": "base"})
    assert strategies.build("kl+lora", MERGED | {"teacher": "previous"}).name == "kl+lora"


def test_a_pause_is_still_heard_at_every_layer_forward_and_backward() -> None:
    model, heard = prepared(tiny_gpt2()), []
    with interruptible(model, lambda: heard.append(1)):
        model(input_ids=TOKENS).logits.sum().backward()
    assert len(heard) == 2 * 2


def test_layers_are_chosen_by_all_by_attention_and_by_names() -> None:
    def adapted(build: Callable[[], PreTrainedModel], target_modules: str) -> set[str]:
        model = prepared(build(), target_modules=target_modules)
        return {".".join(name.split(".")[-2:]) for name in adapters.adapted_layers(model)}

    assert adapted(tiny_gpt2, "all-linear") == {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}
    assert adapted(tiny_gpt2, "attention") == {"attn.c_attn", "attn.c_proj"}
    assert adapted(tiny_gpt2, "mlp.c_proj, c_attn") == {"mlp.c_proj", "attn.c_attn"}
    of_attention = {f"self_attn.{letter}_proj" for letter in "qkvo"}
    assert adapted(tiny_llama, "attention") == of_attention
    assert adapted(tiny_llama, "all-linear") == of_attention | {f"mlp.{each}_proj" for each in ("gate", "up", "down")}


def test_preparing_works_in_shapes_alone() -> None:
    model = shapes()
    for stage in (1, 2):
        prepared(model, stage, between_stages="merged")
    weights = [p for p in model.parameters() if p.requires_grad]
    assert sum(p.numel() for p in weights) == 2 * 8 * (16 + 48 + 16 + 16 + 16 + 64 + 64 + 16)  # two layers of rank 8
    assert all(p.is_meta for p in weights)


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("lora", {"rank": 0}, r"lora\.rank"),
        ("lora", {"target_modules": " "}, r"lora\.target_modules: write all-linear"),
        ("lora", {"target_modules": "a/b"}, r"lora\.target_modules: write all-linear"),
    ],
)
def test_values_that_mean_nothing_are_refused_when_an_experiment_is_read(
    name: str, parameters: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        strategies.build(name, parameters)


def test_it_may_be_joined_to_replay_whether_or_not_it_merges() -> None:
    for parameters in ({}, MERGED):
        assert strategies.build("replay+lora", parameters).rate_factor == strategies.build("lora", {}).rate_factor


def test_an_adapter_is_counted_as_what_trains_and_a_continued_one_as_what_is_saved() -> None:
    factors = 2 * 8 * (16 + 48 + 16 + 16 + 16 + 64 + 64 + 16)
    base = tiny_gpt2().num_parameters()
    for parameters, saved in (({}, factors), (MERGED, base)):
        for model in (tiny_gpt2(), shapes()):
            for found in stage_weights(model, strategies.build("lora", parameters), 2, seed=0):
                assert (found.whole, found.trained, found.saved) == (base + factors, factors, saved)


def test_the_estimate_of_a_run_knows_that_its_checkpoints_are_small() -> None:
    data = {"name": "x", "tasks": [{"name": each, "train": "a.txt"} for each in "ab"]}
    experiment = experiment_from({**data, "strategies": ["naive", "lora", {"lora": MERGED}]})
    parameters = load_base("tiny-gpt2").model.num_parameters()
    speed = Speed(1000.0, 500.0, parameters, activation_bytes=0, device="cpu", vocabulary=32)
    plain, alone, merged = estimate(experiment, [TaskSize(each, 10, 1000, 100) for each in "ab"], speed).runs
    assert alone.disk_bytes < plain.disk_bytes / 20
    assert merged.disk_bytes == plain.disk_bytes
    assert alone.memory_bytes == merged.memory_bytes < plain.memory_bytes
