"""The sections that the report begins with: what was learnt, what was lost and where, passages and answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from engine.common.numerals import percent
from engine.common.quoting import listed
from engine.insight.report_results import kept_report
from engine.insight.requests import ReportTask
from engine.results.task_losses import TaskLoss
from engine.results.verdict import amount, chance, difference
from engine.store import Store
from figures.report import Section
from figures.theme import SCORES
from ui.compare.tables import NOTHING, number
from ui.report.answers_html import answers_html
from ui.report.passages_html import passages_html
from ui.report.told_runs import ToldRun, ToldRuns
from ui.widgets.text import plural


def sections_of(store: Store, told: ToldRuns | None) -> list[Section]:
    """All of them; none where no run is complete. Raises StoreError where a run was deleted meanwhile."""
    if told is None:
        return []
    tasks = told.request.tasks if told.request is not None else ()
    found = [(task, kept_report(store, task)) for task in tasks]
    missing = [task.task for task, kept in found if kept is None]
    return [
        _lost_section(told),
        *(section for task, kept in found if kept is not None for section in _of_task(told, task, kept)),
        *([_missing_section(missing)] if missing else []),
    ]


def _lost_section(told: ToldRuns) -> Section:
    first, *others = told.runs
    text = f"{SCORES[told.score].title} on held-out text of every task in the runs of {_names(told.runs)} with seed "
    text += f"{told.seed}.{_in_which_order(told)}"
    if others:
        text += f" {others[0].name} kept most of the strategies that are compared."
    text += " Learnt: how much better its own stage made a task. Lost since: how much worse the last stage leaves it."
    if told.request is None:
        text += f" {first.name} lost nothing of any earlier task as a whole, so no passages are shown."
    rows = [
        _row(told, run, loss)
        for place in range(len(told.experiment.tasks))
        for run in told.runs
        for loss in run.losses[place : place + 1]
    ]
    table = pd.DataFrame(rows)
    return Section("What was learnt and what was lost", text, table=table if others else table.drop(columns="Run"))


def _row(told: ToldRuns, run: ToldRun, loss: TaskLoss) -> dict[str, str]:
    labels = [task.label for task in told.experiment.tasks]
    where = NOTHING
    if loss.worst_stage is not None:
        where = f"stage {loss.worst_stage} ({labels[loss.worst_stage - 1]}): {_change(loss.lost_there, told.score)}"
    return {
        "Task": labels[loss.task - 1],
        "Run": run.name,
        "Learnt": _change(loss.gained, told.score),
        "Lost since": _change(loss.lost, told.score) if loss.is_earlier else NOTHING,
        "Most was lost in": where,
        "Base model": amount(loss.untrained, told.score),
        "After its own stage": amount(loss.learned, told.score),
        "At the end": amount(loss.ended, told.score),
    }


def _change(value: float, score: str) -> str:
    return number(value, "forgetting", score)


def _of_task(told: ToldRuns, task: ReportTask, kept: Mapping[str, Any]) -> Iterator[Section]:
    loss = next(each for each in told.runs[0].losses if told.experiment.tasks[each.task - 1].name == task.task)
    text = (
        f"{kept['worse']:,} of {plural(kept['documents'], 'held-out document')} scored worse at the end than after the "
        f"task's own stage with {told.runs[0].name}, which lost {difference(loss.lost, told.score)} of the task as a "
        "whole. Of those that lost most the worst stretch is shown; orange is text that the final model expects less "
        f"than before, blue text that it expects more.{_in_which_order(told)}"
    )
    names = [run.name for run in told.runs]
    yield Section(f"What was lost of {task.task}: passages", text, body=passages_html(kept["passages"], names))
    if kept["answers"] is not None:
        yield _answers_section(told, task, kept["answers"])
    elif kept["no_answers"]:
        yield Section(f"What was lost of {task.task}: answers", kept["no_answers"])


def _answers_section(told: ToldRuns, task: ReportTask, answers: Mapping[str, Any]) -> Section:
    said = [_scores(run, span) for run, span in zip(told.runs, answers["spans"], strict=True)]
    text = f"{plural(answers['asked'], 'held-out question')}, answered greedily. {' '.join(said)}"
    if not answers["rows"]:
        return Section(f"What was lost of {task.task}: answers", f"{text} No answer became worse.")
    text += f" Shown are answers of {told.runs[0].name} that became worse, the worst first."
    body = answers_html(answers["rows"], [run.name for run in told.runs])
    return Section(f"What was lost of {task.task}: answers", text, body=body)


def _scores(run: ToldRun, span: Mapping[str, Any]) -> str:
    before, after = (span["scores"][side]["exact"] for side in ("before", "after"))
    return (
        f"{run.name}: {percent(before)} exactly right after the task's own stage, {percent(after)} at the end; "
        f"{span['lost']:,} turned wrong and {span['gained']:,} right ({chance(span['p'])}, McNemar's exact test)."
    )


def _missing_section(tasks: Sequence[str]) -> Section:
    text = (
        f"Those of {listed(list(tasks))} were not computed when this report was made. On the page Compare, the button "
        "“Find passages and answers for the report” has the models read the held-out text; a report that is made after "
        "that shows them."
    )
    return Section("Passages and answers that are not shown", text)


def _in_which_order(told: ToldRuns) -> str:
    """A sentence on the order of the tasks, where the experiment varies it."""
    if not told.order_varies:
        return ""
    return f" These runs learnt the tasks in the order {' → '.join(task.name for task in told.experiment.tasks)}."


def _names(runs: Sequence[ToldRun]) -> str:
    return " and ".join(run.name for run in runs)
