"""The sentences, labels and help texts of the Live page."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ui.widgets.text import bytes_size, count, duration, plain, plural

STATUSES = {
    "running": ("▶", "running"), "paused": ("❚❚", "paused"), "queued": ("…", "waiting"),
    "finished": ("✓", "finished"), "failed": ("✕", "failed"),
    "interrupted": ("↯", "interrupted"), "stopped": ("■", "stopped"),
}  # fmt: skip
"""The sign and the word of every status."""

TITLE = "Live"
NOTHING_YET = "Nothing has run yet. Set up an experiment and start it, or try the demo from the first page."
SET_UP, GO_TO_DEMO = "Set up an experiment", "Go to the demo"
EXPERIMENT_GONE = "The experiment in this page's address is not in the data folder; here is the newest instead."
EXPERIMENT, EXPERIMENT_HELP = "Experiment", "All experiments of this data folder, the newest first."
COMPARE, COMPARE_HELP = "Compare", "What is finished, side by side."
ASK, ASK_HELP = "Ask the models", "What they say to a prompt, and what they forgot."

RUNS, FOLLOW, LATEST = "Runs", "Follow what runs", "The latest"

CURVES = "Losses"
CURVES_HELP = (
    "Solid: what training minimises, term by term, in nats per token. Dashed: each task's held-out text; at the "
    "end of a stage the matrix's own number, inside a stage that number and what a fixed sample of documents has "
    "changed since, in its 95% interval. A cross marks the first look in a later stage at which a past task's "
    "sample is worse than at the end of the task's own stage, beyond the error of that difference for all looks "
    "at the task together (95%, Bonferroni)."
)
MATRIX = "Score after each stage"
MATRIX_HELP = (
    "Rows: after each stage. Columns: tasks in training order. Blue is better than the base model, orange worse; the "
    "scale is fixed: for losses the share of the base model's loss, for accuracy and answers the points, up to 100, by "
    "the square root, so that small changes can be seen. Outlined: the stage's new task; left of it past tasks, with "
    "the change since their own stage; right of it tasks not trained on yet. Set apart: the general text, which no "
    "task touches."
)
SCORE = "Score"
SCORE_HELP = (
    "What the held-out curves and the matrix show. Bits per byte compares across languages and tokenizers; exact match "
    "and token F1 are of the answers to held-out questions, of pairs and conversations."
)

PAUSE, PAUSE_HELP = "Pause", "Hold the run after the current step; nothing is lost."
RESUME, RESUME_HELP = "Resume", "Go on: a paused run at once, any other from the last point it kept."
STOP, STOP_HELP = "Stop", "End this run; asks first."
STOP_KEEPS = "What it reached is kept, and the run can be resumed from there."
STOP_ONE, STOP_ONE_HELP = "Stop this run", "Ends within two seconds."
STOP_ALL, STOP_ALL_HELP = "Stop all runs of this experiment", "Also takes every waiting run out of the queue."
RESUME_ALL_HELP = "Put every interrupted, failed or stopped run into the queue again."
EDIT = "Edit and start again"
DUPLICATE = "Duplicate this run"
DUPLICATE_HELP = "Opens its settings as a new experiment, to change before it starts."
ASKED = {
    "pause": "Pausing after the current step.",
    "stop": "Stopping.",
    "resume": "Going on.",
    "next": "It runs next.",
}

QUEUE_HELP = (
    "The waiting runs of all experiments, in the order in which they begin. A run that takes over a stage waits until "
    "that is trained, and runs that share nothing with it go before it, unless it is wanted next."
)
QUEUE_LIST = "Waiting runs"
RUN_NEXT, RUN_NEXT_HELP = "Run next", "It begins before all other waiting runs; none overtakes it."
EARLIER, EARLIER_HELP = "Move up", "One place earlier."
LATER, LATER_HELP = "Move down", "One place later."
TAKE_OUT, TAKE_OUT_HELP = "Take out", "It does not run until it is resumed."

AGAINST_OWN, AGAINST_BASE = "since the end of its own stage", "against the base model"
CELL_NONE = "Select a cell of the matrix, or choose its stage and task here."
AFTER_STAGE, AFTER_STAGE_HELP = "After stage", "Row of the matrix."
TASK, TASK_HELP = "Task", "Column of the matrix."
BASE_MODEL = "base model"
DELTA_BASE, DELTA_BASE_HELP = "Δ base", "Change against the base model."
DELTA_OWN, DELTA_OWN_HELP = "Δ own stage", "Change since the end of the task's own stage."
READ_LOST, READ_LOST_HELP = "Read what was lost", "Which held-out documents lost most, token by token."
ON_THE_SERVER = "It lies on the server."

DETAILS = "Details of this run"
STAGES, GUARDS, LOG = "Stages", "Guards by stage", "Log"
GUARDS_ALT = "Which guard holds after which stage"
STAGE_COLUMNS = ("Stage", "Steps", "Tokens", "Time", "State")
TRAINED, BEGUN = "trained", "begun"
LOG_ELSEWHERE = "The log lies on the server, in the folder logs of its data."
LOG_EMPTY = "Nothing is logged of this run."
STAGE = "Stage"
VALUE = "Value"
GUARDS, GUARD, MUST, BASE, FOUND_LAST = "Guards", "Guard", "Must", "Base", "Found last"


def only_watches(driver: str) -> str:
    """Another process drives the runs."""
    return f"Runs of this data folder are driven by {plain(driver)}. This page only watches."


def status_facts(run: "pd.Series[Any]", tasks: Sequence[str]) -> list[str]:
    """How far a run is and how long it will take, in a few words each; plain text."""
    if run["status"] == "queued":
        return _in_queue(run)
    facts = [run["phase"]] if run["status"] == "running" and run["phase"] not in ("", "training") else []
    stage = int(run["stage"])
    of_task = f": {tasks[stage - 1]}" if 0 < stage <= len(tasks) and run["status"] != "finished" else ""
    facts.append(f"stage {stage} of {run['stages']}{of_task}")
    if run["steps"]:
        facts.append(f"step {run['step']:,} of {run['steps']:,}")
    left, speed, is_active = run["seconds_left"], run["tokens_per_second"], run["status"] in ("running", "paused")
    if is_active and left == left:
        facts.append(f"{duration(left)} left")
    elif run["seconds"] and not is_active:
        facts.append(f"{duration(run['seconds'])} of training")
    if run["status"] == "running" and speed == speed and speed:
        facts.append(f"{count(speed)} tokens/s")
    return facts


def _in_queue(run: "pd.Series[Any]") -> list[str]:
    before = int(run["position"]) - 1 if pd.notna(run["position"]) else 0
    place = f"behind {plural(before, 'other run')}" if before else "it is the next"
    if run["goes_next"]:
        place = "it is wanted next, and begins as soon as it can"
    left = run["seconds_left"]
    return [place, *([f"will take about {duration(left)}"] if left == left else [])]


def counted(statuses: "pd.Series[str]") -> str:
    """How many runs have which status."""
    counts = statuses.value_counts()
    return ", ".join(f"{counts[each]} {word}" for each, (_, word) in STATUSES.items() if counts.get(each))


def left_in_all(seconds: float, is_whole: bool) -> str:
    """The time until all runs are over; of those that run alone where it is not known of what waits."""
    return f"about {duration(seconds)} left" + (" in all" if is_whole else " for what runs")


def resume_all(number: int) -> str:
    """The button that resumes so many runs."""
    return f"Resume all {number}"


def failed(reason: str, kept: str) -> str:
    """Why a run failed."""
    return f"This run failed. {reason}{kept}"


def interrupted(reason: str, kept: str) -> str:
    """Why a run was interrupted."""
    return f"This run was interrupted. {reason}{kept}"


def stopped(reason: str, step: int, kept: str) -> str:
    """Where a run was stopped."""
    return f"{reason or f'This run was stopped at step {step:,}.'}{kept}"


def kept_up_to(step: int) -> str:
    """How much of a run that ended early is kept."""
    return f" It kept everything up to step {step:,}." if step else ""


def edit_help(finished: int, stages: int) -> str:
    """Where an edited run goes on."""
    if not finished:
        return "Opens its settings as a new experiment. No stage of this run is trained yet, so that it begins anew."
    trained = "Stage 1 is trained and is" if finished == 1 else f"Stages 1 to {finished} are trained and are"
    onward = f"it goes on with stage {finished + 1}" if finished < stages else "nothing is left to train"
    return (
        f"Opens its settings as a new experiment. {trained} taken over as long as you change nothing that these stages "
        f"learnt by; then {onward}. A change that concerns an earlier stage trains again from there."
    )


def queue_title(number: int) -> str:
    """The heading of the queue."""
    return f"Queue: {plural(number, 'run')} waiting" if number else "Queue"


def cell_title(task: str | None, stage: int | None) -> str:
    """The heading of what lies behind a cell."""
    if task is None or stage is None:
        return "Behind a cell of the matrix"
    return f"Behind the cell: {plain(task)}, {f'after stage {stage}' if stage else BASE_MODEL}"


def cell_line(task: str, stage: int, value: str, changes: Sequence[str]) -> str:
    """A cell's score, with the changes that there are, in Markdown."""
    where = f"after stage {stage}" if stage else BASE_MODEL
    return f"**{plain(task)}, {where}:** {', '.join([value, *changes])}"


