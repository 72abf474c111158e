"""The timings, section by section. Participants take turns: ours, a peer, ours, the next peer, and again."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.table import Row, row
from benchmarks.workers import Worker

TOKENS_PER_STEP = 512
"""New-task tokens in a step of a continual strategy, as by default."""
_FEW = 4
"""A warm-up takes every fourth text."""

Timing = dict[str, Any]


@dataclass(frozen=True)
class Effort:
    """How much of everything is done."""

    rounds: int
    tokens: int
    """Target tokens of one timing."""
    seconds: float
    """No further round of a section begins after this, once there are `least`."""
    least: int = 2
    sparse: int = 1
    """The tutorial's loop takes every so many-th text."""
    past_tasks: int = 2
    """How many a step of a continual strategy has behind it when it is timed."""


@dataclass
class Bench:
    """The participants that are there, and every timing taken."""

    ours: Worker
    tutorial: Worker
    trainer: Worker | None
    avalanche: Worker | None
    timings: list[dict[str, Any]] = field(default_factory=list)

    def time(self, section: str, number: int, worker: Worker, **request: Any) -> Timing:
        """Ask for one timing and keep it."""
        timing = worker.ask(**request)
        asked = {key: value for key, value in request.items() if key != "workload"}
        self.timings.append({"section": section, "round": number, "participant": worker.name} | asked | timing)
        return timing


@dataclass(frozen=True)
class Model:
    name: str
    folder: str
    parameters: int
    layers: int
    width: int


def speed(bench: Bench, model: Model, source: str, effort: Effort, file: str) -> list[Row]:
    """Target tokens a second of plain training on the texts of `source`, and the share of the machine's arithmetic."""
    work = bench.ours.ask(do="workload", model=model.folder, source=source, tokens=effort.tokens, file=file)
    per_step = work["tokens_per_step"]
    section = (
        f"{model.name}, {_short(source)}: {work['texts']} texts of {work['tokens_per_text']:.0f} target tokens, "
        f"ours at {per_step} tokens a step"
    )
    ours = partial(bench.time, section, worker=bench.ours, do="train", workload=work["file"], tokens_per_step=per_step)
    peers: list[tuple[str, Worker, dict[str, Any]]] = [
        ("the tutorial's loop", bench.tutorial, {"every": effort.sparse})
    ]
    settings: list[str] = bench.trainer.ask(do="settings")["settings"] if bench.trainer else []
    for name in settings:
        assert bench.trainer is not None
        peers.append((f"Trainer, {name}", bench.trainer, {"settings": name}))
    bench.ours.ask(do="train", workload=work["file"], tokens_per_step=per_step)
    for _, worker, request in peers:
        worker.ask(do="train", workload=work["file"], **(request | {"every": _FEW}))

    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in peers}
    arithmetic: list[tuple[float, float]] = []
    precision = ""
    for number in _rounds(effort):
        rates = []
        for name, worker, request in peers:
            mine = ours(number=number)
            theirs = bench.time(section, number, worker, do="train", workload=work["file"], **request)
            pairs[name].append((_rate(mine), _rate(theirs)))
            rates.append(_rate(mine))
            precision = mine["precision"]
        product = bench.time(section, number, bench.ours, do="multiply", precision=precision)
        done = 6 * model.parameters * sum(rates) / len(rates)
        arithmetic.append((done / 1e9, product["operations_per_second"] / 1e9))
    rows = [row(section, f"ours against {name}", found, "tokens/s") for name, found in pairs.items()]
    return [*rows, row(section, f"training against matrix products, {precision}", arithmetic, "Gflop/s")]


