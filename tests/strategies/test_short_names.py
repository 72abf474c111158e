import doctest
import itertools

import pytest

from engine import strategies
from engine.common.parameters import parameters_of as declared_by
from engine.experiments.demo import demo_experiment
from engine.experiments.experiment import experiment_from
from engine.strategies import short_names as module
from engine.strategies.short_names import name_of, short_name, short_names

LONGEST_WORD = 12


def test_the_examples_in_the_docstrings_hold() -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted) == (0, 6)


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ("naive", "Naive"),
        ("naive (learning_rate=0.0003, epochs=2)", "Naive, rate 0.0003, epochs 2"),
        ("replay (replay_weight=1)", "Replay λ 1"),
        ("ewc (ewc_lambda=1e+06, fisher=sampled)", "EWC λ 1e6, Fisher sampled"),
        ("kl (kl_weight=3, reference_text=samples)", "KL β 3, on samples"),
        ("freeze (frozen_layers=2, frozen_embeddings=False)", "Frozen layers 2, Frozen embeddings no"),
        ("replay+der (replay.memory_size=50, logit_weight=2)", "Replay memory 50 + DER α 2"),
        ("lora (rank=8, target_modules=c_attn, c_proj)", "LoRA r 8, Layers c_attn, c_proj"),
        ("replay (replay_weight=1) · first (old)", "Replay λ 1 · first (old)"),
    ],
)
def test_a_label_becomes_its_strategy_and_each_setting_behind_its_symbol(label: str, short: str) -> None:
    assert short_name(label) == short


@pytest.mark.parametrize(
    "label", ["", "distill (weight=1)", "ewc (strength_of_old=3)", "naive (seed 1)", "<b>naive</b>", "a · b"]
)
def test_a_label_of_nothing_that_is_known_is_shown_as_it_is(label: str) -> None:
    assert short_name(label) == label


def test_runs_that_differ_in_a_setting_have_different_names_and_no_name_repeats_a_parameter_s_key() -> None:
    data = demo_experiment().model_dump(mode="json") | {
        "strategies": [
            {"replay": {"replay_weight": [0.3, 1, 3], "memory_size": [100, 200]}},
            {"replay+ewc": {"ewc_strength": [1, 10], "epochs": [1, 2]}},
        ]
    }
    labels = [run.label for run in experiment_from(data).runs()]
    names = short_names(labels)
    assert len(set(names.values())) == len(set(labels)) == 10
    assert not any("_" in name or "=" in name for name in names.values())


def test_every_strategy_has_one_short_word_of_its_own_and_its_parameters_symbols_of_their_own() -> None:
    classes = strategies.registry().values()
    words = [each.short_title for each in classes]
    assert len(set(words)) == len(words)
    assert all(0 < len(word) <= LONGEST_WORD and " " not in word for word in words)
    for each in classes:
        symbols = [declared.symbol for declared in declared_by(each)]
        assert all(a != b for a, b in itertools.combinations(symbols, 2)), each.name
        assert all(len(declared.symbol) <= LONGEST_WORD for declared in declared_by(each) if declared.main)


def test_the_default_settings_of_any_strategy_can_be_named() -> None:
    for name in strategies.offered():
        settings = {key: value for key, value in strategies.resolved(name, {}).items() if value is not None}
        assert name_of(name, settings).startswith(strategies.parts_of(name)[0].short_title)