def not_scored(task: str, stage: int, ended: bool) -> str:
    """Why a cell is empty."""
    if ended:
        return f"{plain(task)} was not scored here: the run ended before."
    return f"{plain(task)} is scored once stage {stage} is over." if stage else "The base model is scored first."


def wanted(goes_next: bool) -> str:
    """Beside a waiting run that a user has put first."""
    return "next" if goes_next else ""


def taken_stages(stages: int, name: str) -> str:
    first = "Stage 1 was" if stages == 1 else f"Stages 1 to {stages} were"
    return (
        f"{first} trained in “{name}”. A task that was added since has no curve inside them: it was scored on their "
        "checkpoints."
    )


def unlike_stages(facts: list[str]) -> str:
    return (
        f"They were trained with another arithmetic ({', '.join(facts)}), so the numbers are not, bit for bit, those "
        "of a run that trained all stages here."
    )


def cell_counts(tokens: float, text_bytes: float, questions: int) -> str:
    """How much the scores of a cell are over."""
    over = f"Over {tokens:,.0f} held-out tokens ({bytes_size(text_bytes)} of text)"
    return f"{over}, and {plural(questions, 'held-out question')}." if questions else f"{over}."


def checkpoint_after(stage: int, is_inside: bool) -> str:
    """The heading of a checkpoint's path, which may lie inside the data folder."""
    return f"Checkpoint after stage {stage}{', in the data folder' if is_inside else ''}"


