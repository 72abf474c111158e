"""`transformers.Trainer`: as it comes, and at its best settings for this machine."""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from benchmarks.serve import serve

_BEST: dict[str, Any] = {"train_sampling_strategy": "group_by_length", "optim": "adamw_torch_fused"}
_SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "best, float32": _BEST,
    "best, bfloat16": _BEST | {"bf16": True},
}


class _Clock(TrainerCallback):
    """Times the loop alone, from the end of its first step."""

    started = ended = 0.0

    def on_step_end(self, arguments: Any, state: Any, *given: Any, **named: Any) -> None:
        if state.global_step == 1:
            self.started = time.perf_counter()

    def on_train_end(self, *given: Any, **named: Any) -> None:
        self.ended = time.perf_counter()


class _Collator(DataCollatorForLanguageModeling):
    """Counts the target tokens of each batch as they are in the texts: padding is none, a last eos is one."""

    def __call__(self, texts: list[dict[str, list[int]]], *given: Any, **named: Any) -> Any:
        self.counts = [*getattr(self, "counts", []), sum(len(text["input_ids"]) - 1 for text in texts)]
        return super().__call__(texts, *given, **named)


def train(workload: str, settings: str, every: int = 1) -> dict[str, Any]:
    """One epoch over every `every`-th text of the first task, eight texts a step, padded; the first is not timed."""
    data = json.loads(Path(workload).read_text())
    texts = data["tasks"][0]["texts"][::every]
    tokenizer = AutoTokenizer.from_pretrained(data["model"])
    tokenizer.pad_token = tokenizer.eos_token
    model = GPT2LMHeadModel.from_pretrained(data["model"])
    clock, collator = _Clock(), _Collator(tokenizer, mlm=False)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            learning_rate=data["learning_rate"],
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            **_SETTINGS[settings],
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=[{"input_ids": ids} for ids in texts],
            data_collator=collator,
            callbacks=[clock],
        )
        trainer.train()
    steps, tokens = trainer.state.global_step, sum(collator.counts[1:])
    return {"seconds": clock.ended - clock.started, "steps": steps - 1, "target_tokens": tokens}


def settings() -> dict[str, Any]:
    """The settings that this machine can run."""
    able = torch.cpu.get_capabilities()
    has_bfloat16 = able.get("avx512_bf16") or able.get("amx_bf16")
    return {"settings": [name for name in _SETTINGS if has_bfloat16 or "bfloat16" not in name]}


if __name__ == "__main__":
    serve({"train": train, "settings": settings})
