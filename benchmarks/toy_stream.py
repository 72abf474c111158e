"""`python -m benchmarks.toy_stream`: four tasks on two numbers in a row, and what a small model still answers.

After https://github.com/martin-marek/forgetting: a text is `A27,45=072`, that is, the sign of its task, two numbers of
two digits, and the answer. Each sign is a token, bos stands before a text and eos after it, and all of it is learnt. A
2-layer GPT-2 of width 96 takes, from random weights, 1,000 steps of 256 texts a task with the project's own loop. The
score is the share of held-out pairs of numbers whose answer is right to its last sign, eos included, when the model
writes it greedily after `=`.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, PreTrainedTokenizerFast

from benchmarks.toy_figure import as_svg
from engine import events, strategies
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.experiments.experiment import Experiment, RunSpec, experiment_from
from engine.models.loading import LoadedModel, load_base

_TEN, _NUMBERS, _PAIRS = 10, 100, 10_000
_SPECIAL = ("<bos>", "<eos>", "<unk>")
BLOCK_SIZE = 12
"""As many tokens as the longest text has inputs: a row is a text."""


@dataclass(frozen=True)
class Task:
    """What is asked of two numbers from 0 to 99, under which sign."""

    name: str
    sign: str
    answer: Callable[[int, int], str]

    def prompt(self, first: int, second: int) -> str:
        return f"{self.sign}{first:02},{second:02}="

    def text(self, first: int, second: int) -> str:
        return self.prompt(first, second) + self.answer(first, second)


TASKS = (
    Task("add", "A", lambda a, b: f"{a + b:03}"),
    Task("reverse both", "R", lambda a, b: f"{a:02}"[::-1] + f"{b:02}"[::-1]),
    Task("sort digits", "S", lambda a, b: "".join(sorted(f"{a:02}{b:02}"))),
    Task("add modulo 100", "M", lambda a, b: f"{(a + b) % _NUMBERS:02}"),
)


@dataclass(frozen=True)
class Size:
    """How much is trained and asked."""

    width: int = 96
    pairs: int = 8_000
    """Pairs of numbers to train on; the others are held out."""
    epochs: int = 32
    texts_per_step: int = 256
    asked: int = 1_000
    """Held-out pairs that are asked of every task."""
    samples: int = 8_192


SMOKE = Size(width=16, pairs=64, epochs=1, texts_per_step=32, asked=8, samples=8)


def parameters_of(strategy: str, size: Size) -> dict[str, Any]:
    """Parameters of the strategies whose defaults are made for texts, not for this."""
    replayed = {"replay_weight": 1.0, "replay_ratio": 1.0}
    # A text begins with bos and the sign of its task: no text of a past task is kept.
    own = {"samples": size.samples, "prompt": "first tokens", "prompt_tokens": 1}
    given: dict[str, dict[str, Any]] = {
        "self-replay": replayed | own,
        "replay": replayed | {"memory_size": size.samples},
    }
    return given.get(strategy, {})


def make_model(folder: Path, width: int, seed: int) -> None:
    """Write a GPT-2 of two layers with random weights, and a tokenizer of one token a sign."""
    signs = [str(digit) for digit in range(_TEN)] + [task.sign for task in TASKS] + [",", "="]
    vocabulary = {token: number for number, token in enumerate((*_SPECIAL, *signs))}
    bos, eos, unknown = _SPECIAL
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = Split(Regex("."), "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, unk_token=unknown
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(vocabulary), n_positions=32, n_embd=width, n_layer=2, n_head=4, bos_token_id=vocabulary[bos],
        eos_token_id=vocabulary[eos], resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    GPT2LMHeadModel(config).save_pretrained(folder)


def drawn_pairs(seed: int) -> list[tuple[int, int]]:
    """All pairs of numbers in random order."""
    order = torch.randperm(_PAIRS, generator=torch.Generator().manual_seed(seed)).tolist()
    return [divmod(number, _NUMBERS) for number in order]


def toy_experiment(folder: Path, chosen: Sequence[str], size: Size, seed: int) -> Experiment:
    """The experiment of one seed, its model and texts written into `folder`. The seed draws the model's first weights
    and the held-out pairs as well."""
    make_model(folder / "model", size.width, seed)
    pairs = drawn_pairs(seed)
    sides = {"train": pairs[: size.pairs], "test": pairs[size.pairs : size.pairs + size.asked]}
    tasks = []
    for task in TASKS:
        for side, own in sides.items():
            lines = "\n".join(task.text(*pair) for pair in own)
            (folder / f"{task.sign}-{side}.txt").write_text(lines, encoding="utf-8")
        files = {side: str(folder / f"{task.sign}-{side}.txt") for side in sides}
        tasks.append({"name": task.name, "split": "line", **files})
    training = {
        "epochs": size.epochs, "learning_rate": 3e-3, "warmup_share": 0.1, "decay": "cosine", "block_size": BLOCK_SIZE,
        "tokens_per_step": size.texts_per_step * BLOCK_SIZE, "evaluations_per_stage": 1, "precision": "float32",
        "device": "cpu",
    }  # fmt: skip
    return experiment_from(
        {"name": "toy stream", "model": str(folder / "model"), "tasks": tasks, "training": training, "seeds": [seed],
         "general": "none", "strategies": [{name: parameters_of(name, size)} for name in chosen]}
    )  # fmt: skip


@torch.no_grad()
def written(model: PreTrainedModel, prompts: Tensor, longest: int) -> Tensor:
    """The next `longest` tokens after each of `prompts`, int64 [N, L], each the likeliest after those before it."""
    tokens = prompts
    for _ in range(longest):
        following = model(input_ids=tokens).logits[:, -1].argmax(-1)
        tokens = torch.cat([tokens, following[:, None]], 1)
    return tokens[:, prompts.shape[1] :]


def exact_match(base: LoadedModel, task: Task, pairs: Sequence[tuple[int, int]]) -> float:
    """The share of `pairs` that are answered right: every digit of the answer, and eos after it."""

    def ids(texts: list[str]) -> list[list[int]]:
        found: list[list[int]] = base.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return found

    prompts = torch.tensor([[base.bos, *tokens] for tokens in ids([task.prompt(*pair) for pair in pairs])])
    right = torch.tensor([[*tokens, base.eos] for tokens in ids([task.answer(*pair) for pair in pairs])])
    base.model.eval()
    return float((written(base.model, prompts, right.shape[1]) == right).all(1).double().mean())


@dataclass(frozen=True)
class Stage:
    """A finished stage, and what the model answers after it."""

    task: str
    exact_match: dict[str, float]
    """Of every task of the stream, in [0, 1]."""
    seconds: float
    """From its opening to its checkpoint, the scoring of held-out texts included; of another run where it is shared."""
    opening_seconds: float
    """The part of it before the first step: the writing of own texts, for one."""
    remarks: tuple[str, ...]


def stages_of(
    experiment: Experiment, run: RunSpec, folder: Path, shared: Path, pairs: Sequence[tuple[int, int]]
) -> Iterator[Stage]:
    """Train a run, stage by stage, each asked for `pairs` of all tasks when it ends."""
    opened, opening, remarks = 0.0, 0.0, tuple[str, ...]()
    for event in execute_run(experiment, run, folder, Control(), 0, shared):
        match event:
            case events.Phase() if "preparing to learn" in event.text:
                opened = time.monotonic()
            case events.StageStarted():
                opening, remarks = time.monotonic() - opened if opened else 0.0, event.remarks
                opened = 0.0
            case events.StageFinished():
                base = load_base(experiment.model, ours=event.checkpoint)
                scores = {task.name: exact_match(base, task, pairs) for task in TASKS}
                yield Stage(event.task, scores, round(event.seconds, 1), round(opening, 1), remarks)


def measured(chosen: Sequence[str], size: Size, seed: int) -> Iterator[dict[str, Any]]:
    """All runs of a seed, as plain data."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        experiment = toy_experiment(folder, chosen, size, seed)
        pairs = drawn_pairs(seed)[size.pairs : size.pairs + size.asked]
        for number, run in enumerate(experiment.runs()):
            print(f"\n{run.label}, seed {seed}", flush=True)
            stages = []
            for stage in stages_of(experiment, run, folder / f"run-{number}", folder / "shared", pairs):
                print(_line(stage), flush=True)
                stages.append(asdict(stage))
            seconds = round(sum(stage["seconds"] for stage in stages), 1)
            given = parameters_of(run.strategy, size)
            yield {"strategy": run.strategy, "parameters": given, "seed": seed, "seconds": seconds, "stages": stages}


