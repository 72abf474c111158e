"""Pretraining's loop, the fastest plain way on an accelerator: one stream of tokens cut into full blocks, causal
attention across documents, autocast, fused AdamW, clipping, compiled, nothing read back between steps."""

import json
import time
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from benchmarks.serve import serve

_UNTIMED = 3
"""Steps in which kernels are chosen and compiled."""


def train(
    workload: str, tokens_per_step: int, rows_per_pass: int, device: str, precision: str, compiled: bool
) -> dict[str, Any]:
    """One epoch over the first task's tokens, end to end."""
    data = json.loads(Path(workload).read_text())
    length = data["block_size"]
    stream = torch.tensor(list(chain.from_iterable(data["tasks"][0]["texts"])))
    rows = stream[: (len(stream) - 1) // length * length].view(-1, length)
    targets = stream[1 : rows.numel() + 1].view(-1, length)
    model = GPT2LMHeadModel.from_pretrained(data["model"]).to(device)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=data["learning_rate"], fused=True)
    forward = torch.compile(model) if compiled else model

    def passes(step: slice) -> None:
        parts = list(zip(rows[step].split(rows_per_pass), targets[step].split(rows_per_pass), strict=True))
        for inputs, wanted in parts:
            inputs, wanted = (each.to(device, non_blocking=True) for each in (inputs, wanted))
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
                logits = forward(input_ids=inputs, use_cache=False).logits
                loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten()) / len(parts)
            loss.backward()

    rows_per_step = max(1, tokens_per_step // length)
    steps = len(rows) // rows_per_step
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    started = time.perf_counter()
    for number in range(steps):
        if number == min(_UNTIMED, steps - 1):
            wait()
            started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        passes(slice(number * rows_per_step, (number + 1) * rows_per_step))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    wait()
    timed = steps - min(_UNTIMED, steps - 1)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "steps": timed, "target_tokens": timed * rows_per_step * length}


if __name__ == "__main__":
    serve({"train": train})
