"""The command line that evaluates a checkpoint with lm-evaluation-harness (its `docs/interface.md`, version 0.4.13)."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from engine.common.errors import ConfigError
from engine.models.adapters import is_adapter, is_model
from engine.models.loading import base_of, locate, tokenizer_folder

_TASK = re.compile(r"[A-Za-z0-9_.:@*+/-]+")
_LIST_SIGNS = frozenset(',{}"')
"""Signs of a value that the harness's list of key=value would take apart; an object of JSON holds them."""
USUAL_TASKS = "lambada_openai,arc_easy"


def command(model: str, checkpoint: Path | None, output: Path, tasks: str = USUAL_TASKS) -> str:
    """The line for a shell: of the base model `model` where there is no `checkpoint`.

    An adapter that lies alone is named beside its base. Raises ConfigError for tasks that are none, ModelError where a
    base model is not on this machine.
    """
    names = [name for name in re.split(r"[\s,]+", tasks) if name]
    wrong = next((name for name in names if not _TASK.fullmatch(name) or name.startswith("-")), None)
    if not names or wrong is not None:
        what = f"{wrong!r} is no name of a task" if wrong is not None else "No task is named"
        raise ConfigError(f"{what}; write names with commas between them, such as {USUAL_TASKS}.")
    arguments = _model_arguments(model, checkpoint) | {"dtype": "float32"}
    words = [
        "lm_eval", "--model", "hf", "--model_args", _written(arguments), "--tasks", ",".join(names),
        "--batch_size", "8", "--output_path", str(output),
    ]  # fmt: skip
    return shlex.join(words)


def _model_arguments(model: str, checkpoint: Path | None) -> dict[str, str]:
    folder = locate(model) if checkpoint is None else checkpoint
    if is_adapter(folder) and not is_model(folder):
        return {
            "pretrained": str(base_of(folder, model)),
            "peft": str(folder),
            "tokenizer": str(tokenizer_folder(model, folder)),
        }
    return {"pretrained": str(folder)}


def _written(arguments: Mapping[str, str]) -> str:
    if any(_LIST_SIGNS & set(value) for value in arguments.values()):
        return json.dumps(arguments, ensure_ascii=False)
    return ",".join(f"{name}={value}" for name, value in arguments.items())
