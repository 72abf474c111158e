"""The sections that the report begins with: what was learnt, what was lost and where, passages and answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from engine.insight.report_results import kept_report
from engine.insight.requests import ReportTask
from engine.results.task_losses import TaskLoss
from engine.results.verdict import amount, chance, difference
from engine.store import Store
from figures.report import Section
from figures.theme import SCORES
from ui.compare.tables import NOTHING, number
from ui.report import words
from ui.report.answers_html import answers_html
from ui.report.passages_html import passages_html
from ui.report.told_runs import ToldRun, ToldRuns


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
    text = words.scored(SCORES[told.score].title, [run.name for run in told.runs], told.seed) + _in_which_order(told)
    if others:
        text += words.kept_most(others[0].name)
    text += words.ABOUT_LOST
    if told.request is None:
        text += words.lost_nothing(first.name)
    rows = [
        _row(told, run, loss)
        for place in range(len(told.experiment.tasks))
        for run in told.runs
        for loss in run.losses[place : place + 1]
    ]
    table = pd.DataFrame(rows)
    return Section(words.LOST_TITLE, text, table=table if others else table.drop(columns=words.RUN))


def _row(told: ToldRuns, run: ToldRun, loss: TaskLoss) -> dict[str, str]:
    labels = [task.label for task in told.experiment.tasks]
    where = NOTHING
    if loss.worst_stage is not None:
        change = _change(loss.lost_there, told.score)
        where = words.lost_in(loss.worst_stage, labels[loss.worst_stage - 1], change)
    return {
        words.TASK: labels[loss.task - 1],
        words.RUN: run.name,
        words.LEARNT: _change(loss.gained, told.score),
        words.LOST_SINCE: _change(loss.lost, told.score) if loss.is_earlier else NOTHING,
        words.MOST_LOST_IN: where,
        words.BASE_MODEL: amount(loss.untrained, told.score),
        words.AFTER_OWN_STAGE: amount(loss.learned, told.score),
        words.AT_THE_END: amount(loss.ended, told.score),
    }


def _change(value: float, score: str) -> str:
    return number(value, "forgetting", score)


def _of_task(told: ToldRuns, task: ReportTask, kept: Mapping[str, Any]) -> Iterator[Section]:
    loss = next(each for each in told.runs[0].losses if told.experiment.tasks[each.task - 1].name == task.task)
    lost = difference(loss.lost, told.score)
    text = words.documents_lost(kept["worse"], kept["documents"], told.runs[0].name, lost) + _in_which_order(told)
    names = [run.name for run in told.runs]
    yield Section(words.passages_title(task.task), text, body=passages_html(kept["passages"], names))
    if kept["answers"] is not None:
        yield _answers_section(told, task, kept["answers"])
    elif kept["no_answers"]:
        yield Section(words.answers_title(task.task), kept["no_answers"])


def _answers_section(told: ToldRuns, task: ReportTask, answers: Mapping[str, Any]) -> Section:
    said = [_scores(run, span) for run, span in zip(told.runs, answers["spans"], strict=True)]
    text = words.asked(answers["asked"], said)
    if not answers["rows"]:
        return Section(words.answers_title(task.task), text + words.NONE_WORSE)
    text += words.answers_shown(told.runs[0].name)
    body = answers_html(answers["rows"], [run.name for run in told.runs])
    return Section(words.answers_title(task.task), text, body=body)


def _scores(run: ToldRun, span: Mapping[str, Any]) -> str:
    before, after = (span["scores"][side]["exact"] for side in ("before", "after"))
    return words.exactly_right(run.name, before, after, span["lost"], span["gained"], chance(span["p"]))


def _missing_section(tasks: Sequence[str]) -> Section:
    return Section(words.MISSING_TITLE, words.missing(tasks))


def _in_which_order(told: ToldRuns) -> str:
    """A sentence on the order of the tasks, where the experiment varies it."""
    return words.in_order([task.name for task in told.experiment.tasks]) if told.order_varies else ""
