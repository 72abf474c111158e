"""`python -m engine understand` and `verify`: what the models of runs answer, which passages they forgot, and whether
one may be shipped."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from engine.common.errors import ConfigError
from engine.common.quoting import visible

if TYPE_CHECKING:
    import pandas as pd

_SHOWN, _WIDTH = 5, 90


def understand(
    folder: Path, run: str | None, prompts: list[str], chat: bool, task: str | None, before: int | None,
    after: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Print answers where there are prompts, else passages. Raises PalimpsestError."""
    from engine.insight import frames  # loads torch: help and bad input needn't wait for it

    if prompts and (task, before, after) != (None, None, None):
        raise ConfigError("--prompt asks the models; --task, --before and --after are about passages. Leave one out.")
    if chat and not prompts:
        raise ConfigError("--chat is about --prompt, and there is none.")
    runs = frames.chosen_runs(frames.run_ids(folder), run)
    if prompts:
        _print_answers(folder, runs, prompts, chat, as_json)
    else:
        _print_passages(folder, runs, task, before, after, as_json)


def verify(folder: Path, guards: Path | None, forgetting: float | None, run: str | None) -> dict[str, Any]:
    """The decision on one run. Raises PalimpsestError, ConfigError where there is nothing to judge by."""
    from engine.guards.guard_files import read_guards
    from engine.insight import frames

    return frames.verification(folder, read_guards(guards) if guards is not None else None, forgetting, run)


def _print_answers(folder: Path, runs: "pd.DataFrame", prompts: list[str], chat: bool, as_json: bool) -> None:
    from engine.insight import frames

    prompts = list(dict.fromkeys(prompts))
    bases = runs.drop_duplicates("experiment_id")
    names = {(run.run_id, 0): "base model" for run in bases.itertuples()}
    names |= {
        (run.run_id, run.stages): f"{run.label}, seed {run.seed}, stage {run.stages}" for run in runs.itertuples()
    }
    found = frames.answers(folder, prompts, list(names), chat=chat)
    found.insert(1, "model", [names[run_id, stage] for run_id, stage in zip(found.run_id, found.stage, strict=True)])
    if as_json:
        print_json(found)
        return
    for prompt in prompts:
        typer.echo(f"\n{visible(prompt)}")
        for row in found[found["prompt"] == prompt].itertuples():
            typer.echo(f"  {visible(str(row.model))}: {_in_a_line(str(row.text))}{' …' if row.is_cut else ''}")


def _print_passages(
    folder: Path, runs: "pd.DataFrame", task: str | None, before: int | None, after: int | None, as_json: bool
) -> None:
    import pandas as pd

    from engine.insight import frames

    tables = []
    for run in runs.itertuples():
        of_task = run.tasks[0] if task is None else task
        table = frames.passages(folder, str(run.run_id), of_task, before, after)
        table.insert(0, "task", of_task)
        table.insert(0, "run", f"{run.label}, seed {run.seed}")
        tables.append(table)
        if not as_json:
            _print_table(table)
    if as_json:
        print_json(pd.concat(tables, ignore_index=True))


def _print_table(table: "pd.DataFrame") -> None:
    first = table.iloc[0]
    worse = int((table["lost"] > 0).sum())
    typer.echo(
        f"\n{visible(first['run'])} · {visible(first['task'])}: {worse} of {len(table)} documents lost something"
    )
    for row in table.head(_SHOWN).itertuples():
        change = f"{row.before:.3f} → {row.after:.3f} bits per byte"
        typer.echo(f"  document {row.document}: {change}: {_in_a_line(str(row.begins))[:_WIDTH]}")


def print_json(table: "pd.DataFrame") -> None:
    rows: list[dict[Any, Any]] = json.loads(table.to_json(orient="records"))
    typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))


def _in_a_line(text: str) -> str:
    return visible(" ".join(text.split()))
