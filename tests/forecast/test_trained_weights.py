"""The weights that train in each stage, counted by the strategy's own `prepare`."""

import pytest
import torch
from transformers import GPT2LMHeadModel

from engine import strategies
from engine.common.errors import ConfigError
from engine.common.random_streams import Streams
from engine.forecast import trained_weights
from engine.forecast.trained_weights import StageWeights, stage_weights, weights_of
from engine.models.parts import operations_per_token
from tests.builders import tiny_gpt2

HALF = {"frozen_layers": 0, "frozen_share": 0.5, "frozen_embeddings": False}
BLOCK = 12 * 16**2 + 13 * 16


def shapes() -> GPT2LMHeadModel:
    with torch.device("meta"):
        return GPT2LMHeadModel(tiny_gpt2().config)


def test_a_frozen_layer_and_the_embeddings_do_not_train() -> None:
    found = stage_weights(shapes(), strategies.build("freeze", {}), 2, seed=0)
    whole = (32 + 64) * 16 + 2 * BLOCK + 2 * 16
    trained = BLOCK + 2 * 16
    operations = (2 * whole + 2 * trained + 2 * (trained + 32 * 16)) / (6 * whole)
    assert found == (StageWeights(whole, trained, trained, operations),) * 2


def test_shapes_alone_give_the_counts_of_the_model_itself_for_every_stage_and_seed() -> None:
    strategy = strategies.build("freeze", HALF)
    by_seed = [stage_weights(shapes(), strategy, 3, seed) for seed in range(3)]
    assert by_seed == [stage_weights(tiny_gpt2(), strategy, 3, seed) for seed in range(3)]
    assert len(set(by_seed)) > 1
    assert any(each.remembered > each.trained for each in by_seed[0][1:])
    remembered = [each.remembered for each in by_seed[0]]
    assert remembered == sorted(remembered)
    assert remembered[-1] <= by_seed[0][0].whole


def test_every_stage_is_counted_as_its_own_draw_leaves_it() -> None:
    strategy = strategies.build("freeze", HALF)
    for seed in (0, 1):
        found = stage_weights(shapes(), strategy, 12, seed)
        for stage, own in enumerate(found, start=1):
            model = tiny_gpt2()
            strategy.prepare(model, stage, Streams(seed))
            assert own.trained == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert len({own.trained for own in found}) > 1


def test_a_model_is_looked_at_only_where_a_strategy_chooses_what_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def locate(name: str) -> str:
        looked.append(name)
        raise ConfigError("it is not here")

    monkeypatch.setattr(trained_weights, "locate", locate)
    plain = weights_of("some model", 1000, strategies.build("replay+ewc", {}), 2, 0)
    assert plain == (StageWeights(1000, 1000, 1000, 1.0),) * 2
    assert looked == []
    with pytest.raises(ConfigError, match="not here"):
        weights_of("some model", 1000, strategies.build("freeze", {}), 2, 0)


def test_what_does_not_fit_the_model_is_refused_with_the_field_named() -> None:
    with pytest.raises(ConfigError, match=r"freeze\+ewc.frozen_layers: 9 is more than the 2 layers"):
        stage_weights(shapes(), strategies.build("freeze+ewc", {"frozen_layers": 9}), 2, 0)


def test_nothing_frozen_costs_what_plain_training_costs() -> None:
    null = dict(strategies.build("freeze", {}).null)
    (found,) = stage_weights(shapes(), strategies.build("freeze", null), 1, 0)
    assert found == StageWeights(found.whole, found.whole, found.whole, 1.0)
    assert operations_per_token(tiny_gpt2()) == 6 * found.whole
