"""What would keep a run's model from training, found before its weights are loaded."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from engine.common.errors import ConfigError, ModelError, PalimpsestError
from engine.execution.model_check import look_at_model, remarks_on_overrides, remarks_on_training
from engine.experiments.experiment import Experiment, experiment_from, to_data
from engine.experiments.presets import PRESETS
from engine.experiments.training import Training
from engine.models import hub, loading
from engine.models.folder_checks import WHOLE
from tests.builders import tiny_gpt2

TOKENS = 4096
"""Of the embedded model's tokenizer."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model with a context of 64 tokens."""
    made = tmp_path / "model"
    AutoTokenizer.from_pretrained(loading.locate("tiny-gpt2")).save_pretrained(made)
    tiny_gpt2(vocabulary=TOKENS).save_pretrained(made)
    return made


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))


def experiment(model: object, **training: Any) -> Experiment:
    return experiment_from(
        {"name": "x", "model": str(model), "tasks": [{"name": "a", "train": "a.txt"}], "strategies": ["naive"],
         "training": {"block_size": 32} | training}
    )  # fmt: skip


def check_model(experiment: Experiment, *, download: bool = False) -> list[str]:
    """The remarks on the experiment's model; it raises the reason for which a start would fail, all of them as one."""
    found = look_at_model(experiment, download=download)
    if len(found.problems) > 1:
        raise ModelError(" ".join(map(str, found.problems)))
    for problem in found.problems:
        raise problem
    return found.remarks


@pytest.mark.parametrize("name", ["self-replay", "l2+self-replay"])
def test_beginnings_that_fill_a_block_are_refused_where_texts_begin_with_them(name: str) -> None:
    def found(**parameters: Any) -> list[str]:
        data = to_data(experiment("someone/not-here")) | {"strategies": [{name: parameters}]}
        return [str(problem) for problem in look_at_model(experiment_from(data)).problems]

    (refused,) = found(prompt="first tokens", prompt_tokens=32)
    assert refused.startswith(f"{name}.prompt_tokens: 32 first tokens fill a block of 32 tokens")
    assert "choose 31 or less" in refused
    assert found(prompt="first tokens", prompt_tokens=31) == []
    assert found(prompt_tokens=32) == found(prompt="first tokens", prompt_tokens=32, replay_weight=0) == []


def with_strategies(folder: Path, *entries: object) -> Experiment:
    return experiment_from(to_data(experiment(folder)) | {"strategies": list(entries)})


@pytest.mark.parametrize("name", ["freeze", "freeze+replay"])
def test_that_no_matrix_trains_is_said(folder: Path, name: str) -> None:
    parameters = {"frozen_share": 1.0}
    (remark,) = check_model(with_strategies(folder, {name: parameters}, "naive", "lora"))
    assert remark.startswith(f"{name}: no matrix of the model trains, only biases and norms, ")
    found = [{"frozen_share": 1.0, "frozen_embeddings": False}, {"frozen_share": 0.9, "frozen_layers": 0}]
    assert check_model(with_strategies(folder, *({name: each} for each in found))) == []


@pytest.mark.parametrize("name", ["der", "replay+der"])
def test_more_stored_tokens_than_the_vocabulary_has_are_refused(folder: Path, name: str) -> None:
    assert check_model(with_strategies(folder, {name: {"top_k": TOKENS}})) == []
    with pytest.raises(ConfigError, match=rf"{re.escape(name)}.top_k: 4,097 is more than the 4,096 tokens of the"):
        check_model(with_strategies(folder, {name: {"top_k": TOKENS + 1}}))


def test_a_sound_model_is_described_without_a_word(folder: Path) -> None:
    found = look_at_model(experiment(folder))
    assert (found.problems, found.remarks) == ([], [])
    assert found.parameters == tiny_gpt2(vocabulary=TOKENS).num_parameters()
    assert (found.context, found.revision) == (64, None)
    assert found.tokenizer is not None
    assert len(found.tokenizer) == TOKENS
    assert check_model(experiment("tiny-gpt2")) == []


def drop(key: str, folder: Path) -> None:
    weights = load_file(folder / WHOLE)
    del weights[key]
    save_file(weights, folder / WHOLE, {"format": "pt"})


def no_end(folder: Path) -> None:
    described = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(described | {"eos_token": None}))


def gone(folder: Path) -> None:
    folder.rename(folder.parent / "elsewhere")


HARM: dict[str, Any] = {
    "is neither a folder": gone,
    "there is no tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
    "no end-of-text token": no_end,
    r"tokenizer has 4,096 tokens but the model knows 32": lambda folder: tiny_gpt2().save_pretrained(folder),
    r"no weights for transformer\.h\.1\.attn\.c_attn\.bias, which would start as random": (
        lambda folder: drop("transformer.h.1.attn.c_attn.bias", folder)
    ),
    "damaged or cut off": lambda folder: (folder / WHOLE).write_bytes((folder / WHOLE).read_bytes()[:-100]),
    "no safetensors weights": lambda folder: (folder / WHOLE).unlink(),
    r"config\.json is not a model's configuration": lambda folder: (folder / "config.json").write_text("[]"),
}


