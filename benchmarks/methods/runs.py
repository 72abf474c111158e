"""The runs of `benchmarks/methods.yaml`, each to a small JSON file of its numbers, which is not made again."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.methods.halves import matrices
from engine import events, strategies
from engine.common.errors import StoreError
from engine.common.quoting import safe_name
from engine.events.control import Control
from engine.execution.execute import execute_run
from engine.experiments.experiment import Experiment, RunSpec
from engine.forecast.trained_weights import StageWeights, weights_of
from engine.persistence.checkpoints import STATE_FILE, stage_folder
from engine.results.clipping import Clipping
from engine.results.operations import tokens_read
from engine.strategies.base import Strategy
from engine.tasks.load import load_task

HELD_OUT_EVERY = 2
"""One held-out document in so many is scored: with all of them a run would be mostly scoring."""
_WEIGHT_BYTES = 4
_LAST_STEPS = 0.25
"""The share of a stage's steps over whose end loss terms are averaged."""
_MACHINE = ("python", "torch", "transformers", "device", "precision", "instructions", "threads", "commit", "parameters")


@dataclass(frozen=True)
class Planned:
    """One run, the line of the table that it belongs to, and the value that is tried there."""

    line: str
    setting: str
    run: RunSpec

    @property
    def file(self) -> str:
        """The name of the file of its numbers."""
        return re.sub(r"[^\w.+-]+", "-", f"{self.line} {self.setting} seed {self.run.seed}") + ".json"


def planned(experiment: Experiment) -> list[Planned]:
    """All runs, seed by seed, line by line. An entry of the experiment's strategies is a line: what it fixes is part
    of the line's name, what it lists is tried."""
    found = []
    for seed in experiment.seeds:
        for spec in experiment.strategies:
            listed = [name for name, value in spec.parameters.items() if isinstance(value, list | tuple)]
            fixed = [f"{n}={_short(v)}" for n, v in spec.parameters.items() if n not in listed and isinstance(v, str)]
            line = f"{spec.name} ({', '.join(fixed)})" if fixed else spec.name
            for parameters in spec.resolve_all():
                setting = ", ".join(f"{name}={_short(parameters[name])}" for name in listed)
                label = f"{line} {setting}".strip()
                run = RunSpec(strategy=spec.name, parameters=parameters, seed=seed, label=label)
                found.append(Planned(line, setting, run))
    return found


def missing(plan: Sequence[Planned], numbers: Path) -> list[Planned]:
    """The planned runs whose numbers are not there."""
    return [each for each in plan if not (numbers / each.file).is_file()]


def read(numbers: Path) -> list[dict[str, Any]]:
    """The numbers of every run that is there. Raises StoreError where they are not of one experiment."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(numbers.glob("*.json"))]
    for each in found:
        for what in ("training", "tasks"):
            if each[what] != found[0][what]:
                raise StoreError(
                    f"{numbers}: {each['line']} {each['setting']}, seed {each['seed']}, is of other {what} than "
                    f"{found[0]['line']} {found[0]['setting']}, seed {found[0]['seed']}, so they can't be compared; "
                    "remove the files of one of them and run those again."
                )
    return found


def with_fewer_held_out(experiment: Experiment, folder: Path, every: int = HELD_OUT_EVERY) -> Experiment:
    """The experiment on copies of its texts under `folder`, with one held-out document in `every`.

    Raises TaskError where a task can't be read.
    """
    tasks = []
    for spec in experiment.tasks:
        task, here = load_task(spec), folder / safe_name(spec.name)
        here.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, documents in (("train", task.train), ("test", tuple(task.held_out)[::every])):
            paths.append(here / f"{name}.jsonl")
            lines = (json.dumps({"text": document.text}, ensure_ascii=False) + "\n" for document in documents)
            paths[-1].write_text("".join(lines), encoding="utf-8")
        train, test = ((str(path),) for path in paths)
        tasks.append(spec.model_copy(update={"train": train, "test": test, "split": "auto", "text_column": "text"}))
    return experiment.model_copy(update={"tasks": tuple(tasks)})


def measure(experiment: Experiment, plan: Planned, folder: Path) -> dict[str, Any]:
    """Train one run and return its numbers as plain data. Checkpoints lie under `folder` while it runs; what it has in
    common with other runs, and what an interrupted run had finished, is taken from there. Raises PalimpsestError."""
    own = folder / "runs" / Path(plan.file).stem
    shutil.rmtree(own, ignore_errors=True)
    try:
        happened, seconds = timed(execute_run(experiment, plan.run, own, Control(), 0, folder / "shared"))
        strategy = strategies.build(plan.run.strategy, plan.run.parameters)
        return _numbers(experiment, plan, happened, strategy, own) | {"processor_seconds": seconds}
    finally:
        shutil.rmtree(own, ignore_errors=True)


def timed(
    happening: Iterable[events.Event], clock: Callable[[], float] = time.process_time
) -> tuple[list[events.Event], float | None]:
    """The events of a run, and the processor time of its stages from the second on, without scoring: the first stage
    is often taken over, and other work on the machine changes the time by the clock. None where a later one was taken
    over too."""
    happened, seconds, stage, is_whole = list[events.Event](), 0.0, 1, True
    before = clock()
    for event in happening:
        now = clock()
        if stage > 1 and not isinstance(event, events.Evaluated):
            seconds += now - before
        if isinstance(event, events.StageStarted) and event.stage > 1:
            is_whole = is_whole and not event.shared
        stage += isinstance(event, events.StageFinished)
        happened.append(event)
        before = now
    return happened, seconds if is_whole else None


def _numbers(
    experiment: Experiment, plan: Planned, happened: Sequence[events.Event], strategy: Strategy, folder: Path
) -> dict[str, Any]:
    began = next(event for event in happened if isinstance(event, events.RunStarted))
    tasks = [task.name for task in experiment.tasks]
    scored = [event for event in happened if isinstance(event, events.Evaluated) and event.whole is not None]
    steps = [event for event in happened if isinstance(event, events.StepDone)]
    ends = [event for event in happened if isinstance(event, events.StageFinished)]
    scoring = sum(event.seconds for event in scored if event.stage)
    facts = ("name", "documents", "held_out_documents", "fingerprint", "held_out_fingerprint")
    return {
        "line": plan.line, "setting": plan.setting, "strategy": plan.run.strategy, "seed": plan.run.seed,
        "parameters": plan.run.parameters,
        "training": asdict(experiment.training),
        "tasks": [{name: task[name] for name in facts} for task in began.tasks],
        "machine": {name: began.environment.get(name) for name in _MACHINE},
        "halves": matrices(tasks, [event.documents or {} for event in scored]),
        "tokens": tokens(strategy, began.tasks, steps, _new_tokens(happened)),
        "seconds": sum(event.seconds for event in ends) - scoring,
        "memory": memory(strategy, weights_of(
            experiment.model, began.environment["parameters"], strategy, len(tasks), plan.run.seed
        ), folder),
        "clipping": _clipping(steps, experiment.training.gradient_clip),
        "losses": _losses(steps),
        "remarks": [
            text for event in happened if isinstance(event, events.StageStarted) for text in event.remarks
        ],
    }  # fmt: skip


def _new_tokens(happened: Sequence[events.Event]) -> list[int]:
    """Each stage's new target tokens."""
    return [event.target_tokens for event in happened if isinstance(event, events.StageStarted)]