def continual(bench: Bench, model: Model, effort: Effort, file: str) -> list[Row]:
    """Steps of the strategies with past tasks behind them, ours and Avalanche's, and the Fisher information."""
    stages = effort.past_tasks + 1
    asked = {"model": model.folder, "source": "samples", "tokens": effort.tokens, "file": file, "tasks": stages}
    work = bench.ours.ask(do="workload", **asked)["file"]
    section = f"{model.name}, samples: steps of {TOKENS_PER_STEP} new tokens, past tasks: {effort.past_tasks}"
    given = {"do": "train", "workload": work}
    precision = bench.ours.ask(**given)["precision"]
    ours = given | {"stages": stages, "tokens_per_step": TOKENS_PER_STEP}
    theirs = given | {"stages": stages, "rows": TOKENS_PER_STEP // 256, "precision": precision}
    if bench.avalanche:
        bench.avalanche.ask(**theirs | {"stages": 1}, strategy="naive")

    found: dict[str, list[tuple[float, float]]] = {}
    for number in _rounds(effort):
        steps: dict[str, Timing] = {}
        for strategy in ("naive", "replay", "ewc"):
            steps[strategy] = bench.time(section, number, bench.ours, **ours, strategy=strategy)
            if bench.avalanche:
                peer = bench.time(section, number, bench.avalanche, **theirs, strategy=strategy)
                steps[f"{strategy}, Avalanche"] = peer
        if bench.avalanche and precision != "float32":
            as_it_comes = theirs | {"precision": "float32"}
            peer = bench.time(section, number, bench.avalanche, **as_it_comes, strategy="naive")
            steps["naive, Avalanche in float32"] = peer
        steps["fisher"] = bench.time(section, number, bench.ours, do="fisher", workload=work)
        for what, pair in _compared(steps).items():
            found.setdefault(what, []).append(pair)
    return [row(section, what, pairs, _unit(what)) for what, pairs in found.items()]


def _compared(steps: dict[str, Timing]) -> dict[str, tuple[float, float]]:
    """The pairs of a round: speeds of ours against theirs, costs of the strategies against plain training."""
    last = {name: timing["stages"][-1] for name, timing in steps.items() if name != "fisher"}
    pairs: dict[str, tuple[float, float]] = {}
    for name in last:
        strategy, _, peer = name.partition(", ")
        if peer:
            pairs[f"{strategy}: ours against {peer}"] = _rate(last[strategy]), _rate(last[name])
    for suffix in ("", ", Avalanche"):
        if f"naive{suffix}" not in last:
            continue
        of = "Avalanche" if suffix else "ours"
        naive, replay, ewc = (last[f"{strategy}{suffix}"] for strategy in ("naive", "replay", "ewc"))
        fisher = steps["ewc, Avalanche"]["fisher"] if suffix else steps["fisher"]
        pairs[f"{of}: ewc step against naive step"] = _step(ewc), _step(naive)
        pairs[f"{of}: replay token against naive token"] = _token(replay), _token(naive)
        pairs[f"{of}: Fisher token against training token"] = _token(fisher), _token(naive)
    return pairs


def arithmetic(bench: Bench, model: Model, source: str, effort: Effort, file: str, tokens_per_step: int) -> list[Row]:
    """The share of the machine's matrix rate that training with large steps reaches."""
    asked = {"model": model.folder, "source": source, "tokens": effort.tokens, "file": file}
    work = bench.ours.ask(do="workload", **asked)["file"]
    section = f"{model.name}, {_short(source)}: steps of {tokens_per_step} tokens"
    pairs = []
    for number in _rounds(effort):
        given = {"do": "train", "workload": work, "tokens_per_step": tokens_per_step}
        mine = bench.time(section, number, bench.ours, **given)
        product = bench.time(section, number, bench.ours, do="multiply", precision=mine["precision"])
        done = 6 * model.parameters * _rate(mine)
        pairs.append((done / 1e9, product["operations_per_second"] / 1e9))
    return [row(section, f"training against matrix products, {mine['precision']}", pairs, "Gflop/s")]


def many_tasks(bench: Bench, model: Model, effort: Effort, file: str, stages: int = 20) -> list[Row]:
    """Steps of EWC at task `stages`, where a penalty that is kept task by task has grown."""
    asked = {"model": model.folder, "source": "samples", "tokens": effort.tokens, "file": file, "tasks": stages}
    work = bench.ours.ask(do="workload", **asked)["file"]
    section = f"{model.name}, samples dealt out to {stages} tasks: steps of {TOKENS_PER_STEP} new tokens at the last"
    given = {"do": "train", "workload": work, "stages": stages}
    pairs: dict[str, list[tuple[float, float]]] = {}
    for number in _rounds(effort):
        steps = {
            strategy: bench.time(
                section, number, bench.ours, **given, tokens_per_step=TOKENS_PER_STEP, strategy=strategy
            )
            for strategy in ("naive", "ewc")
        }
        last = {strategy: timing["stages"][-1] for strategy, timing in steps.items()}
        pairs.setdefault("ours: ewc step against naive step", []).append((_step(last["ewc"]), _step(last["naive"])))
        if bench.avalanche:
            rows, precision = TOKENS_PER_STEP // 256, steps["ewc"]["precision"]
            peer = bench.time(section, number, bench.avalanche, **given, rows=rows, precision=precision, strategy="ewc")
            pair = _rate(last["ewc"]), _rate(peer["stages"][-1])
            pairs.setdefault("ewc: ours against Avalanche", []).append(pair)
    return [row(section, what, found, _unit(what)) for what, found in pairs.items()]


def default_run(bench: Bench, effort: Effort, tasks: int) -> list[Row]:
    """The part of a run that is scoring."""
    section = f"embedded model, a naive run over {tasks} samples at default settings"
    timings = [bench.time(section, n, bench.ours, do="default_run", tasks=tasks) for n in range(effort.rounds)]
    pairs = [(timing["scoring_seconds"], timing["seconds"]) for timing in timings]
    return [row(section, "scoring against the whole run", pairs, "s")]


def _rounds(effort: Effort) -> Iterator[int]:
    started = time.monotonic()
    for number in range(effort.rounds):
        if number >= effort.least and time.monotonic() - started > effort.seconds:
            return
        yield number


def _rate(timing: Timing) -> float:
    return float(timing["target_tokens"] / timing["seconds"])


def _step(timing: Timing) -> float:
    return float(1000 * timing["seconds"] / timing["steps"])


def _token(timing: Timing) -> float:
    return 1000 / _rate(timing)


def _unit(what: str) -> str:
    if "Avalanche" in what.partition(":")[2]:
        return "tokens/s"
    return "ms/step" if "step" in what else "ms/token"


def _short(source: str) -> str:
    """A source by name: a task's folder, or the samples."""
    return source.rstrip("/").split("/")[-2] if "/" in source else source
