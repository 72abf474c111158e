"""The same answers and passages as on the page, as data frames for notebooks and the command line."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from engine.common.errors import ConfigError, StoreError
from engine.common.quoting import listed, quoted
from engine.guards.guard import Guard
from engine.harness.results_file import read_bytes
from engine.insight.harness_evaluations import COLUMNS, command_of, evaluations, keep_file
from engine.insight.performing import Performer
from engine.insight.requests import (
    AnswersRequest,
    PassageRequest,
    PassagesRequest,
    ProbesRequest,
    Prompt,
    Sampling,
    Source,
    TurnedRequest,
    usual_before,
)
from engine.insight.sources import last_stage
from engine.insight.telling import Tell, Told
from engine.insight.verification import choose, verify
from engine.store import Store


def _silent(told: Told) -> None:
    pass


def run_ids(folder: Path) -> pd.DataFrame:
    """The runs of a results or data folder that have a finished stage: `run_id`, `experiment_id`, `label`,
    `strategy`, `seed`, `stages` (finished), `tasks` (their names, in order). Raises StoreError where there is none."""
    with closing(_store(folder)) as store:
        runs = store.runs()
        found = []
        for run in runs.itertuples():
            finished = last_stage(store, str(run.run_id))
            if finished:
                of_run = store.experiment(str(run.experiment_id)).in_order(run.task_order)
                tasks = [task.name for task in of_run.tasks]
                found.append(
                    {
                        "run_id": run.run_id, "experiment_id": run.experiment_id, "label": run.label,
                        "strategy": run.strategy,
                        "seed": run.seed, "stages": finished, "tasks": tasks,
                    }
                )  # fmt: skip
    if not found:
        raise StoreError(f"{folder}: no run here has finished a stage yet, so there is nothing to understand.")
    return pd.DataFrame(found)


def passages(
    folder: Path, run_id: str, task: str, before: int | None = None, after: int | None = None, tell: Tell = _silent
) -> pd.DataFrame:
    """The held-out documents of a task by what they lost between two stages of a run, the greatest loss first; the
    columns are those of `measures.passages.passages`, `begins`, and both stages. The default is from the
    task's own stage, or the base model where that is the last, to the last. Raises PalimpsestError."""
    with closing(_store(folder)) as store:
        first, last = _stages(store, run_id, task, before, after)
        request = PassagesRequest(task, Source(run_id, first), Source(run_id, last))
        return pd.DataFrame(Performer(store).perform(request, tell)).assign(from_stage=first, to_stage=last)


def passage(
    folder: Path, run_id: str, task: str, document: int, before: int | None = None, after: int | None = None
) -> pd.DataFrame:
    """One of these documents, a row for each token or whole character: `text`, `is_target`, `change` in nats, `before`
    and `after` as probabilities, `instead`. Raises PalimpsestError."""
    with closing(_store(folder)) as store:
        first, last = _stages(store, run_id, task, before, after)
        request = PassageRequest(task, Source(run_id, first), Source(run_id, last), document)
        return pd.DataFrame(Performer(store).perform(request))


def answers(
    folder: Path,
    prompts: Sequence[str],
    sources: Sequence[tuple[str, int]],
    *,
    chat: bool = False,
    most_tokens: int = 64,
    sampling: Sampling | None = None,
    tell: Callable[[Told], None] = _silent,
) -> pd.DataFrame:
    """A row for every prompt and source (run id, stage; stage 0 is the base model): `prompt`, `run_id`, `stage`,
    `text`, `tokens`, `is_cut`. Raises PalimpsestError."""
    asked = tuple(Prompt(prompt, chat) for prompt in prompts)
    request = AnswersRequest(tuple(Source(*each) for each in sources), asked, most_tokens, sampling)
    with closing(_store(folder)) as store:
        found = Performer(store).perform(request, tell)
    return pd.DataFrame(
        [
            {"prompt": prompt, "run_id": run_id, "stage": stage, **answer}
            for (run_id, stage), of_source in zip(sources, found, strict=True)
            for prompt, answer in zip(prompts, of_source, strict=True)
        ]
    )


