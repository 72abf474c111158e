"""`python -m benchmarks.accelerator`: GPT-2 124 M in blocks of 1,024 on a GPU, beside pretraining's loop.

Without a GPU it says so and measures nothing; `--device cpu --smoke` tries every line of it on next to nothing.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.table import Row, as_data, as_text, row
from benchmarks.workers import Worker, WorkerFailed

_SHARED = Path(__file__).resolve().parents[2] / "shared"
_SOURCE = "medical_pubmedqa"
"""The longest texts."""
STRATEGIES = ("naive", "replay", "ewc")


@dataclass(frozen=True)
class _Size:
    """How much is measured."""

    block_size: int = 1024
    rows_per_step: int = 64
    rows_per_pass: int = 16
    tokens: int = 1_600_000
    """Target tokens of a task."""
    rounds: int = 3
    matrix: int = 8192


_SMOKE = _Size(block_size=64, rows_per_step=2, rows_per_pass=2, tokens=600, rounds=1, matrix=256)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder, _participants(Path(folder)) as (ours, peer):
        try:
            machine = ours.ask(do="machine", device=options.device)
        except WorkerFailed as error:
            sys.exit(f"Not measured: {options.device} can't be used here ({error}).")
        print(", ".join(f"{name} {value}" for name, value in machine.items()) + "\n", flush=True)
        rows = _measure(ours, peer, options, _SMOKE if options.smoke else _Size(), Path(folder))
    print(as_text(rows))
    options.out.write_text(json.dumps({"machine": machine, "rows": as_data(rows)}, indent=1) + "\n")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerator", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--smoke", action="store_true", help="try everything once on next to nothing; no measurement")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "accelerator.json")
    parser.add_argument("--texts", type=Path, default=_SHARED / "data" / "tasks" / _SOURCE / "train.txt")
    parser.add_argument("--tokenizer", type=Path, default=_SHARED / "models" / "gpt2-tokenizer")
    return parser.parse_args()


@contextmanager
def _participants(folder: Path) -> Iterator[tuple[Worker, Worker]]:
    with ExitStack() as stack:
        modules = {"ours": "ours", "pretraining's loop": "nanogpt_style"}
        first, second = (
            stack.enter_context(Worker(name, Path(sys.executable), f"benchmarks.peers.{module}", folder))
            for name, module in modules.items()
        )
        yield first, second


def _measure(ours: Worker, peer: Worker, options: argparse.Namespace, size: _Size, folder: Path) -> list[Row]:
    """Naive training against the peer, each strategy against naive, and both against matrix products, in turns."""
    large = {"name": "gpt2-124m", "tokenizer": str(options.tokenizer), "folder": str(folder / "gpt2")}
    model = ours.ask(do="model", **({"name": "embedded"} if options.smoke else large))
    source = "samples" if options.smoke else str(options.texts)
    asked = {"model": model["folder"], "source": source, "tokens": size.tokens, "file": str(folder / "work.json")}
    work = ours.ask(do="workload", tasks=2, block_size=size.block_size, **asked)["file"]
    given: dict[str, Any] = {
        "do": "train",
        "workload": work,
        "tokens_per_step": size.rows_per_step * size.block_size,
        "device": options.device,
    }
    per_token = 6 * model["parameters"] + 12 * model["layers"] * model["width"] * size.block_size
    pairs: dict[str, list[tuple[float, float]]] = {}
    for _ in range(size.rounds):
        found = {name: ours.ask(**given, stages=2, strategy=name) for name in STRATEGIES}
        precision = found["naive"]["precision"]
        theirs = peer.ask(**given, rows_per_pass=size.rows_per_pass, precision=precision, compiled=not options.smoke)
        rate = ours.ask(do="multiply", precision=precision, device=options.device, size=size.matrix)
        for what, pair in _compared(found, theirs, rate["operations_per_second"], per_token).items():
            pairs.setdefault(what, []).append(pair)
    section = f"{options.device}, blocks of {size.block_size}, {size.rows_per_step} a step, {precision}"
    units = {"matrix": "Tflop/s", "pretraining": "tokens/s"}
    return [row(section, what, each, _unit(what, units)) for what, each in pairs.items()]


def _compared(
    found: dict[str, dict[str, Any]], theirs: dict[str, Any], operations: float, per_token: int
) -> dict[str, tuple[float, float]]:
    """The pairs of a round: tokens a second, operations a second, milliseconds of a new token."""
    rates = {name: timing["target_tokens"] / timing["seconds"] for name, timing in found.items()}
    peer = theirs["target_tokens"] / theirs["seconds"]
    pairs = {
        "naive against pretraining's loop": (rates["naive"], peer),
        "naive against matrix products": (rates["naive"] * per_token / 1e12, operations / 1e12),
        "pretraining's loop against matrix products": (peer * per_token / 1e12, operations / 1e12),
    }
    for name in STRATEGIES[1:]:
        pairs[f"{name} token against naive token"] = 1000 / rates[name], 1000 / rates["naive"]
    return pairs


def _unit(what: str, units: dict[str, str]) -> str:
    return next((unit for word, unit in units.items() if word in what), "ms/token")


if __name__ == "__main__":
    main()
