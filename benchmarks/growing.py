"""One measurement of `growth`, in a process of its own: a request as JSON comes as the argument, the answer is printed.

python -m benchmarks.growing '{"do": "run", "folder": "…", "kept": "…"}'
"""

import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

from benchmarks.workloads import texts_of
from engine import events, strategies
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.experiments.experiment import experiment_from
from engine.experiments.training import Training
from engine.models.choices import EMBEDDED
from engine.models.loading import LoadedModel, load_tokenizer
from engine.models.machine import choose_precision
from engine.persistence.checkpoints import STATE_FILE, stage_folder
from engine.tokens.blocks import EncodedDocument
from engine.tokens.encoded_documents import EncodedDocuments
from engine.tokens.packing import pack_documents
from engine.tokens.tokenisation import make_encoder
from engine.training.loop import train
from engine.training.run_state import EncodedTask, RunSetup
from engine.training.scoring import prepare

TRAIN, TEST = "train.jsonl", "test.jsonl"
_NEW_WORDS = 50
"""One word in this many is a new one, as in text that goes on."""
_HELD_OUT_BYTES = 20_000


def main() -> None:
    request = json.loads(sys.argv[1])
    answer = _HANDLERS[request.pop("do")](**request)
    print(json.dumps(answer))


def varied(texts: Sequence[str]) -> Iterator[str]:
    """The texts again and again without end, never one the same."""
    generator = random.Random(0)
    while True:
        for text in texts:
            words = text.split(" ")
            for _ in range(1 + len(words) // _NEW_WORDS):
                words[generator.randrange(len(words))] += f"{generator.getrandbits(40):x}"
            yield " ".join(words)


def make_task(folder: str, sources: list[str], megabytes: float) -> dict[str, Any]:
    """A task of that size in `folder`, as the library would keep it; its held-out text is small whatever the size."""
    texts = varied([text for source in sources for task in texts_of(source) for text in task])
    sizes = {}
    for name, wanted in ((TEST, _HELD_OUT_BYTES), (TRAIN, round(megabytes * 1e6))):
        written = documents = 0
        with (Path(folder) / name).open("w", encoding="utf-8") as file:
            while written < wanted:
                text = next(texts)
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
                written, documents = written + len(text.encode()), documents + 1
        sizes[name] = {"bytes": written, "documents": documents}
    return sizes


def run(folder: str, kept: str, tokens: int, seed: int) -> dict[str, Any]:
    """A naive run over the task in `folder` with a budget of `tokens`; what is encoded goes to `kept`."""
    files = {"train": [str(Path(folder) / TRAIN)], "test": [str(Path(folder) / TEST)], "text_column": "text"}
    training = {"stage_tokens": tokens, "epochs": 1, "evaluations_per_stage": 1, "device": "cpu"}
    experiment = experiment_from(
        {"name": "growth", "tasks": [{"name": "task", **files}], "strategies": ["naive"], "training": training,
         "general": "none", "seeds": [seed]}
    )  # fmt: skip
    steps: list[events.StepDone] = []
    at: dict[str, float] = {}
    begin = time.perf_counter()
    cpu, before, prepared = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as out:
        for event in execute_run(experiment, experiment.runs()[0], Path(out), Control(), 0, Path(kept)):
            if isinstance(event, events.Phase) and "encoding" in event.text:
                at["read"], cpu, before = time.perf_counter(), time.process_time(), _peak()
            if isinstance(event, events.RunStarted):
                at["started"], cpu = time.perf_counter(), time.process_time() - cpu
                prepared = _peak()
            if isinstance(event, events.StepDone):
                steps.append(event)
    later = steps[1:] or steps
    return {
        "preparation_seconds": at["started"] - at["read"],
        "preparation_cpu_seconds": cpu,
        "run_seconds": time.perf_counter() - begin,
        "tokens_per_second": sum(step.target_tokens for step in later) / sum(step.seconds for step in later),
        "preparation_bytes": prepared - before,
        "bytes": _peak(),
    }


def tokenise(sources: list[str], megabytes: float, tokenizer: str | None) -> dict[str, Any]:
    """Bytes that one core turns into tokens a second: processor time, not the clock, is what is divided by."""
    found = AutoTokenizer.from_pretrained(tokenizer) if tokenizer else load_tokenizer(EMBEDDED)
    texts = varied([text for source in sources for task in texts_of(source) for text in task])
    chosen, size = [], 0
    while size < megabytes * 1e6:
        chosen.append(next(texts))
        size += len(chosen[-1].encode())
    encode = make_encoder(found)
    cpu, clock = time.process_time(), time.perf_counter()
    for start in range(0, len(chosen), 1000):
        encode(chosen[start : start + 1000])
    return {
        "bytes_per_core_second": size / (time.process_time() - cpu),
        "bytes_per_second": size / (time.perf_counter() - clock),
        "cores": os.cpu_count(),
    }


_VOCABULARY, _BLOCK = 256, 64
_ENDS = {"bos_token_id": 0, "eos_token_id": 0}


def stages(strategy: str, past_tasks: int, steps: int) -> dict[str, Any]:
    """The last of `past_tasks` + 1 stages on a tiny model: seconds of a step, scoring, what the strategy remembers."""
    training = Training(
        epochs=1, stage_tokens=steps * 8 * _BLOCK, block_size=_BLOCK, tokens_per_step=8 * _BLOCK,
        evaluations_per_stage=1, learning_rate=1e-3, device="cpu",
    )  # fmt: skip
    config = GPT2Config(vocab_size=_VOCABULARY, n_positions=_BLOCK, n_embd=64, n_layer=2, n_head=2, **_ENDS)
    tasks = tuple(_task(str(number), number, training) for number in range(past_tasks + 1))
    with tempfile.TemporaryDirectory() as folder:
        recorded = list(train(_setup(config, tasks, strategy, training, Path(folder))))
        state = (stage_folder(Path(folder), past_tasks) / STATE_FILE).stat().st_size if past_tasks else 0
    last = [e.seconds for e in recorded if isinstance(e, events.StepDone) and e.stage == past_tasks + 1]
    evaluations = [e.seconds for e in recorded if isinstance(e, events.Evaluated)]
    return {
        "step_seconds": median(last),
        "evaluation_seconds": median(evaluations),
        "scoring_seconds": sum(evaluations),
        "state_bytes": state,
        "bytes": _peak(),
    }


def model(layers: int, width: int, vocabulary: int, steps: int) -> dict[str, Any]:
    """Seconds of a step of 512 tokens on a GPT-2 of that shape with random weights."""
    training = Training(
        epochs=1, stage_tokens=steps * 512, block_size=256, tokens_per_step=512, evaluations_per_stage=1, device="cpu"
    )
    config = GPT2Config(
        vocab_size=vocabulary, n_positions=256, n_embd=width, n_layer=layers, n_head=width // 64, **_ENDS
    )
    taken: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        setup = _setup(config, (_task("task", 0, training),), "naive", training, Path(folder))
        for event in train(setup):
            if isinstance(event, events.StepDone):
                taken.append(event.seconds)
    parameters = setup.load_model(None).model.num_parameters()
    return {"step_seconds": median(taken[1:]), "parameters": parameters, "bytes": _peak()}


def _task(name: str, seed: int, training: Training) -> EncodedTask:
    """Random documents of two rows' tokens at most; a stage's budget takes about half of them."""
    generator = torch.Generator().manual_seed(seed)
    assert training.stage_tokens is not None

    def documents(tokens: int) -> EncodedDocuments:
        found = []
        while tokens > 0:
            length = int(torch.randint(training.block_size // 4, training.block_size, (1,), generator=generator))
            ids = torch.randint(_VOCABULARY, (length,), generator=generator).int()
            found.append(EncodedDocument(ids, 1, length))
            tokens -= length
        return EncodedDocuments.of(found)

    learnt, held_out = documents(2 * training.stage_tokens), documents(4 * training.block_size)
    rows = pack_documents(learnt, training.block_size)
    return EncodedTask(name, learnt, rows, prepare(held_out, training.block_size, 10**9), {"name": name})


def _setup(
    config: GPT2Config, tasks: tuple[EncodedTask, ...], strategy: str, training: Training, folder: Path
) -> RunSetup:
    def load(checkpoint: Path | None) -> LoadedModel:
        torch.manual_seed(0)
        network = GPT2LMHeadModel(config) if checkpoint is None else GPT2LMHeadModel.from_pretrained(checkpoint)
        tokenizer: Any = SimpleNamespace(save_pretrained=lambda folder: None)
        return LoadedModel("random", network, tokenizer, 0, 0, config.n_positions, packed=True)

    precision = choose_precision(training.precision, "cpu")
    built = strategies.build(strategy, {})
    return RunSetup(load, tasks, built, training, 0, folder, Control(), {}, precision)


def _peak() -> int:
    """The most memory that this process has had resident, mapped files included."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


_HANDLERS: dict[str, Callable[..., dict[str, Any]]] = {
    "make_task": make_task,
    "run": run,
    "tokenise": tokenise,
    "stages": stages,
    "model": model,
}

if __name__ == "__main__":
    main()
