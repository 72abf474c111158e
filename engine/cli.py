"""The command line: `python -m engine run EXPERIMENT.yaml --out DIR`, `python -m engine strategies`."""

import json
import math
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from engine.common.errors import ConfigError, PalimpsestError
from engine.common.quoting import visible
from engine.events.control import Control
from engine.experiments.yaml_file import load_experiment
from engine.progress_bars import Progress

if TYPE_CHECKING:
    from engine.running.experiment_check import Report

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

FAILED, NOT_JUDGED, INTERRUPTED = 1, 2, 130


@app.callback()
def main() -> None:
    """Palimpsest: teach a language model task after task, and see what it keeps."""


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="The experiment's YAML file.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder for results.json and the checkpoints.", show_default=False)],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what this folder holds unfinished.")] = False,
    on: Annotated[
        str | None,
        typer.Option(help="Where runs are computed: here, or ray for a Ray cluster; PALIMPSEST_ON otherwise."),
    ] = None,
    parallel: Annotated[
        str | None,
        typer.Option(help="How many runs go at once: a number, or auto for one a GPU; PALIMPSEST_PARALLEL otherwise."),
    ] = None,
    only: Annotated[
        int | None,
        typer.Option(
            help="Execute this run alone, counted from 1 as the progress bar does; `join` puts runs together."
        ),
    ] = None,
    continue_from: Annotated[
        Path | None,
        typer.Option(help="A folder of results of this experiment with fewer tasks: only the new ones are trained."),
    ] = None,
) -> None:
    """Execute all runs of an experiment. Ctrl-C stops and keeps what was reached."""
    control = Control()
    try:
        loaded = load_experiment(experiment)
        from engine.running.headless import (  # loads torch: help and bad input needn't wait for it
            RESULTS,
            run_experiment,
        )

        with _stopping(control), Progress(loaded) as progress:
            found = run_experiment(
                loaded, out, resume=resume, only=only, control=control, watch=progress.see, on_report=_tell,
                on_end=progress.close, on=on, parallel=parallel, continue_from=continue_from, on_remark=_remark,
            )  # fmt: skip
    except PalimpsestError as error:
        _fail(str(error), FAILED)
    except KeyboardInterrupt:
        _fail(f"Interrupted. {_how_to_resume(experiment, out, only)}", INTERRUPTED)
    runs = [run for run in found["runs"] if only in (None, _number(run["run_id"]))]
    if only is not None and not progress.began:
        typer.echo(f"Run {only} had finished before.")
    _report(runs, out / RESULTS)
    statuses = [run["status"] for run in runs]
    failed = sorted({run["reason"] for run in runs if run["status"] == "failed"})
    if failed:
        which = f"{statuses.count('failed')} of {len(statuses)} runs" if only is None else f"Run {only}"
        _fail(f"{which} failed: {' '.join(failed)}", FAILED)
    if left := len(statuses) - statuses.count("finished"):
        which = f"{left} of {len(statuses)} runs" if only is None else f"run {only}"
        _fail(f"Stopped with {which} unfinished. {_how_to_resume(experiment, out, only)}", INTERRUPTED)


@app.command()
def check(
    experiment: Annotated[Path, typer.Argument(help="The experiment's YAML file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with the first documents.")] = False,
) -> None:
    """Read all that a start would read, train nothing: what would be refused, and what each task comes to."""
    try:
        loaded = load_experiment(experiment)
        from engine.running.experiment_check import (
            check as read,  # loads torch: an experiment that can't be read needn't wait for it
        )

        report = read(loaded)
    except PalimpsestError as error:
        _refuse([str(error)], as_json)
    if report.refused:
        _refuse(report.refused, as_json)
    if as_json:
        typer.echo(_report_json(report))
    else:
        _print_tasks(report)


def _refuse(sentences: Sequence[str], as_json: bool) -> NoReturn:
    if as_json:
        typer.echo(json.dumps({"refused": list(sentences)}, ensure_ascii=False, indent=2))
        raise typer.Exit(FAILED)
    _fail("\n".join(sentences), FAILED)


