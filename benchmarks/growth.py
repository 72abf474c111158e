"""`python -m benchmarks.growth`: what grows with the texts, the tasks and the model, and how fast; as a table and JSON.

Each measurement has a process of its own. An exponent is the slope of a least-squares line through the logarithms: 1
where doubling the one doubles the other, 0 where it changes nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

_ROOT = Path(__file__).resolve().parent.parent
_SHARED = _ROOT.parent / "shared"
_STEP_TOKENS = 2048
_SECTIONS = ("tokenisation", "texts", "training", "past-tasks", "scoring", "models")


@dataclass(frozen=True)
class Curve:
    """How `what`, in `unit`, grows with `against`."""

    section: str
    what: str
    unit: str
    against: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    @property
    def exponent(self) -> float | None:
        """None where a value is 0 or there is one alone."""
        if len(self.x) < 2 or min(self.y) <= 0:
            return None
        return float(np.polyfit(np.log(self.x), np.log(self.y), 1)[0])

    @property
    def slope(self) -> float | None:
        """The slope of the straight line through the values themselves."""
        return float(np.polyfit(self.x, self.y, 1)[0]) if len(self.x) > 1 else None


@dataclass(frozen=True)
class _Effort:
    megabytes: tuple[float, ...]
    tokenised_megabytes: float
    trained_tokens: tuple[int, ...]
    past_tasks: tuple[int, ...]
    stage_steps: int
    scored_tasks: tuple[int, ...]
    models: tuple[tuple[int, int, int], ...]
    """Layers, width, vocabulary."""


_FULL = _Effort(
    megabytes=(1, 4, 16, 64, 200),
    tokenised_megabytes=32,
    trained_tokens=(16_384, 65_536, 262_144),
    past_tasks=(1, 5, 10, 20, 50),
    stage_steps=12,
    scored_tasks=(2, 5, 10, 20, 50),
    models=((2, 128, 4096), (4, 256, 4096), (6, 384, 8192), (8, 512, 16384), (12, 768, 50257)),
)
_QUICK = _Effort(
    megabytes=(1, 4, 16),
    tokenised_megabytes=4,
    trained_tokens=(16_384, 65_536),
    past_tasks=(1, 4, 12),
    stage_steps=6,
    scored_tasks=(2, 5, 12),
    models=((2, 128, 4096), (4, 256, 4096), (6, 384, 8192)),
)


def main() -> None:
    options = _options()
    effort = _QUICK if options.quick else _FULL
    started, curves = time.monotonic(), list[Curve]()
    sources = ["samples", *(str(path) for path in sorted(options.tasks.glob("*/train.txt")))]
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in _sections(effort, sources, options.tokenizer, Path(folder)).items():
            if name in options.only:
                measured = measure()
                curves += measured
                print(as_text(measured), flush=True)
    seconds = time.monotonic() - started
    data = {
        "seconds": seconds,
        "cores": os.cpu_count(),
        "curves": [asdict(each) | {"exponent": each.exponent, "slope": each.slope} for each in curves],
    }
    options.out.write_text(json.dumps(data, indent=1) + "\n")
    print(f"{seconds / 60:.1f} minutes; written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, about four minutes")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "growth.json", help="where to write numbers"
    )
    parser.add_argument(
        "--only", choices=_SECTIONS, nargs="+", default=_SECTIONS, metavar="SECTION", help=f"of {', '.join(_SECTIONS)}"
    )
    parser.add_argument("--tasks", type=Path, default=_SHARED / "data" / "tasks", help="folders that hold a train.txt")
    parser.add_argument("--tokenizer", type=Path, default=_SHARED / "models" / "gpt2-tokenizer", help="GPT-2's")
    return parser.parse_args()


def _sections(
    effort: _Effort, sources: list[str], tokenizer: Path, folder: Path
) -> dict[str, Callable[[], list[Curve]]]:
    measures = (
        partial(_tokenisation, effort, sources, tokenizer),
        partial(_texts, effort, sources, folder),
        partial(_training, effort, sources, folder),
        partial(_past_tasks, effort),
        partial(_scoring, effort),
        partial(_models, effort),
    )
    return dict(zip(_SECTIONS, measures, strict=True))


def _tokenisation(effort: _Effort, sources: list[str], tokenizer: Path) -> list[Curve]:
    curves = []
    for name, path in (("the embedded tokenizer", None), ("GPT-2's tokenizer", tokenizer)):
        if path is None or (path / "tokenizer.json").is_file():
            size = effort.tokenised_megabytes
            request = {"do": "tokenise", "sources": sources, "megabytes": size, "tokenizer": path and str(path)}
            found = ask(**request)
            for what, key in (("a core", "bytes_per_core_second"), ("by the clock", "bytes_per_second")):
                curves.append(
                    Curve("tokenisation", f"{name}, {what}", "MB/s", "MB of text", (size,), (found[key] / 1e6,))
                )
    return curves


def _texts(effort: _Effort, sources: list[str], folder: Path) -> list[Curve]:
    """First a run that encodes the texts, then one that finds them encoded."""
    first: list[dict[str, Any]] = []
    second: list[dict[str, Any]] = []
    sizes = []
    for megabytes in effort.megabytes:
        task, kept = folder / "task", folder / "kept"
        task.mkdir()
        made = ask(do="make_task", folder=str(task), sources=sources, megabytes=megabytes)
        sizes.append(made["train.jsonl"]["bytes"] / 1e6)
        for seed, answers in enumerate((first, second)):
            answers.append(ask(do="run", folder=str(task), kept=str(kept), tokens=4 * _STEP_TOKENS, seed=seed))
        shutil.rmtree(task)
        shutil.rmtree(kept)
    curves = []
    for which, answers in (("texts new", first), ("texts known", second)):
        for what, key, unit, scale in (
            ("preparation", "preparation_seconds", "s", 1.0),
            ("the whole run", "run_seconds", "s", 1.0),
            ("resident memory that preparation adds", "preparation_bytes", "MB", 1e-6),
            ("peak of resident memory", "bytes", "MB", 1e-6),
        ):
            y = tuple(answer[key] * scale for answer in answers)
            curves.append(Curve("size of the texts", f"{what}, {which}", unit, "MB of text", tuple(sizes), y))
    return curves


def _training(effort: _Effort, sources: list[str], folder: Path) -> list[Curve]:
    """Longer and longer runs over the same task."""
    task = folder / "long"
    task.mkdir()
    ask(do="make_task", folder=str(task), sources=sources, megabytes=4)
    answers = [
        ask(do="run", folder=str(task), kept=str(folder / "kept"), tokens=n, seed=0) for n in effort.trained_tokens
    ]
    speeds = tuple(answer["tokens_per_second"] for answer in answers)
    x = tuple(map(float, effort.trained_tokens))
    return [Curve("length of training", "training speed", "tokens/s", "trained tokens", x, speeds)]


def _past_tasks(effort: _Effort) -> list[Curve]:
    curves = []
    x = tuple(map(float, effort.past_tasks))
    for strategy in ("naive", "replay", "ewc", "replay+ewc"):
        answers = [
            ask(do="stages", strategy=strategy, past_tasks=n, steps=effort.stage_steps) for n in effort.past_tasks
        ]
        for what, key, unit, scale in (
            ("a step", "step_seconds", "ms", 1e3),
            ("peak of resident memory", "bytes", "MB", 1e-6),
            ("what is remembered", "state_bytes", "kB", 1e-3),
        ):
            y = tuple(answer[key] * scale for answer in answers)
            curves.append(Curve("number of past tasks", f"{strategy}: {what}", unit, "past tasks", x, y))
    return curves


def _scoring(effort: _Effort) -> list[Curve]:
    answers = [ask(do="stages", strategy="naive", past_tasks=n - 1, steps=2) for n in effort.scored_tasks]
    x = tuple(map(float, effort.scored_tasks))
    return [
        Curve("number of tasks", what, "s", "tasks", x, tuple(answer[key] for answer in answers))
        for what, key in (("one evaluation", "evaluation_seconds"), ("scoring in a whole run", "scoring_seconds"))
    ]


def _models(effort: _Effort) -> list[Curve]:
    answers = [ask(do="model", layers=n, width=w, vocabulary=v, steps=4) for n, w, v in effort.models]
    x = tuple(answer["parameters"] / 1e6 for answer in answers)
    steps, memory = ([a["step_seconds"] for a in answers], [a["bytes"] / 1e6 for a in answers])
    return [
        Curve("size of the model", "a step of 512 tokens", "s", "M parameters", x, tuple(steps)),
        Curve("size of the model", "peak of resident memory", "MB", "M parameters", x, tuple(memory)),
    ]


def ask(**request: Any) -> dict[str, Any]:
    """Return the answer of a fresh process. Raises CalledProcessError, its complaint printed, where it fails."""
    command = [sys.executable, "-m", "benchmarks.growing", json.dumps(request)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    done = subprocess.run(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def as_text(curves: Sequence[Curve]) -> str:
    """The curves of one section."""
    first = curves[0]
    lines = [f"{first.section}{'':{max(1, 62 - len(first.section))}}" + "".join(f"{x:>9,.4g}" for x in first.x)]
    lines[0] += f"  {first.against}"
    for each in curves:
        end = f"  exponent {each.exponent:.2f}, {each.slope:.3g} a unit" if each.exponent is not None else ""
        lines.append(f"  {each.what + ', ' + each.unit:60}" + "".join(f"{_number(y):>9}" for y in each.y) + end)
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