@pytest.mark.parametrize("words", HARM)
def test_what_would_fail_at_the_start_is_said_before_it(words: str, folder: Path) -> None:
    check_model(experiment(folder))
    HARM[words](folder)
    with pytest.raises(ModelError, match=words):
        check_model(experiment(folder))


def test_a_block_longer_than_the_context_is_refused_with_the_longest(folder: Path) -> None:
    check_model(experiment(folder, block_size=64))
    with pytest.raises(ConfigError, match=r"training\.block_size: 65 is longer .* choose 64 or less"):
        check_model(experiment(folder, block_size=65))


def test_all_that_is_wrong_is_said_at_once(folder: Path) -> None:
    no_end(folder)
    drop("transformer.ln_f.weight", folder)
    with pytest.raises(PalimpsestError) as found:
        check_model(experiment(folder, block_size=128))
    for words in ("no end-of-text token", "ln_f.weight", "block_size: 128"):
        assert str(found.value).count(words) == 1


def test_weights_that_are_missing_are_refused_when_the_model_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    drop("transformer.h.0.ln_1.weight", folder)
    with pytest.raises(ModelError, match=r"no weights for transformer\.h\.0\.ln_1\.weight"):
        loading.load_base(str(folder))


def test_a_check_downloads_nothing_but_says_that_the_start_will(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: pytest.fail("it was downloaded"))
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)
    (remark,) = check_model(experiment("someone/model@main"))
    assert "someone/model@main is not on this machine; it will be downloaded" in remark
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        check_model(experiment("someone/model"))
    with pytest.raises(ModelError, match="can't be reached"):
        check_model(experiment("someone/model"), download=True)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_within_what_is_usual(preset: str) -> None:
    assert remarks_on_training(PRESETS[preset], 124_000_000) == ()


@pytest.mark.parametrize(
    ("changes", "parameters", "words"),
    [
        ({"learning_rate": 0.5}, None, "learning_rate: 0.5 is 1,000 times the usual"),
        ({"learning_rate": 1e-7}, None, "times smaller than the usual"),
        ({"learning_rate": 4e-3}, 124_000_000, "high for a model of 124 M parameters"),
        ({"epochs": 500}, None, "read 500 times"),
        ({"stage_tokens": 100}, None, "a single step"),
        ({"warmup_share": 1.0}, None, "rises over 100%"),
        ({"gradient_clip": 1e-5}, None, "cuts the gradient of every step"),
        ({"gradient_clip": 1e5}, None, "hardly ever cuts"),
    ],
)
def test_settings_far_from_any_that_work_are_asked_about(changes: Any, parameters: int | None, words: str) -> None:
    (remark,) = remarks_on_training(Training(**changes), parameters)
    assert words in remark


def test_settings_that_are_merely_different_are_not_asked_about() -> None:
    for changes in ({"learning_rate": 5e-3}, {"learning_rate": 1e-6}, {"epochs": 50}, {"gradient_clip": None}):
        assert remarks_on_training(Training(**changes), 3_000_000) == ()  # type: ignore[arg-type]


def test_settings_of_tasks_and_strategies_far_from_any_that_work_are_asked_about_too() -> None:
    tasks = [{"name": "a", "train": "a.txt", "epochs": 900}, {"name": "b", "train": "b.txt"}]
    strategies = [{"naive": {"learning_rate": [1e-4, 0.5]}}, {"joint": {"epochs": 2}}]
    described = experiment_from({"name": "e", "tasks": tasks, "strategies": strategies})
    about_task, about_strategy = remarks_on_overrides(described)
    assert about_task.startswith("tasks.1.epochs: each text is read 900 times")
    assert about_strategy.startswith("naive.learning_rate: 0.5 is 1,000 times the usual")


def test_a_rate_is_measured_against_what_its_strategy_would_make_of_a_usual_one() -> None:
    tasks, rates = [{"name": "a", "train": "a.txt"}], {"learning_rate": [5e-3, 0.02, 0.03, 0.06]}
    described = experiment_from({"name": "e", "tasks": tasks, "strategies": [{"lora": rates}]})
    (far_above,) = remarks_on_overrides(described)
    assert far_above.startswith("lora.learning_rate: 0.06 is 12 times the usual 0.005")
    high, _ = remarks_on_overrides(described, parameters=100_000_000)
    assert high.startswith("lora.learning_rate: 0.03 is high for a model of 100 M parameters; 0.02 or less is usual")
    assert high.endswith("and often 0.0001 to 0.001.")


def test_a_strategy_that_asks_for_what_the_model_does_not_have_is_refused_with_the_field_named(folder: Path) -> None:
    given = experiment(folder).model_dump() | {
        "strategies": [{"freeze+ewc": {"frozen_layers": [2, 3, 40]}}, {"freeze": {"frozen_layers": 1}}]
    }
    found = look_at_model(experiment_from({key: value for key, value in given.items() if value is not None}))
    assert [type(problem) for problem in found.problems] == [ConfigError] * 2
    assert [str(problem) for problem in found.problems] == [
        f"freeze+ewc.frozen_layers: {layers} is more than the 2 layers of the model; lower it." for layers in (3, 40)
    ]
