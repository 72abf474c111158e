"""`python -m engine understand` with `--probes`, `--harness` or `--lm-eval`: what the models of runs can do."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from engine.common.errors import ConfigError
from engine.common.numerals import percent
from engine.common.quoting import listed, visible
from engine.understand_command import print_json

if TYPE_CHECKING:
    import pandas as pd

_MARKS = {"fell": "↓", "rose": "↑", "": ""}
_WIDTH, _FIRST = 10, 30


@dataclass(frozen=True)
class Asked:
    """What was asked for, of these three."""

    probes: bool
    harness: Path | None
    """A results file to keep."""
    lm_eval: str | None
    """Tasks of lm-evaluation-harness."""

    @property
    def is_any(self) -> bool:
        return self.probes or self.harness is not None or self.lm_eval is not None


def refuse_beside(asked: Asked, stage: int | None, *others: object) -> None:
    """Raises ConfigError where options of other questions were given as well."""
    if not asked.is_any:
        raise ConfigError("--stage is about --harness and --lm-eval, and there is neither.")
    if any(other is not None and other is not False for other in others):
        raise ConfigError(
            "--probes, --harness and --lm-eval ask nothing of prompts and tasks; leave --prompt, --chat, --task, "
            "--before and --after out."
        )
    if stage is not None and asked.probes:
        raise ConfigError("--probes looks at every stage; --stage is about --harness and --lm-eval.")


def show(folder: Path, run: str | None, stage: int | None, asked: Asked, as_json: bool) -> None:
    """Keep a results file, print a command, or print what the models can do. Raises PalimpsestError."""
    from engine.insight import frames  # loads torch: help and bad input needn't wait for it

    if asked.probes:
        _print_abilities(folder, run, as_json)
    if asked.harness is None and asked.lm_eval is None:
        return
    runs = frames.chosen_runs(frames.run_ids(folder), run)
    if len(runs) > 1:
        raise ConfigError(
            f"Name the run whose model is meant with --run, by its label or id; of {listed(runs['run_id'].tolist())}."
        )
    run_id = str(runs["run_id"].item())
    if asked.harness is not None:
        found = frames.keep_harness(folder, run_id, stage, asked.harness)
        print_json(found) if as_json else _print_harness(found)
    if asked.lm_eval is not None:
        typer.echo(frames.harness_command(folder, run_id, stage, asked.lm_eval))


def _print_abilities(folder: Path, run: str | None, as_json: bool) -> None:
    from engine.insight import frames

    found, runs = frames.probes(folder, run), frames.chosen_runs(frames.run_ids(folder), run)
    if as_json:
        print_json(found)
        return
    by_place = {(row.run_id, row.stage, row.probe): row for row in found.itertuples()}
    for run_row in runs.itertuples():
        models = [(run_row.run_id, stage) for stage in range(1, run_row.stages + 1)]
        base = (str(by_place[*models[0], found["probe"].iloc[0]].base_run_id), 0)
        typer.echo(f"\n{visible(f'{run_row.label}, seed {run_row.seed}')}\n{'':{_FIRST}}{_heads(run_row.stages)}")
        for name in found["probe"].unique():
            rows = [by_place[*model, name] for model in (base, *models)]
            first = f"  {name} (chance {percent(rows[0].chance)})"
            typer.echo(f"{first:{_FIRST}}" + "".join(f"{_cell(row):>{_WIDTH}}" for row in rows))
    widest = 100 * max((found["share"] - found["low"]).max(), (found["high"] - found["share"]).max())
    typer.echo(
        f"\nShare of right choices of {found['items'].iloc[0]} items; 95% intervals reach up to {widest:.0f} points to "
        "either side.\n"
        "~ no better than chance   ↓ fell, ↑ rose since the base model (McNemar, Holm's correction, p < 0.05)"
    )
    _print_harness(frames.harness(folder, run))


def _heads(stages: int) -> str:
    return "".join(f"{head:>{_WIDTH}}" for head in ("base", *(f"stage {stage}" for stage in range(1, stages + 1))))


def _cell(row: Any) -> str:
    return f"{percent(row.share)} {_MARKS[row.change] or ('~' if row.is_at_chance else ' ')}"


def _print_harness(found: "pd.DataFrame") -> None:
    if found.empty:
        return
    typer.echo("\nlm-evaluation-harness")
    for row in found.astype(object).where(found.notna(), None).itertuples():
        where = f"{row.run_id}, {f'stage {row.stage}' if row.stage else 'base model'}"
        value = "no number" if row.value is None else f"{row.value:.4g}"
        spread = "" if row.stderr is None else f" ± {row.stderr:.2g}"
        items = "" if row.items is None else f", {int(row.items):,} items"
        filtered = f" ({row.filter})" if row.filter else ""
        typer.echo(visible(f"  {where}: {row.task}, {row.metric}{filtered}: {value}{spread}{items}"))
