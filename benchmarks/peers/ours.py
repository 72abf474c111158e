"""The product, driven through the engine's own loop; it also prepares what every participant trains on."""

import json
import tempfile
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import engine  # noqa: F401 - before torch: it says how threads wait

# isort: split
import torch

from benchmarks import workloads
from benchmarks.serve import serve
from engine import events, strategies
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.experiments.experiment import Experiment, StrategySpec
from engine.experiments.training import Training
from engine.models.loading import LoadedModel, load_base
from engine.models.machine import choose_precision, choose_threads, environment
from engine.strategies.base import StageView
from engine.strategies.tools.fisher import diagonal_fisher
from engine.tasks import samples
from engine.tokens.blocks import cut, pack
from engine.training.loop import train as train_run
from engine.training.run_state import EncodedTask, RunSetup
from engine.training.scoring import prepare

Device = Literal["cpu", "cuda", "mps"]


def train(
    workload: str, strategy: str = "naive", tokens_per_step: int = 512, stages: int = 1, device: Device = "cpu"
) -> dict[str, Any]:
    """One epoch over each of the first `stages` tasks: per stage what its steps took, without the first."""
    data = json.loads(Path(workload).read_text())
    done: list[dict[str, Any]] = []
    first_step = 0
    with tempfile.TemporaryDirectory() as folder:
        setup = _setup(data, strategy, tokens_per_step, stages, Path(folder), device)
        run = train_run(setup)
        while len(done) < stages or done[-1]["steps"] + 1 < done[-1]["planned"]:
            started = time.perf_counter()
            event = next(run)
            seconds = time.perf_counter() - started
            if isinstance(event, events.StageStarted):
                done.append({"seconds": 0.0, "steps": 0, "target_tokens": 0, "planned": event.steps})
                first_step = event.first_step
            if isinstance(event, events.StepDone) and event.step > first_step:
                done[-1]["seconds"] += seconds
                done[-1]["steps"] += 1
                done[-1]["target_tokens"] += event.target_tokens
    return {"stages": done, **done[-1], "precision": setup.precision}


def _setup(
    data: dict[str, Any], strategy: str, tokens_per_step: int, stages: int, folder: Path, device: Device
) -> RunSetup:
    def load(checkpoint: Path | None) -> LoadedModel:
        return load_base(data["model"] if checkpoint is None else str(checkpoint), device)

    training = Training(
        epochs=1,
        learning_rate=data["learning_rate"],
        block_size=data["block_size"],
        tokens_per_step=tokens_per_step,
        evaluations_per_stage=1,
        device=device,
    )
    return RunSetup(
        load_model=load,
        tasks=tuple(_task(str(number), task, training) for number, task in enumerate(data["tasks"][:stages])),
        strategy=strategies.build(strategy, {}),
        training=training,
        seed=0,
        folder=folder,
        control=Control(),
        environment={},
        precision=choose_precision(training.precision, device),
    )


def _task(name: str, task: dict[str, Any], training: Training) -> EncodedTask:
    """A written task; one document stands for the held-out text, whose scoring is not what is timed."""
    documents = workloads.read_documents(task)
    blocks = pack(
        [piece for document in documents for piece in cut(document, training.block_size)], training.block_size
    )
    return EncodedTask(name, documents, blocks, prepare(documents[:1], training.block_size, 1), {"name": name})


def fisher(workload: str) -> dict[str, Any]:
    """The Fisher information of the first task, from all of its documents."""
    data = json.loads(Path(workload).read_text())
    base = load_base(data["model"])
    documents = workloads.read_documents(data["tasks"][0])
    precision = choose_precision("auto", "cpu")
    end = StageView(1, base.model, documents, data["block_size"], base.packed, check=lambda: None, precision=precision)
    started = time.perf_counter()
    diagonal_fisher(end, documents)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "target_tokens": sum(document.target_tokens for document in documents)}


def default_run(tasks: int) -> dict[str, Any]:
    """A naive run over the first samples at default settings: its seconds, and those that were scoring."""
    experiment = Experiment(
        name="default settings",
        model="tiny-gpt2",
        tasks=tuple(sample.spec for sample in samples()[:tasks]),
        strategies=(StrategySpec(name="naive"),),
    )
    (run,) = experiment.runs()
    scoring = seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for event in execute_run(experiment, run, Path(folder), Control()):
            if isinstance(event, events.Evaluated):
                scoring += event.seconds
            if isinstance(event, events.RunFinished):
                seconds = event.seconds
    return {"seconds": seconds, "scoring_seconds": scoring}


def multiply(precision: str, seconds: float = 1.0, size: int = 1024, device: str = "cpu") -> dict[str, Any]:
    """Operations a second of the device's matrix multiplication, square matrices, best of the time given."""
    kind = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    left, right = (torch.randn(size, size, device=device, dtype=torch.float32).to(kind) for _ in range(2))
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    torch.mm(left, right)
    wait()
    ends, fastest = time.perf_counter() + seconds, float("inf")
    while time.perf_counter() < ends:
        started = time.perf_counter()
        torch.mm(left, right)
        wait()
        fastest = min(fastest, time.perf_counter() - started)
    return {"operations_per_second": 2 * size**3 / fastest}


def workload(
    model: str, source: str, tokens: int, file: str, tasks: int = 1, block_size: int = workloads.BLOCK_SIZE
) -> dict[str, Any]:
    """Write a workload of `tasks` tasks; a source with fewer or more is joined or dealt out."""
    texts = workloads.texts_of(source)
    together = list(chain.from_iterable(texts))
    chosen = texts[:tasks] if 1 < tasks <= len(texts) else [together[task::tasks] for task in range(tasks)]
    return workloads.write_workload(Path(model), chosen, tokens, Path(file), block_size)


def model(name: str, tokenizer: str = "", folder: str = "") -> dict[str, Any]:
    """The folder and size of a model: "embedded", or "gpt2-124m", which is made in `folder`."""
    make = partial(workloads.make_gpt2, Path(tokenizer), Path(folder))
    found = workloads.embedded_model() if name == "embedded" else make()
    loaded = load_base(str(found)).model
    config = loaded.config.get_text_config()
    shape = {"layers": config.num_hidden_layers, "width": config.hidden_size}
    return {"folder": str(found), "parameters": loaded.num_parameters()} | shape


def machine(device: str = "cpu") -> dict[str, Any]:
    """Versions, device, threads and commit."""
    return environment(device, choose_precision("auto", device), choose_threads(None))


if __name__ == "__main__":
    torch.set_num_threads(torch.get_num_threads())  # as a run does
    serve(
        {
            "train": train,
            "fisher": fisher,
            "default_run": default_run,
            "multiply": multiply,
            "workload": workload,
            "model": model,
            "machine": machine,
        }
    )
