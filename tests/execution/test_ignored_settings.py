"""What the check says of a strategy's parameters: refused in one sentence, or named where they have no effect."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine import strategies
from engine.common.errors import PalimpsestError
from engine.execution.ignored_settings import ignored_parameters
from engine.experiments.experiment import Experiment, experiment_from
from tests.running.test_experiment_check import checked

WRONG = {
    float: (math.nan, math.inf, -math.inf, "many", "", True, False, [[1]], {}, {"a": 1}, -1, 10**30),
    int: (math.nan, math.inf, 1.5, "many", "", True, False, [[1]], {}, -1, 10**30),
    bool: (math.nan, "perhaps", "", 2, [[1]], {}),
    str: ("", True, 3, math.nan, [[1]], {}),
}
PARAMETERS = [(name, key) for name in strategies.registry() for key in strategies.parameters_of(name)]


def experiment(*entries: object) -> Experiment:
    tasks = [{"name": name, "train": f"{name}.txt"} for name in ("a", "b")]
    reference = {"reference": "general.txt"} if "'file'" in repr(entries) else {}
    return experiment_from({"name": "x", "tasks": tasks, "strategies": list(entries)} | reference)


@pytest.mark.parametrize(("name", "key"), PARAMETERS)
def test_what_is_no_value_of_a_parameter_is_refused_in_a_sentence_that_names_it(name: str, key: str) -> None:
    for value in WRONG[strategies.parameters_of(name)[key].type]:
        with pytest.raises(PalimpsestError) as refusal:
            experiment({name: {key: value}})
        sentence = str(refusal.value)
        assert f"{name}.{key}: " in sentence, value
        assert "\n" not in sentence
        assert len(sentence) < 250, "what was found is shortened"


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("kl+kl", {}, "names the same strategy twice"),
        ("joint+cumulative", {}, "joint can't be joined"),
        ("freeze+lora", {}, "both decide which weights train"),
        ("self-replay", {"loss": "mse"}, "self-replay.loss: choose cross-entropy or kl"),
        ("replay+ewc", {"ewc_strength": 1, "ewc_lambda": 1}, "not both"),
        ("lora+ewc", {"between_stages": "merged"}, "lora+ewc.between_stages: merged"),
        ("lora+l2", {"between_stages": "merged"}, "lora+l2.between_stages: merged"),
        ("lora", {"layers": 3}, "lora.layers: there is no such parameter"),
        ("lora", {"target_modules": "x" * 501}, "lora.target_modules: write all-linear"),
    ],
)
def test_what_does_not_go_together_is_refused(name: str, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(PalimpsestError, match=words.replace("+", r"\+")):
        experiment({name: parameters})


@pytest.mark.parametrize(
    ("name", "parameters", "word"),
    [
        ("lora", {"rank": 200}, "lora.rank: 200 is above 192, the smaller side"),
        ("lora", {"target_modules": "q_proj"}, "lora.target_modules: 'q_proj' is no linear layer of this model"),
        ("freeze", {"frozen_layers": 9}, "freeze.frozen_layers: 9 is more than"),
        ("kl+lora", {"rank": 200}, "kl+lora.rank: 200 is above"),
        ("self-replay", {}, "training.block_size: 4096 is longer than the context"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_by_the_check(
    name: str, parameters: dict[str, Any], word: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join(f"Note {n}: a cup of tea." for n in range(20)))
    training = {"block_size": 4096 if "block_size" in word else 64}
    about = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": [{name: parameters}]}
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(about | {"training": training}))
    code, found = checked(path)
    assert code != 0
    (sentence,) = found["refused"]
    assert word in sentence


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kl": {"in_first_stage": True}}, "kl.in_first_stage: true has no effect with reference_text: memory"),
        ({"kl": {"reference_ratio": 0.5, "reference_text": "new"}}, "kl.reference_ratio: 0.5 has no effect with"),
        ({"kl": {"memory_size": 7, "reference_text": "new"}}, "kl.memory_size: 7 has no effect with"),
        ({"kl": {"memory_size": 7, "reference_text": "file"}}, "kl.memory_size: 7 has no effect with"),
        ({"kl+replay": {"kl.memory_size": 7, "reference_text": "new"}}, "kl+replay.kl.memory_size: 7 has no effect"),
        ({"self-replay": {"prompt_tokens": 4}}, "self-replay.prompt_tokens: 4 has no effect with prompt: bos"),
        ({"ewc": {"online_decay": 0.5}}, "ewc.online_decay: 0.5 has no effect with accumulation: exact"),
        ({"replay": {"memory_size": 0}}, "replay.memory_size: at 0 replay does nothing"),
        ({"der": {"memory_size": 0}}, "der.memory_size: at 0 der does nothing"),
        ({"agem": {"memory_size": 0}}, "agem.memory_size: at 0 agem does nothing"),
        ({"replay+der": {"der.memory_size": 0}}, "replay+der.der.memory_size: at 0 der does nothing"),
    ],
)
def test_a_parameter_without_effect_is_named(entry: dict[str, Any], said: str) -> None:
    (sentence,) = ignored_parameters(experiment(entry))
    assert sentence.startswith(said)


@pytest.mark.parametrize(
    "entry",
    [
        *strategies.offered(),
        {"kl": {"in_first_stage": True, "reference_text": "samples"}},
        {"kl": {"in_first_stage": True, "reference_ratio": 0.5, "reference_text": "file"}},
        {"kl": {"reference_ratio": 0.5}},
        {"self-replay": {"prompt_tokens": 4, "prompt": "first tokens"}},
        {"ewc": {"online_decay": 0.5, "accumulation": "online"}},
        {"replay": {"replay_weight": 0}},  # as its help says, it is naive then
    ],
)
def test_parameters_that_have_an_effect_go_without_a_word(entry: object) -> None:
    assert ignored_parameters(experiment(entry)) == ()


@pytest.mark.parametrize(("name", "key"), PARAMETERS)
def test_what_a_parameter_needs_beside_it_is_declared_of_parameters_and_values_that_there_are(
    name: str, key: str
) -> None:
    declared = strategies.parameters_of(name)
    for other, values in declared[key].only_with.items():
        assert set(values) < set(declared[other].choices)
        strategies.build(name, {other: values[0]})
        assert declared[other].default not in values or len(values) < len(declared[other].choices)


def test_the_check_reports_parameters_without_effect(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n".join(f"Note {n}: a cup of tea." for n in range(20)))
    about = {"name": "x", "tasks": [{"name": "a", "train": "a.txt"}], "strategies": [{"kl": {"in_first_stage": True}}]}
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(about))
    code, found = checked(path)
    assert code == 0
    assert any(remark.startswith("kl.in_first_stage: true has no effect") for remark in found["remarks"])