def whole_path(path: str) -> str:
    """A path for who is at this machine."""
    return f"The whole path: {plain(path)}"


def cut_short(times: int, waits: bool) -> str:
    """How often a run was cut short elsewhere, before the last reason."""
    said = f"Cut short {plural(times, 'time')}, and waits to go on." if waits else ""
    said = said or f"Went on elsewhere {plural(times, 'time')}."
    return f"{said} Last:" if times > 1 else said


def each_time(sentences: Sequence[str]) -> str:
    """All reasons for which a run was cut short."""
    listed = "\n".join(f"{number}. {plain(each)}" for number, each in enumerate(sentences, start=1))
    return f"Each time that it was cut short:\n\n{listed}"


def node(name: str) -> str:
    """The machine that a run computes on."""
    return f"Node: {plain(name)}"


def general_of_base(score: str) -> str:
    return f"General text: {score} for the base model."


def general_now(score: str, stage: int, change: str, moved: float | None) -> str:
    """The general text's newest score, and how far the model has moved on it in nats per token."""
    drift = f" KL from the base model: {moved:.3f} nats per token." if moved is not None else ""
    return f"General text: {score} after stage {stage}, {change} against the base model.{drift}"


def lost_guard(title: str, stage: int, task: str) -> str:
    return f"{title} (since stage {stage}, {task})"


def guards_hold(holding: int, guards: int, stages: int, lost: Sequence[str], never: int) -> str:
    """How many guards hold after so many stages, which hold no more, and how many never did."""
    text = f"{holding} of {plural(guards, 'guard')} hold {f'after stage {stages}' if stages else 'for the base model'}."
    if lost:
        text += f" No longer: {', '.join(lost)}."
    if never:
        text += f" {plural(never, 'guard')} never held."
    return text


def loss_at_most(value: float) -> str:
    return f"loss at most {value:g}"


def likelier(text: str) -> str:
    return f"{text} likelier"


def of_stage(stage: int, remark: str) -> str:
    return f"Stage {stage}: {remark}"
