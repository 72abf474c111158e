"""Frozen weights: which they are, that they stay bit for bit, and what remembers them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import GPT2LMHeadModel

from engine import events, strategies
from engine.common.errors import ConfigError
from engine.common.random_streams import Streams
from engine.strategies.base import Strategy
from engine.strategies.freeze import Freeze
from engine.training.loop import train
from tests.builders import small_setup, tiny_gpt2
from tests.strategies.test_contract import same_weights, terms_of

EMBEDDINGS = {"transformer.wte.weight", "transformer.wpe.weight"}
HALF = {"frozen_layers": 0, "frozen_share": 0.5, "frozen_embeddings": False}


def frozen(strategy: Strategy, stage: int = 1, seed: int = 0, model: GPT2LMHeadModel | None = None) -> set[str]:
    """The names of the weights that do not train."""
    model = model or tiny_gpt2()
    strategy.prepare(model, stage, Streams(seed))
    return {name for name, weight in model.named_parameters() if not weight.requires_grad}


def of_layer(number: int) -> set[str]:
    return {name for name, _ in tiny_gpt2().named_parameters() if f".h.{number}." in name}


def matrices() -> set[str]:
    return {name for name, weight in tiny_gpt2().named_parameters() if ".h." in name and weight.dim() == 2}


def test_the_lowest_layers_and_the_embeddings_are_frozen() -> None:
    assert frozen(Freeze(1)) == of_layer(0) | EMBEDDINGS
    assert frozen(Freeze(1, frozen_embeddings=False)) == of_layer(0)
    assert frozen(Freeze(2)) == of_layer(0) | of_layer(1) | EMBEDDINGS
    assert frozen(Freeze(0)) == EMBEDDINGS
    assert frozen(Freeze(0, 0.0, False)) == set()


def test_a_share_of_the_matrices_is_drawn_anew_for_each_stage_and_seed() -> None:
    half = Freeze(**HALF)
    drawn = [frozen(half, stage, seed) for seed in (0, 1) for stage in (1, 2, 3)]
    assert all(found < matrices() and len(found) == 4 for found in drawn)  # of eight
    assert len(set(map(frozenset, drawn))) == len(drawn)
    assert frozen(half, 2) == drawn[1], "the same for a stage, whenever it is asked"
    for stage in range(1, 7):
        above = frozen(Freeze(1, 0.5, False), stage)
        assert above > of_layer(0)
        assert len(above - of_layer(0)) == 2


def test_what_an_earlier_stage_has_frozen_trains_again() -> None:
    model = tiny_gpt2()
    sets = [frozen(Freeze(**HALF), stage, model=model) for stage in (1, 2, 1)]
    assert sets == [frozen(Freeze(**HALF), stage) for stage in (1, 2, 1)]


@pytest.mark.parametrize("optimizer_state", ["reset", "keep"])
@pytest.mark.parametrize("parameters", [{}, HALF, {"frozen_layers": 1, "frozen_share": 0.5}])
def test_frozen_weights_stay_bit_for_bit_through_a_stage_and_all_others_move(
    parameters: dict, optimizer_state: str, tmp_path: Path
) -> None:
    """With weight decay, and an output matrix that is tied to the embeddings."""
    strategy = strategies.build("freeze", parameters)
    list(train(small_setup(strategy, tmp_path, weight_decay=0.3, optimizer_state=optimizer_state)))
    before: dict[str, Tensor] = {name: weight.detach() for name, weight in tiny_gpt2().named_parameters()}
    for stage in (1, 2, 3):
        after = load_file(tmp_path / f"stage-{stage}" / "model.safetensors")
        stays = frozen(strategy, stage)
        assert {name for name in before if torch.equal(before[name], after[name])} == stays
        before = after


def test_a_run_over_changing_sets_gives_the_same_numbers_whatever_interrupts_it(tmp_path: Path) -> None:
    """Moments are kept from stage to stage, importance from set to set."""
    strategy = strategies.build("freeze+ewc", HALF)
    whole = list(train(small_setup(strategy, tmp_path / "whole", optimizer_state="keep")))
    setup = small_setup(strategy, tmp_path / "cut", optimizer_state="keep")
    setup = replace(setup, point_seconds=0.0)
    heard, finished, attempts = {}, 0, 0
    while finished < 3:
        attempts += 1
        for event in train(replace(setup, finished_stages=finished)):
            if isinstance(event, events.StepDone):
                if event.step not in heard and event.step % 2:
                    setup.control.stop()
                heard[event.step] = (event.step, event.terms, event.gradient_norm)
            elif isinstance(event, events.StageFinished):
                finished = event.stage
        setup = replace(setup, control=type(setup.control)())
    assert attempts > 3
    assert [heard[step] for step in sorted(heard)] == terms_of(whole)
    assert all(same_weights(tmp_path / "whole", tmp_path / "cut", stage) for stage in (1, 2, 3))


def test_ewc_beside_it_remembers_every_weight_that_has_trained(tmp_path: Path) -> None:
    strategy = strategies.build("freeze+ewc", HALF)
    list(train(small_setup(strategy, tmp_path)))
    everything, trained = {name for name, _ in tiny_gpt2().named_parameters()}, set[str]()
    held: dict[str, dict[str, Tensor]] = {"importance": {}, "anchor": {}}
    for stage in (1, 2):
        now = everything - frozen(strategy, stage)
        trained |= now
        state = torch.load(tmp_path / f"stage-{stage}" / "palimpsest-state.pt", weights_only=True)
        elastic = state["strategy"]["fixed"][1]
        for part in ("importance", "anchor"):
            assert set(elastic[part]) == trained
            kept = held[part].keys() - now
            assert all(torch.equal(elastic[part][name], held[part][name]) for name in kept)
            held[part] = elastic[part]
    assert kept, "some weight trains in the first stage alone"
    assert any(float(each.sum()) > 0 for each in held["importance"].values())


def on_meta(**changes: object) -> GPT2LMHeadModel:
    with torch.device("meta"):
        model = GPT2LMHeadModel(tiny_gpt2().config)
    if changes.get("plain_norm"):
        model.transformer.ln_f = torch.nn.LayerNorm(16, elementwise_affine=False)
    return model


@pytest.mark.parametrize("build", [on_meta, tiny_gpt2])
def test_a_number_of_layers_that_the_model_does_not_have_is_refused(build: type) -> None:
    assert Freeze(2).refusal(build()) is None
    assert Freeze(3).refusal(build()) == "frozen_layers: 3 is more than the 2 layers of the model; lower it."


def test_a_model_without_a_weight_that_trains_is_refused() -> None:
    assert "no weight of this model trains" in str(Freeze(2).refusal(on_meta(plain_norm=True)))
    assert Freeze(2, frozen_embeddings=False).refusal(on_meta(plain_norm=True)) is None
    assert Freeze(1, 1.0).refusal(on_meta(plain_norm=True)) is None, "biases and norms of the second layer train"


def test_layers_that_cant_be_told_apart_are_refused_only_where_they_count() -> None:
    model = on_meta()
    model.config.num_hidden_layers = 7
    assert str(Freeze(1).refusal(model)).startswith("frozen_layers: the layers of this model can't be told apart")
    assert str(Freeze(0, 0.5).refusal(model)).startswith("frozen_share: the layers")
    assert Freeze(0).refusal(model) is None


def test_two_strategies_that_choose_what_trains_are_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(Freeze):
        name = "other"

    monkeypatch.setitem(strategies._BY_NAME, "other", Other)
    with pytest.raises(ConfigError, match="freeze and other both decide which weights train"):
        strategies.build("freeze+other", {})