def _report_json(report: "Report") -> str:
    from engine.results.export import task_data

    tasks = task_data(map(vars, report.tasks))
    for each, task in zip(tasks, report.tasks, strict=True):
        each["first"] = list(task.first)
    disk = {} if report.disk is None else {"disk": {"kept_bytes": report.disk.kept, "most_bytes": report.disk.most}}
    data = {"tasks": tasks, **_beside_json(report), "remarks": list(report.remarks), **disk}
    return json.dumps(data, ensure_ascii=False, indent=2)


def _beside_json(report: "Report") -> dict[str, Any]:
    """The texts beside the tasks, by their fields."""
    from engine.results.export import reference_data

    texts = {"reference": report.reference, "general": report.general}
    return {
        name: reference_data(vars(found)) | {"first": list(found.first)}
        for name, found in texts.items()
        if found is not None
    }


def _print_tasks(report: "Report", err: bool = False) -> None:
    """A paragraph a task: what it comes to, and every remark."""
    for task in report.tasks:
        where = "scored on its training text" if task.scored_on_training else f"{task.held_out_documents:,} held out"
        kind = {"text": "text", "pairs": "prompt and completion", "chat": "conversations"}[task.kind]
        documents = f"{task.documents:,} {'document' if task.documents == 1 else 'documents'} to train on"
        lines = [f"{task.name}: {documents}, {where}; {task.target_tokens:,} target tokens; {kind}"]
        if task.columns:
            lines.append(f"  columns: {', '.join(task.columns)}")
        lines += [f"  {remark}" for remark in task.remarks]
        typer.echo("\n".join(map(visible, lines)), err=err)
    for field, use, found in (("reference", "compare on", report.reference), ("general", "score", report.general)):
        if found is None:
            continue
        texts = f"{found.documents:,} {'document' if found.documents == 1 else 'documents'}"
        name = field if found.name == field else f"{field} {found.name}"
        lines = [f"{name}: {texts} to {use}; {found.target_tokens:,} target tokens"]
        typer.echo("\n".join(map(visible, [*lines, *(f"  {remark}" for remark in found.remarks)])), err=err)
    for remark in report.remarks:
        typer.echo(visible(remark), err=err)
    if report.disk is not None:
        kept, most = (f"{size / 10**6:,.0f} MB" for size in (report.disk.kept, report.disk.most))
        typer.echo(f"disk: about {kept} once all runs have finished, at most {most} while they go on", err=err)


def _tell(report: "Report") -> None:
    """Print the report of a run that is about to begin, on stderr beside its progress."""
    _print_tasks(report, err=True)


def _remark(sentence: str) -> None:
    typer.echo(visible(sentence), err=True)


@app.command()
def strategies() -> None:
    """List the strategies by what they need, with their parameters, defaults and ranges."""
    from engine import strategies_command

    strategies_command.show()