def turned_answers(
    folder: Path, run_id: str, task: str, before: int | None = None, after: int | None = None, tell: Tell = _silent
) -> pd.DataFrame:
    """The held-out questions of a task with the answers of two stages of a run: `document`, `prompt`, `expected`, and
    for `before` and `after` each the answer, whether it is exactly right, and its token F1. Raises PalimpsestError."""
    with closing(_store(folder)) as store:
        first, last = _stages(store, run_id, task, before, after)
        request = TurnedRequest(task, Source(run_id, first), Source(run_id, last))
        rows = Performer(store).perform(request, tell)["rows"]
    return pd.json_normalize(rows, sep="_")


def probes(folder: Path, run: str | None = None, tell: Tell = _silent) -> pd.DataFrame:
    """What the base model and every finished stage can do, of the run with this label or id or of all: a row for each
    model and probe with the columns of `engine.insight.abilities.Ability`, `is_at_chance` and `change`. Raises
    PalimpsestError."""
    with closing(_store(folder)) as store:
        runs = chosen_runs(run_ids(folder), run)
        sources = [Source(each.run_id, stage) for each in runs.itertuples() for stage in range(each.stages + 1)]
        return pd.DataFrame(Performer(store).perform(ProbesRequest(tuple(sources)), tell))


def harness(folder: Path, run: str | None = None) -> pd.DataFrame:
    """What lm-evaluation-harness said of the models of the run with this label or id, or of all: a row for each value,
    with the columns of `engine.insight.harness_evaluations.COLUMNS`. Raises PalimpsestError."""
    with closing(_store(folder)) as store:
        return evaluations(store, chosen_runs(run_ids(folder), run)["run_id"].tolist())


def keep_harness(folder: Path, run_id: str, stage: int | None, file: Path) -> pd.DataFrame:
    """Read a results file of lm-evaluation-harness and keep it with a run's stage, the last where none is named; gives
    its values as `harness` does. Raises PalimpsestError."""
    with closing(_store(folder)) as store:
        source = Source(run_id, last_stage(store, run_id) if stage is None else stage)
        found = keep_file(store, source, file.name, read_bytes(file)).results
    rows = [{"run_id": run_id, "stage": found.stage, **value.model_dump()} for value in found.values]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def harness_command(folder: Path, run_id: str, stage: int | None, tasks: str) -> str:
    """The command line that evaluates a run's stage, the last where none is named, with lm-evaluation-harness. Raises
    PalimpsestError."""
    with closing(_store(folder)) as store:
        return command_of(store, Source(run_id, last_stage(store, run_id) if stage is None else stage), tasks)


def chosen_runs(runs: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    """Of the rows of `run_ids` those of that id or label; all where none is named. Raises ConfigError."""
    if wanted is None:
        return runs
    found = runs[(runs["run_id"] == wanted) | (runs["label"] == wanted)]
    if found.empty:
        raise ConfigError(f"--run: {wanted!r} is none of the runs here; there are {listed(runs['label'].tolist())}.")
    return found


def verification(
    folder: Path,
    guards: Sequence[Guard] | None,
    most_forgetting: float | None,
    run: str | None = None,
    tell: Tell = _silent,
) -> dict[str, Any]:
    """As `engine.insight.verification.verify`, of the run with this label or id, or the one that kept most."""
    with closing(_store(folder)) as store:
        experiments = store.experiments()["experiment_id"].tolist()
        if len(experiments) != 1:
            raise StoreError(f"{folder}: holds {len(experiments)} experiments; name a folder of results that has one.")
        run_id = choose(store, experiments[0], run)
        return verify(store, run_id, guards, most_forgetting, tell)


def _store(folder: Path) -> Store:
    """Raises StoreError where nothing was ever kept in the folder, which then stays as it is."""
    if not (folder / "palimpsest.db").is_file():
        raise StoreError(f"{folder}: this is no folder of results; name the one that `run` was given with --out.")
    return Store(folder)


def _stages(store: Store, run_id: str, task: str, before: int | None, after: int | None) -> tuple[int, int]:
    experiment_id, run = store.run_spec(run_id)
    tasks = [each.name for each in store.experiment(experiment_id).in_order(run.order).tasks]
    if task not in tasks:
        raise StoreError(f"{quoted(task)} is no task of this run; it has {listed(tasks)}.")
    last = last_stage(store, run_id) if after is None else after
    first = usual_before(tasks.index(task) + 1, last) if before is None else before
    if first >= last:
        raise ConfigError(
            f"Stage {first} does not come before stage {last}; name two stages of the run, the earlier one as `before`."
        )
    return first, last