def tokens(
    strategy: Strategy, tasks: Sequence[Mapping[str, Any]], steps: Sequence[events.StepDone], new_tokens: Sequence[int]
) -> dict[str, int]:
    """The tokens that a run has read, forward and backward, and the texts that its model has written.

    They are target tokens: steps say how many their terms had.
    """
    forward = backward = written = 0
    for stage, (task, new) in enumerate(zip(tasks, new_tokens, strict=True), start=1):
        cost, in_steps = strategy.cost(stage), sum(step.target_tokens for step in steps if step.stage == stage)
        read = tokens_read(cost, in_steps, new, task["documents"], task["target_tokens"], ends=stage < len(tasks))
        forward, backward = forward + round(read.backward + read.forward), backward + round(read.backward)
        written += cost.written_texts
    return {"forward": forward, "backward": backward, "written_texts": written}


def memory(strategy: Strategy, weights: Sequence[StageWeights], folder: Path) -> dict[str, int]:
    """Bytes beside what naive training needs: the strategy's file in the checkpoint of the last stage but one, and
    copies of the weights that train, which the last stage's steps hold in memory alone."""
    stages = len(weights)
    kept = (stage_folder(folder, stages - 1) / STATE_FILE).stat().st_size if stages > 1 else 0
    return {"kept_bytes": kept, "held_bytes": strategy.cost(stages).copies * weights[-1].trained * _WEIGHT_BYTES}


def _clipping(steps: Sequence[events.StepDone], limit: float | None) -> list[dict[str, float]] | None:
    """By stage, the share of steps that were clipped and the share of their gradients that this left."""
    if limit is None:
        return None
    found = []
    for _, norms in _by_stage([(step.stage, step.gradient_norm) for step in steps]):
        part = Clipping.of([norm for norm in norms if isfinite(norm)], limit)
        found.append({"clipped_share": part.share, "kept_share": part.kept_share})
    return found


def _losses(steps: Sequence[events.StepDone]) -> list[dict[str, float]]:
    """By stage, each loss term's mean over the last quarter of the steps, nats per token."""
    found = []
    for _, terms in _by_stage([(step.stage, step.terms) for step in steps]):
        last = terms[-max(1, round(_LAST_STEPS * len(terms))) :]
        found.append({name: fmean(each[name] for each in last if name in each) for name in last[-1]})
    return found


def _by_stage(values: Sequence[tuple[int, Any]]) -> Iterator[tuple[int, list[Any]]]:
    for stage in sorted({stage for stage, _ in values}):
        yield stage, [value for of, value in values if of == stage]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
