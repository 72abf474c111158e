"""The command line for lm-evaluation-harness: a shell and the harness's own splitting give back what was meant."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.common.errors import ConfigError
from engine.harness.command import command
from engine.models.loading import EMBEDDED_FOLDER

EMBEDDED = EMBEDDED_FOLDER / "tiny-gpt2"


def options(line: str) -> dict[str, str]:
    """As the harness reads them: a JSON object, or key=value with commas between."""
    name, *words = shlex.split(line)
    assert name == "lm_eval"
    found = dict(zip(words[::2], words[1::2], strict=True))
    assert set(found) == {"--model", "--model_args", "--tasks", "--batch_size", "--output_path"}
    return found


def model_args(line: str) -> dict[str, str]:
    text = options(line)["--model_args"]
    if text.startswith("{"):
        read: dict[str, str] = json.loads(text)
        return read
    return dict(part.split("=", 1) for part in text.split(","))  # type: ignore[misc]


def whole(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(EMBEDDED / name, folder)
    return folder


def adapter(folder: Path) -> Path:
    folder.mkdir(parents=True)
    about = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "base_model_name_or_path": str(EMBEDDED)}
    (folder / "adapter_config.json").write_text(json.dumps(about), encoding="utf-8")
    save_file({"weight": np.zeros(1, np.float32)}, folder / "adapter_model.safetensors")
    shutil.copy(EMBEDDED / "tokenizer.json", folder)
    shutil.copy(EMBEDDED / "tokenizer_config.json", folder)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "with space",
        "with, comma",
        "a=b",
        'q"uote',
        "it's",
        "$HOME `id`",
        "{curly}",
        "back\\slash",
        "中文",
        "-x",
    ],
)
def test_any_folder_comes_back_from_shell_and_harness_as_it_is(tmp_path: Path, name: str) -> None:
    folder = whole(tmp_path / name / "stage-1")
    line = command("tiny-gpt2", folder, tmp_path / name / "out", "arc_easy, hellaswag  mmlu_*")
    assert model_args(line) == {"pretrained": str(folder), "dtype": "float32"}
    found = options(line)
    assert (found["--model"], found["--tasks"]) == ("hf", "arc_easy,hellaswag,mmlu_*")
    assert found["--output_path"] == str(tmp_path / name / "out")


def test_the_base_model_is_named_by_its_folder() -> None:
    assert model_args(command("tiny-gpt2", None, Path("out")))["pretrained"] == str(EMBEDDED)


def test_an_adapter_alone_is_named_beside_its_base_and_one_beside_its_weights_is_not(tmp_path: Path) -> None:
    alone = adapter(tmp_path / "alone")
    assert model_args(command("tiny-gpt2", alone, Path("out"))) == {
        "pretrained": str(EMBEDDED), "peft": str(alone), "tokenizer": str(alone), "dtype": "float32"
    }  # fmt: skip
    beside = whole(tmp_path / "beside")
    (beside / "adapter_config.json").write_text("{}", encoding="utf-8")
    assert model_args(command("tiny-gpt2", beside, Path("out"))) == {"pretrained": str(beside), "dtype": "float32"}


@pytest.mark.parametrize("tasks", ["", " , ", "arc_easy;rm", "--help", "a $(b)", "a`b`"])
def test_what_is_no_name_of_a_task_is_refused(tasks: str) -> None:
    with pytest.raises(ConfigError, match=r"name of a task|No task is named"):
        command("tiny-gpt2", None, Path("out"), tasks)
