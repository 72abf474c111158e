"""The loop of tutorials: one text at a time, full logits, Adam, a step for each text."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from benchmarks.serve import serve


def train(workload: str, every: int = 1) -> dict[str, Any]:
    """One pass over every `every`-th text of the workload's first task; the first step is not timed."""
    data = json.loads(Path(workload).read_text())
    texts = [torch.tensor([ids]) for ids in data["tasks"][0]["texts"][::every]]
    model = GPT2LMHeadModel.from_pretrained(data["model"])
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=data["learning_rate"])
    started = time.perf_counter()
    for number, ids in enumerate(texts):
        if number == 1:
            started = time.perf_counter()
        optimizer.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "steps": len(texts) - 1, "target_tokens": sum(ids.shape[1] - 1 for ids in texts[1:])}


if __name__ == "__main__":
    serve({"train": train})