def _line(stage: Stage) -> str:
    shares = "  ".join(f"{name} {100 * share:5.1f} %" for name, share in stage.exact_match.items())
    opening = f", {stage.opening_seconds:.1f} s of it before its first step" if stage.opening_seconds else ""
    remarks = "".join(f"\n    {remark}" for remark in stage.remarks)
    return f"  after {stage.task:<15} {shares}   {stage.seconds:.1f} s{opening}{remarks}"


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    size = SMOKE if options.smoke else Size()
    runs: list[dict[str, Any]] = []
    for seed in options.seeds:
        for run in measured(options.strategies, size, seed):
            runs.append(run)
            _write(options.out, size, runs)  # what is measured so far survives an interruption
    print(f"\nwritten to {options.out}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toy_stream", description=__doc__)
    parser.add_argument(
        "--strategies", nargs="+", default=["naive", "self-replay"], choices=list(strategies.registry()),
        metavar="STRATEGY", help="naive and self-replay unless given; any of the registry",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="0 unless given")
    parser.add_argument("--smoke", action="store_true", help="try everything once on next to nothing; no measurement")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "toy_stream.json",
        help="where to write the numbers; the drawing goes beside it",
    )  # fmt: skip
    return parser.parse_args(arguments)


def _write(file: Path, size: Size, runs: list[dict[str, Any]]) -> None:
    machine = {"cores": os.cpu_count(), "threads": torch.get_num_threads(), "architecture": platform.machine()}
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    data = {"machine": machine | versions, "size": asdict(size), "runs": runs}
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".svg").write_text(as_svg(runs), encoding="utf-8")


if __name__ == "__main__":
    main()
