"""Avalanche's Naive, ReplayPlugin and EWCPlugin around the same GPT-2 on the same packed blocks."""

import json
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from benchmarks.serve import serve


def _unregistered(*given: Any, **named: Any) -> Any:
    return lambda function: function


# torchvision, which Avalanche and transformers import and this benchmark never calls, may lack its compiled half beside
# a CPU build of torch; it then fails when it describes operators that are not there.
with patch("torch.library.register_fake", _unregistered), patch("torch.library.register_autograd", _unregistered):
    import torchvision  # noqa: F401

from avalanche.benchmarks import benchmark_from_datasets  # noqa: E402
from avalanche.benchmarks.utils import AvalancheDataset, DataAttribute  # noqa: E402
from avalanche.training.plugins import (  # noqa: E402
    EvaluationPlugin,
    EWCPlugin,
    ReplayPlugin,
    SupervisedPlugin,
)
from avalanche.training.supervised import Naive  # noqa: E402
from transformers import GPT2LMHeadModel  # noqa: E402


class _Logits(torch.nn.Module):
    """Logits as a token-level criterion wants them, [B, V, L]."""

    def __init__(self, model: GPT2LMHeadModel, precision: str) -> None:
        super().__init__()
        self.model, self.precision = model, precision

    def forward(self, input_ids: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16"):
            logits: Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return logits.float().transpose(1, 2)


class _Clock(SupervisedPlugin):
    """Times the iterations of every experience, without the first."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[dict[str, Any]] = []
        self._started, self._first = 0.0, True

    def before_training_epoch(self, strategy: Any, *given: Any, **named: Any) -> None:
        self.stages.append({"seconds": 0.0, "steps": 0, "target_tokens": 0})
        self._first = True

    def after_training_iteration(self, strategy: Any, *given: Any, **named: Any) -> None:
        if self._first:
            self._started, self._first = time.perf_counter(), False
            return
        self.stages[-1]["steps"] += 1
        self.stages[-1]["target_tokens"] += int((strategy.mb_y >= 0).sum())

    def after_training_epoch(self, strategy: Any, *given: Any, **named: Any) -> None:
        self.stages[-1]["seconds"] = time.perf_counter() - self._started


class _TimedEWC(EWCPlugin):
    """EWCPlugin that says how long its importances of the first task took."""

    seconds = 0.0

    def compute_importances(self, *given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        importances = super().compute_importances(*given, **named)
        self.seconds = self.seconds or time.perf_counter() - started
        return importances


def _dataset(task: dict[str, Any], number: int) -> AvalancheDataset:
    inputs, targets = torch.tensor(task["input_ids"]), torch.tensor(task["targets"])
    labels = torch.full((len(inputs),), number)
    attribute = DataAttribute(labels.tolist(), "targets_task_labels", use_in_getitem=True)
    return AvalancheDataset([TensorDataset(inputs, targets)], data_attributes=[attribute])


def train(workload: str, strategy: str, rows: int, stages: int, precision: str) -> dict[str, Any]:
    """One epoch over each of the first `stages` tasks, `rows` blocks a step, half as many from the memory."""
    data = json.loads(Path(workload).read_text())
    model = _Logits(GPT2LMHeadModel.from_pretrained(data["model"]), precision)
    clock = _Clock()
    ewc = _TimedEWC(ewc_lambda=30.0)
    replay = ReplayPlugin(mem_size=200, batch_size=rows, batch_size_mem=max(1, rows // 2))
    own: list[Any] = {"naive": [], "replay": [replay], "ewc": [ewc]}[strategy]
    loop = Naive(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=data["learning_rate"], weight_decay=0.0, fused=True),
        criterion=torch.nn.CrossEntropyLoss(ignore_index=-100),
        train_mb_size=rows,
        train_epochs=1,
        plugins=[clock, *own],
        evaluator=EvaluationPlugin(),
    )
    tasks = [_dataset(task, number) for number, task in enumerate(data["tasks"][:stages])]
    for experience in benchmark_from_datasets(train=tasks).train_stream:
        loop.train(experience)
    tokens = sum(len(text) - 1 for text in data["tasks"][0]["texts"])
    fisher = {"seconds": ewc.seconds, "target_tokens": tokens} if ewc.seconds else None
    return {"stages": clock.stages, "fisher": fisher}


if __name__ == "__main__":
    serve({"train": train})