@app.command()
def understand(
    folder: Annotated[Path, typer.Argument(help="A folder of results, as `run` made it.", show_default=False)],
    prompt: Annotated[list[str] | None, typer.Option(help="A text that every model writes on from.")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put prompts through the model's chat template.")] = False,
    run: Annotated[
        str | None, typer.Option(help="The run's label or id, or its strategy's name; all runs otherwise.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="The task whose passages are looked at; the first otherwise.")
    ] = None,
    before: Annotated[int | None, typer.Option(help="From this stage, 0 for the base model; the task's own.")] = None,
    after: Annotated[int | None, typer.Option(help="To this stage; the last finished.")] = None,
    probes: Annotated[bool, typer.Option("--probes", help="Hold ready-made probes against every stage.")] = False,
    harness: Annotated[
        Path | None, typer.Option(help="Keep this results file of lm-evaluation-harness with --run and --stage.")
    ] = None,
    lm_eval: Annotated[
        str | None, typer.Option(help="Print the command that evaluates --run and --stage on these tasks of it.")
    ] = None,
    stage: Annotated[
        int | None, typer.Option(help="Of --harness and --lm-eval, 0 for the base model; the last finished.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Answers side by side with --prompt, what models can do with --probes, else the held-out passages that were
    forgotten most."""
    from engine import abilities_command, understand_command

    try:
        asked = abilities_command.Asked(probes, harness, lm_eval)
        if asked.is_any or stage is not None:
            abilities_command.refuse_beside(asked, stage, prompt, chat, task, before, after)
            abilities_command.show(folder, run, stage, asked, as_json)
            return
        understand_command.understand(folder, run, prompt or [], chat, task, before, after, as_json)
    except PalimpsestError as error:
        _fail(str(error), FAILED)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A folder of results, as `run` made it.", show_default=False)],
    guards: Annotated[Path | None, typer.Option(help="A file of guards: what must stay true of answers.")] = None,
    forgetting: Annotated[
        float | None, typer.Option(help="The most that a task may have forgotten, in bits per byte.", min=0)
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="The run's label or id, or its strategy's name; otherwise the one that kept most."),
    ] = None,
) -> None:
    """SHIP (exit code 0) or HOLD (1) for a run's final model, with the reasons, as one line of JSON; 2: not judged."""
    from engine import understand_command

    try:
        if forgetting is not None and not math.isfinite(forgetting):
            raise ConfigError("--forgetting: give a number of bits per byte, such as 0.1.")
        found = understand_command.verify(folder, guards, forgetting, run)
    except PalimpsestError as error:
        _fail(str(error), NOT_JUDGED)
    typer.echo(json.dumps(found, ensure_ascii=False))
    if found["decision"] != "SHIP":
        _fail("HOLD: " + "; ".join(found["reasons"]) + ".", FAILED)


@app.command()
def join(
    folders: Annotated[list[Path], typer.Argument(help="Folders of results of one experiment.", show_default=False)],
    out: Annotated[Path, typer.Option(help="A new folder for the joined results.", show_default=False)],
) -> None:
    """Join what many machines have executed, such as the runs of a Slurm array, into one folder of results."""
    from engine import cluster_commands

    try:
        cluster_commands.join(folders, out)
    except PalimpsestError as error:
        _fail(str(error), FAILED)
    except KeyboardInterrupt:
        _fail(f"Interrupted: {out} was not made.", INTERRUPTED)


@app.command()
def sbatch(
    experiment: Annotated[Path, typer.Argument(help="The experiment's YAML file.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder for a folder of results of each run.", show_default=False)],
) -> None:
    """Print a script that has Slurm execute each run as a task of an array; its last line joins their results."""
    from engine import cluster_commands

    try:
        cluster_commands.sbatch(experiment, out)
    except PalimpsestError as error:
        _fail(str(error), FAILED)


@app.command()
def keep(
    folder: Annotated[Path, typer.Argument(help="A folder of results, as `run` made it.", show_default=False)],
    checkpoints: Annotated[
        str, typer.Option(help="Which stay of each run: all, last, best or none.", show_default=False)
    ],
) -> None:
    """Keep fewer checkpoints, of the runs that have finished and of those to come. What goes does not come back."""
    from engine import keep_command

    try:
        keep_command.keep(folder, checkpoints)
    except PalimpsestError as error:
        _fail(str(error), FAILED)


@contextmanager
def _stopping(control: Control) -> Iterator[None]:
    """The first Ctrl-C asks the run to stop and keep what it reached; the second ends at once."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if control.stopping:
            raise KeyboardInterrupt
        control.stop()
        sys.stderr.write("\nStopping; press Ctrl-C again to end at once.\n")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _number(run_id: str) -> int:
    """A run's number in its experiment, from 1."""
    return int(run_id.rsplit("-", 1)[1]) + 1


def _report(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """A line per run on stdout: what it kept, at what cost, and which guards hold no more."""
    for one in runs:
        summary = one["summary"]["bits_per_byte"]
        numbers = ", ".join(
            f"{words} {summary[name]:.3f}"
            for name, words in (("average", "average −bits per byte"), ("forgetting", "forgetting"))
            if summary[name] is not None
        )
        end = f" ({numbers}; {one['seconds']:.0f} s)" if numbers else ""
        lost = [f"{each['guard']} (stage {each['lost_at']})" for each in one["guards"] if each["lost_at"]]
        guards = f"; holds no more: {', '.join(map(visible, lost))}" if lost else ""
        typer.echo(f"{one['label']}, seed {one['seed']}: {one['status']}{end}{guards}")
    typer.echo(f"Results: {path}")


def _how_to_resume(experiment: Path, out: Path, only: int | None) -> str:
    alone = "" if only is None else f" --only {only}"
    return f'Go on with: python -m engine run "{experiment}" --out "{out}"{alone} --resume'


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo("\n".join(map(visible, sentence.split("\n"))), err=True)  # what files hold must not steer the terminal
    raise typer.Exit(code)
